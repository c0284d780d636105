import { RECLAIM_PART_BYTES } from './constants.ts'
import type { Engine } from './engine.ts'

/** Parts are told apart by the first byte of the keys behind that of the bucket. */
const MAX_PARTS = 256

export interface Part {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** What the tables hold under the keys of a bucket, deleted or not, about. */
export function bytesOf(engine: Engine, bucket: number): Promise<number> {
  return engine.approximateBytes(Uint8Array.of(bucket), Uint8Array.of(bucket + 1))
}

/**
 * The bucket in parts of about `RECLAIM_PART_BYTES`, where its keys are spread evenly: one is rewritten at a stretch, and a
 * stop waits for it.
 */
export function reclaimParts(bucket: number, bytes: number): Part[] {
  const parts = Math.min(MAX_PARTS, Math.max(1, Math.ceil(bytes / RECLAIM_PART_BYTES)))
  const start = (part: number) => Uint8Array.of(bucket, Math.floor((part * MAX_PARTS) / parts))
  return Array.from({ length: parts }, (_, part) => ({
    gte: part === 0 ? Uint8Array.of(bucket) : start(part),
    lt: part === parts - 1 ? Uint8Array.of(bucket + 1) : start(part + 1),
  }))
}
