import { concat, u64be } from '../base/index.ts'
import { RECLAIM_PART_BYTES } from './constants.ts'
import type { Engine } from './engine.ts'

/** Parts are told apart by so many bytes of the keys behind that of the bucket: those of a day of boxes differ in the last. */
const PREFIX_BYTES = 6
const PREFIXES = 2 ** (8 * PREFIX_BYTES)

interface Part {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** What the tables hold under the keys of a bucket, deleted or not, about. */
export function bytesOf(engine: Pick<Engine, 'approximateBytes'>, bucket: number): Promise<number> {
  return engine.approximateBytes(Uint8Array.of(bucket), Uint8Array.of(bucket + 1))
}

/**
 * Where the tables of a bucket hold anything, in parts of at most `RECLAIM_PART_BYTES`, about: one is rewritten at a stretch,
 * and a stop waits for it. Halved until they are small enough: keys that begin with a number are spread over few of all beginnings.
 */
export async function reclaimParts(
  engine: Pick<Engine, 'approximateBytes'>,
  bucket: number,
): Promise<Part[]> {
  const parts: Part[] = []
  const split = async (from: number, to: number): Promise<void> => {
    const part = { gte: keyAt(bucket, from), lt: keyAt(bucket, to) }
    const bytes = await engine.approximateBytes(part.gte, part.lt)
    if (bytes === 0) return
    if (bytes <= RECLAIM_PART_BYTES || to - from === 1) {
      parts.push(part)
      return
    }
    const middle = (from + to) / 2
    await split(from, middle)
    await split(middle, to)
  }
  await split(0, PREFIXES)
  return parts
}

function keyAt(bucket: number, prefix: number): Uint8Array {
  if (prefix === 0) return Uint8Array.of(bucket)
  if (prefix === PREFIXES) return Uint8Array.of(bucket + 1)
  return concat(Uint8Array.of(bucket), u64be(prefix).subarray(8 - PREFIX_BYTES))
}
