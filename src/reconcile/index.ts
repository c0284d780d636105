/** reconcile: what one set of hashes has and another has not, found with little traffic and no trust. Pure. */
export { answerRanges, shareOf } from './answer.ts'
export { ITEM_BYTES, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES } from './constants.ts'
export type { Pause } from './fingerprint.ts'
export { ItemIndex } from './item-index.ts'
export type { ItemSource } from './item-index.ts'
export { reconcile } from './reconcile.ts'
export type { ReconcileLimits, ReconcilePorts, ReconcileResult } from './reconcile.ts'
