/** First byte of a request and of an answer. */
export const RECONCILE_VERSION = 1
/** An item: a hash, so that items spread evenly. */
export const ITEM_BYTES = 32
/** Drawn by the asker for every session. */
export const SESSION_KEY_BYTES = 32
/** Keyed, so 128 bits leave nothing to search for offline. */
export const FINGERPRINT_BYTES = 16
/** A range is split into this many: one hexadecimal digit of the item. */
export const FANOUT = 16
/** A range with at most this many items is answered with the items. */
export const LEAF_ITEMS = 64
/** Ranges in one request. */
export const MAX_RANGES = 64
/** Digits of the narrowest range. Honest items are told apart long before. */
export const MAX_DEPTH = 16
/** Items hashed in one step of a fingerprint. */
export const CHUNK_ITEMS = 1_024
/** Items passed over between two chances to pause. */
export const SKIPS_PER_TURN = 256
/** What beginning a fingerprint costs, in items. */
export const FINGERPRINT_COST = 16
/** Requests in one session: a whole sync of 250,000 items fits. */
export const MAX_SESSION_REQUESTS = 512
/** Items one session may find missing. */
export const MAX_SESSION_ITEMS = 262_144

/** version 1 | key 32 | count 2 | count × (digits 1, up to 8 bytes). */
export const MAX_REQUEST_BYTES = 1 + SESSION_KEY_BYTES + 2 + MAX_RANGES * (1 + MAX_DEPTH / 2)
/** version 1 | count × (tag 1, count 1, items). */
export const MAX_ANSWER_BYTES = 1 + MAX_RANGES * (2 + LEAF_ITEMS * ITEM_BYTES)
