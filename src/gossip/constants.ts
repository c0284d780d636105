import { HASH_BYTES, NETWORK_ID_BYTES, NODE_ID_BYTES } from '../base/index.ts'
import { SIGNATURE_BYTES } from '../crypto/index.ts'
import { BOX_BYTES } from '../stream/index.ts'

/** First byte of a publication and of a proof. */
export const PUBLICATION_VERSION = 1
/** Length of the epoch field. */
export const EPOCH_BYTES = 4
/** Length of the counter field; values above 2^53 - 1 are malformed. */
export const COUNTER_BYTES = 8
/** version | networkId | epoch | courier | counter. */
export const PUBLICATION_HEADER_BYTES =
  1 + NETWORK_ID_BYTES + EPOCH_BYTES + NODE_ID_BYTES + COUNTER_BYTES
/** A whole publication. */
export const PUBLICATION_BYTES = PUBLICATION_HEADER_BYTES + BOX_BYTES + SIGNATURE_BYTES
/** header | (box hash | signature) × 2. */
export const PROOF_BYTES = PUBLICATION_HEADER_BYTES + 2 * (HASH_BYTES + SIGNATURE_BYTES)

/** How far an honest clock may be off. */
export const CLOCK_TOLERANCE_MS = 120_000
/** A box may still be on its way this long after its day ended. */
export const DAY_GRACE_MS = 3_600_000
/** Counters that a courier reserves durably at a time. */
export const COUNTER_BLOCK = 64
/** Boxes of which it is remembered, until the store has them, that they were accepted. */
export const MAX_RECENT_BOXES = 8_192
/** Different boxes under one address that are passed on. */
export const MAX_BOXES_PER_ADDRESS = 2
/** Publications per epoch whose counters are remembered. */
export const MAX_LOGGED_PUBLICATIONS = 524_288
/** Couriers per epoch that can be excluded. */
export const MAX_EXCLUDED_COURIERS = 4_096
/** Publications per epoch of all nodes together that the directory does not know (yet). */
export const UNKNOWN_COURIER_QUOTA = 512
/** Publications judged before the event loop gets its turn: about 1 ms of signatures. */
export const VALIDATIONS_PER_TURN = 4
/** Publications that wait to be judged; more do not wait. */
export const VALIDATIONS_WAITING_MAX = 256
/** Ignored messages of one peer per minute, above twice the expected rate, before it loses points. */
export const IGNORED_ALLOWANCE = 120
/** Points for each ignored message above the allowance. */
export const IGNORED_POINTS = 0.5
/** Peers whose ignored messages are counted. */
export const MAX_COUNTED_PEERS = 1_024
