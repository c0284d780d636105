/** First byte of every frame of this folder. */
export const MAILBOX_VERSION = 1

/** Boxes under one address: the second is the proof of a conflict, a third adds nothing. */
export const BOXES_PER_ADDRESS = 2
/** Bytes a stored box takes on disk, keys, rows and index included, about. */
export const STORED_BOX_BYTES = 2_560
/** Default quota of the mailbox on disk. */
export const DEFAULT_QUOTA_BYTES = 4_294_967_296
/** Boxes evicted together when the quota is reached. */
export const EVICT_BATCH = 64
/** Kept boxes that are looked at for one that is evicted: those that are hot are passed over. */
export const EVICT_LOOKS = 16
/** Boxes of the last minutes, whoever's, that a mailbox takes also while the disk is nearly full. */
export const SCARCE_BOX_BYTES = 16_777_216
/** Pause between two times that boxes are let go because the disk is nearly full. */
export const SHED_INTERVAL_MS = 30_000
/** Boxes that are let go at a stretch. */
export const SHED_ROWS = 2_048
/** What peers were told of boxes before they went may be in use for so long. */
export const SHED_MEMORY_MS = 60_000
/** Space of boxes that went which is worth a rewriting of tables. */
export const RECLAIM_MIN_BYTES = 16_777_216
/** With less free bytes tables are not rewritten, and nothing is let go: what deletes takes room too, until they are. */
export const RECLAIM_FREE_BYTES = 67_108_864
/** Pause after a rewriting of tables that failed. */
export const RECLAIM_RETRY_MS = 60_000
/** What gossip brings is measured over one to two of these, and says nothing before the second. */
export const INTAKE_WINDOW_MS = 1_800_000
export const INTAKE_FIRST_MS = 60_000
/** Boxes on their way to disk; more are dropped, and reconciliation brings them again. */
export const MAX_PENDING = 2_048
/** Boxes leave the hot window in steps of this length. */
export const HEARD_STEP_MS = 300_000
/** Rows deleted in one batch. */
export const SWEEP_ROWS = 256
/** Pause between two sweeps of what is no longer hot or has expired. */
export const SWEEP_INTERVAL_MS = 60_000

/** Request protocols, short names. */
export const RECONCILE_PROTOCOL = 'mailbox/reconcile'
export const HANDOFF_PROTOCOL = 'mailbox/handoff'

/** version 1 | address 32 | which 1. */
export const FETCH_REQUEST_BYTES = 34
/** version 1 | count 1 | box 2048: the same size whether found or not. */
export const FETCH_ANSWER_BYTES = 2_050
/** ephemeral key 32 | request 34, reply key 32 | tag 16. */
export const SEALED_FETCH_BYTES = 114
/** The answer | tag 16. */
export const SEALED_FETCH_ANSWER_BYTES = 2_066
/** Times that a keeper which does not answer is asked in one look-up. */
export const FETCH_ROUNDS = 2
/** Keepers of one look-up that are asked at once. */
export const FETCH_PARALLEL = 2
/** Answers to audits of one keeper after which the older ones count half. */
export const TRUST_SAMPLES = 16
/** Keepers whose answers to audits are remembered. */
export const TRUST_KEEPERS_MAX = 1_024
/** Boxes heard last, out of which idle questions are drawn. */
export const SAMPLE_BOXES = 1_024

/** Boxes asked for at once. */
export const MAX_GET_BOXES = 64
/** Largest publication that is passed on. */
export const MAX_PUBLICATION_BYTES = 4_096
/** present 1 | heard 4 | length 2 | publication, for each. */
export const MAX_GET_ANSWER_BYTES = MAX_GET_BOXES * (7 + MAX_PUBLICATION_BYTES)
export const RECONCILE_TIMEOUT_MS = 15_000
/** Sessions with random peers, close together, when a node comes back. */
export const CATCH_UP_PEERS = 3
/** Peers that came back, with which a session is due. */
export const MAX_BACK = 8
/** Pause between two sessions over the hot window. */
export const RECONCILE_INTERVAL_MS = 60_000
/** The same after an absence and while boxes wait to be confirmed. */
export const CONFIRM_INTERVAL_MS = 5_000
/** Pause between two sessions with a neighbour over one day. */
export const NEIGHBOUR_INTERVAL_MS = 300_000
/** Gossip is still bringing what is younger than this. */
export const SETTLE_MS = 10_000
/** Clocks of honest nodes differ by less. */
export const CLOCK_TOLERANCE_MS = 120_000
/** Share of the hot window at its old end that is left out: others have dropped it already. */
export const EDGE_SHARE = 0.05
/** Boxes one session brings. */
export const MAX_SESSION_BOXES = 131_072
/** Further peers that must have a box which only reconciliation brought, before anything reacts to it. */
export const CONFIRMATIONS = 2
/** Boxes that wait for confirmation. */
export const MAX_UNCONFIRMED = 262_144
/** Requests of one peer in a row, and per second after that. */
export const PEER_BURST = 512
export const PEER_REQUESTS_PER_SECOND = 64
/** Items of a set that may be looked at for one request's worth of budget. */
export const ITEMS_PER_TOKEN = 2_048
/** Sets of a neighbour and a day that are held for answering, and for how long. */
export const MAX_SHARED_SETS = 4
export const SHARED_SET_MS = 300_000

/** Couriers and epochs whose boxes are counted. */
export const MAX_SHARES = 65_536
/** Share of the mailbox for boxes of couriers that are not known, brought by other ways than gossip. */
export const STRANGER_SHARE = 0.125
/** Boxes above a share that one session may bring before it ends. */
export const MAX_OVER_QUOTA = 256
/** Shared sets that one peer may have built in a row, and seconds until one more. */
export const SHARED_SET_BURST = 4
export const SHARED_SET_REFILL_S = 30
/** Sessions close together after a box came that has to be confirmed. */
export const CONFIRM_SESSIONS = 120

/** Boxes in one hand-over. */
export const MAX_HANDOFF_BOXES = 32
/** Boxes of one peer that a keeper takes over in a row, and per second after that. */
export const HANDOFF_BURST = 1_024
export const HANDOFF_PER_SECOND = 32

/** Signatures checked before the event loop gets its turn: about 1 ms. */
export const CHECKS_PER_TURN = 4
/** Score points for a peer that passes on what no honest node takes. */
export const BLAME_POINTS = 10
