import { HearsayError } from '../base/index.ts'
import type { KeyRange } from './batch-api.ts'
import { MAX_KEY_BYTES } from './constants.ts'
import type { EngineRange } from './engine.ts'

/** bucket 1 | key 1 to 255. @throws HearsayError `bad-length`. */
export function physicalKey(bucket: number, key: Uint8Array): Uint8Array {
  if (key.length < 1 || key.length > MAX_KEY_BYTES) {
    throw new HearsayError('bad-length', 'a key is 1 to 255 bytes', { length: key.length })
  }
  return join(bucket, key)
}

/** The range of a bucket, narrowed by the caller's bounds. */
export function physicalRange(bucket: number, range: KeyRange = {}): EngineRange {
  const low = range.gt
    ? { gt: join(bucket, range.gt) }
    : { gte: join(bucket, range.gte ?? new Uint8Array(0)) }
  const high = range.lt
    ? { lt: join(bucket, range.lt) }
    : range.lte
      ? { lte: join(bucket, range.lte) }
      : { lt: Uint8Array.of(bucket + 1) }
  return {
    ...low,
    ...high,
    ...(range.limit === undefined ? {} : { limit: range.limit }),
    ...(range.reverse === undefined ? {} : { reverse: range.reverse }),
  }
}

/** A map key with one character per byte. */
export function mapKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

function join(bucket: number, key: Uint8Array): Uint8Array {
  const out = new Uint8Array(1 + key.length)
  out[0] = bucket
  out.set(key, 1)
  return out
}
