// Specification.

/** Slots of a cycle at least: with one slot per cycle every slot would publish and none could fetch. */
export const PUBLISH_EVERY_MIN = 2
/** Longest delay of a hop, in means: an exponential exceeds it once in 20,000. */
export const DELAY_MEANS_MAX = 10
/** Share of the slots that do not publish which ask a keeper; the others ask for nothing. */
export const FETCH_SHARE = 0.5
/** A courier replies this long after it acted, plus an exponential delay: a keeper has had time to answer. */
export const REPLY_FLOOR_MS = 1_000
/** ephemeral key 32 | version 1, address 32, which 1, reply key 32 | tag 16. */
export const SEALED_REQUEST_BYTES = 114
/** version 1, count 1, box 2048 | tag 16. */
export const SEALED_ANSWER_BYTES = 2_066
/** kind 1 | the longest of its arguments, a box. */
export const REQUEST_BODY_BYTES = 1 + 2_048
/** Random name of a question between courier and keeper. */
export const ASK_REF_BYTES = 16
/** A packet of a key epoch is taken for so long before it begins and after it ended: clocks and its way. */
export const KEY_GRACE_MS = 180_000
/** For so long in all a key is held that is over by a leap of the clock alone. */
export const HOLD_MS = 210_000
/** Key epochs whose key is known to be erased: those that a clock set back may show again. */
export const ERASED_EPOCHS_MAX = 1_024
/**
 * Around the beginning of an epoch a packet takes the mixes and keys of one or the other by chance: else the first to
 * use the new ones would be those whose clock is fast.
 */
export const EPOCH_SMEAR_MS = 15_000
/** Keys of coming epochs that a descriptor carries. */
export const KEYS_AHEAD = 2

// Implementation.

/** How long before its moment a box is asked for: one synced write and one signature, with room, ms. */
export const PREPARE_LEAD_MS = 60
/** How long before its moment a packet is built: a wrap takes about 1 ms, with room for a busy loop. */
export const BUILD_LEAD_MS = 15
/** Resolution of the wall clock. */
export const CLOCK_STEP_MS = 1
/** Draws until a route's hops stand in different networks. */
export const ROUTE_DRAWS_MAX = 16
/** Packets that wait for their delay: 28 MB. */
export const RELAY_PENDING_MAX = 8_192
/** Tags of one key epoch: 64 MB at most; ten times what a mix of a big network relays in an hour. */
export const REPLAY_TAGS_MAX = 1_048_576
/** How long before its packet goes on a tag is written, ms: one synced write, with room on a busy disk. */
export const TAG_LEAD_MS = 50
/** Tags of one write; more do not wait. */
export const TAGS_PER_WRITE = 256
/** A reply that took longer than three mean round trips and this is lost: eleven links of 0.3 s. */
export const REPLY_SLACK_MS = 4_000
/** Replies that are waited for at once. */
export const SURBS_MAX = 4_096
/** Requests whose reply a courier still owes: 30 MB. */
export const COURIER_OPEN_MAX = 8_192
/** Questions to keepers that a courier has under way. */
export const ASKS_MAX = 1_024
/** Questions that a keeper answers at once. */
export const ANSWERS_MAX = 64
/** Questions that a keeper answers no second time: the last ones. */
export const ANSWERED_MAX = 16_384
/** A keeper answers after once to twice this, ms: longer than a look at the disk. */
export const ANSWER_SPREAD_MS = 50
/** Slots over which a neighbour's frames are counted. */
export const QUOTA_WINDOW_SLOTS = 30
/** Frames of a window above the bound of what is expected. */
export const QUOTA_SPARE = 4
/** Neighbours whose frames are counted. */
export const QUOTA_PEERS_MAX = 4_096
/** What a frame beyond the quota costs a neighbour. */
export const QUOTA_BLAME_POINTS = 0.1
/** Last requests whose replies make the reply rate. */
export const REPLY_WINDOW = 64
/** Requests that must be known before real traffic stops. */
export const REPLY_WINDOW_MIN = 32
/** A mix that stops hands on what it holds for so long. */
export const DRAIN_MS = 2_000
export const DRAIN_POLL_MS = 50
export const DRAIN_TRIPS = 2
/** Less than what whoever stops a daemon waits for, hooks included. */
export const DRAIN_LONGEST_MS = 8_000
/** Pause between two looks at the links. */
export const LINK_TICK_MS = 1_000
/** Links opened at once. */
export const LINKS_OPENING_MAX = 8
/** First and longest wait after a link that could not be opened. */
export const LINK_RETRY_FIRST_MS = 1_000
export const LINK_RETRY_MAX_MS = 30_000
