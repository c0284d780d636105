/** First field of every encoded form of this folder. */
export const DIRECTORY_VERSION = 1
/** Protocol version this code speaks. */
export const PROTOCOL_VERSION = 1

/** Longest text that `inspectNetwork` looks at. */
export const MAX_NETWORK_FILE_BYTES = 16_384
export const MAX_NAME_LENGTH = 40
export const MAX_BOOTSTRAPS = 16
/** Multiaddr with a peer id, ASCII. */
export const MAX_BOOTSTRAP_BYTES = 192
/** Truncated hash behind the CBOR of a URI: finds typing errors, not attackers. */
export const CHECKSUM_BYTES = 4
export const URI_PREFIX = 'hearsay:join/'
/** 4 of 2048 words: 44 bits of the network id, to compare by voice. */
export const NETWORK_WORDS = 4

/** A descriptor with its signature: four X-Wing keys and all other fields at their limit. */
export const MAX_DESCRIPTOR_BYTES = 6_400
export const MAX_ADDRESSES = 8
/** Multiaddr without a peer id, ASCII. */
export const MAX_ADDRESS_BYTES = 128
/** This epoch's key, the next ones, and one that is still in its grace period. */
export const MAX_MIX_KEYS = 4
/** Key epochs ahead of the running one whose keys are taken: two, and one for clocks. */
export const MAX_KEYS_AHEAD = 3
/** Bytes of a mix key by suite: X25519, or X-Wing (ML-KEM-768 1184 | X25519 32). */
export const MIX_KEY_BYTES = { x25519: 32, 'x-wing': 1_216 } as const
export const REQUEST_KEY_BYTES = 32
export const PNET_KEY_BYTES = 32

/** Most uses of one invitation. */
export const MAX_INVITATION_USES = 1_024
/** Invitations plus nodes in the operator's revocation list. */
export const MAX_REVOCATIONS = 512

/** Publications that the network may make in an epoch: a node remembers each counter until the epoch ends. */
export const MAX_EPOCH_PUBLICATIONS = 450_000
/** Boxes that may be hot at once: every node has them in memory and reconciles them in one session. */
export const MAX_HOT_BOXES = 250_000
/** What couriers may bring, of what they are expected to. */
export const COURIER_ROOM = 2
/** A lower quota would punish a courier for chance. */
export const MIN_QUOTA = 8
/** A node may keep and mix from its second epoch on; the frozen set of epoch e is that of the end of e - 2. */
export const FREEZE_LAG_EPOCHS = 2
/** The diversity rule holds when the nodes are in at least this many networks (/16) per keeper. */
export const DIVERSITY_NETS_PER_KEEPER = 2
/** Keepers of one box within one /16, when the diversity rule holds. */
export const MAX_KEEPERS_PER_NET = 2
/** Packets that a mix holds on average: what a relayed packet hides among. */
export const PACKETS_PER_MIX = 16
/** A layer with one mix is seen through by it, and stops with it. */
export const MIN_MIXES_PER_LAYER = 2
/** Keepers of one box on one host (/32 of IPv4), when the diversity rule holds. */
export const MAX_KEEPERS_PER_HOST = 1

/** A descriptor that is not issued again for this long is dropped: a closed laptop keeps its place for a day. */
export const DESCRIPTOR_TTL_EPOCHS = 4
/** A running node issues its descriptor again after this share of an epoch, at least. */
export const REISSUES_PER_EPOCH = 2
/** Clocks of honest nodes differ by less. */
export const CLOCK_TOLERANCE_MS = 120_000
/** Peers whose dates are compared with the own clock, or all where there are fewer. */
export const CLOCK_PEERS_MIN = 3
/** For so long the heartbeat of a peer tells of its clock. */
export const CLOCK_HEARD_MS = 300_000
/** A wall clock that moved by so much more or less than the monotonic one has leapt, or the machine slept. */
export const CLOCK_LEAP_MS = 30_000
/** Peers of which is remembered what they have said of the time. */
export const MAX_CLOCK_PEERS = 1_024
/** Nodes the directory holds. */
export const MAX_NODES = 65_536
/** Descriptors of one node that gossip brings in a row, and the time until one more is let through. */
export const DESCRIPTOR_BURST = 6
export const DESCRIPTOR_REFILL_MS = 30_000
/** Descriptors of nodes that are not known yet, and conflicts of such nodes, that gossip brings in a row. */
export const STRANGER_BURST = 256
export const STRANGER_REFILL_MS = 500
export const CONFLICT_BURST = 16
export const CONFLICT_REFILL_MS = 60_000
/** Messages of one neighbour that are no news, in a row; what exceeds it costs a point each. */
export const STALE_BURST = 600
export const STALE_REFILL_MS = 100
/** Reconciliation requests of one peer in a row, and per second after that. */
export const SYNC_BURST = 512
export const SYNC_REQUESTS_PER_SECOND = 16
/** Descriptors that may be looked at for one request's worth of budget. */
export const ITEMS_PER_TOKEN = 2_048
/** Longest time until a wall clock that stepped, or a machine that slept, is noticed. */
export const EPOCH_POLL_MS = 30_000
/** Nodes whose budget is remembered. */
export const MAX_BUDGETS = 4_096

/** Shortest mean time between two heartbeats of a node that may mix. */
export const HEARTBEAT_MIN_MS = 10_000
/** The same for each such node: all together send two a second at most. */
export const HEARTBEAT_PER_NODE_MS = 500
/** Heartbeats in a row whose absence means that the node is away. */
export const HEARTBEATS_MISSED = 3
/** Of the heartbeats that a node dates within one turn, the same for all nodes, one is passed on. */
export const HEARTBEAT_TURN_MS = 5_000
/** Turns, its own included, for which a farewell holds. */
export const FAREWELL_TURNS = 6
/** Farewells that are passed on to a node that has just come. */
export const MAX_FAREWELLS = 64
/** Farewells of which is remembered who handed them on. */
export const MAX_VOUCHED_FAREWELLS = 4_096

/** Gossip topic of descriptors, conflicts and revocations. */
export const DIRECTORY_TOPIC = 'directory'
/** Type 1 + the largest of them, a full revocation list, with room. */
export const MAX_DIRECTORY_MESSAGE_BYTES = 20_480
/** Request protocol of the reconciliation. */
export const SYNC_PROTOCOL = 'directory/sync'
/** Descriptors asked for at once. */
export const MAX_GET_DESCRIPTORS = 64
/** Conflicts in one answer, and ids of known ones in the question. */
export const MAX_NOTICE_CONFLICTS = 32
/** Proofs of conflicting keys in one answer: they are current for a few key epochs only. */
export const MAX_NOTICE_KEY_CONFLICTS = 8
/** Largest answer: a revocation list and conflicts, each with its length. 64 descriptors are less. */
export const MAX_SYNC_ANSWER_BYTES =
  2 + MAX_DIRECTORY_MESSAGE_BYTES + MAX_NOTICE_CONFLICTS * (2 + 4 + 2 * MAX_DESCRIPTOR_BYTES)
/** Pause between two reconciliations with a random peer. */
export const SYNC_INTERVAL_MS = 60_000
/** The same while catching up after a start. */
export const SYNC_FIRST_INTERVAL_MS = 5_000
export const SYNC_TIMEOUT_MS = 10_000
/** Requests and new descriptors of one session. */
export const SYNC_MAX_REQUESTS = 256
export const SYNC_MAX_DESCRIPTORS = 16_384
/** After its start a node still takes descriptors into the current epoch's set that it missed. */
export const CATCH_UP_MS = 120_000
/** After its start a node counts at least as many nodes as it knew before. */
export const SIZE_KEPT_MS = 600_000
/** Peers that must list a descriptor in their running set before a node that was away takes it into its own. */
export const RUNNING_SET_VOUCHERS = 3
/** Changes are written to disk at most this late; own descriptors before they are sent. */
export const FLUSH_MS = 1_000
/** Largest step of the sequence number while the clock is behind it. */
export const SEQUENCE_STEP_MAX = 1_000
/** Wait after a change of the own description, to put several into one descriptor. */
export const REISSUE_DELAY_MS = 1_000
/** A descriptor that reached nobody is issued again after this long. */
export const RESEND_MS = 2_000
/** Score points for a peer that passes on what no honest node takes. */
export const BLAME_POINTS = 10
