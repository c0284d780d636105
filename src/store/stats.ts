import type { StoreStats } from './batch-api.ts'
import { BUCKETS } from './buckets.ts'
import type { Engine } from './engine.ts'
import type { Parts } from './parts.ts'

const COUNTED_KEYS = 10_000

/** Keys of a bucket: exact up to 10,000, above that scaled by the space that the first 10,000 take. */
async function countKeys(engine: Engine, bucket: number): Promise<number> {
  const [low, high] = [Uint8Array.of(bucket), Uint8Array.of(bucket + 1)]
  let count = 0
  let last: Uint8Array | undefined
  for await (const key of engine.keys({ gte: low, lt: high, limit: COUNTED_KEYS })) {
    count++
    last = key
  }
  if (count < COUNTED_KEYS || last === undefined) return count
  const counted = await engine.approximateBytes(low, last)
  const all = await engine.approximateBytes(low, high)
  return counted > 0 ? Math.max(count, Math.round((count * all) / counted)) : count
}

export async function collectStats(parts: Parts): Promise<StoreStats> {
  const { engine, files, committer, secrets, shelf, reserve, paths } = parts
  const keys: Record<string, number> = {}
  for (const [name, bucket] of Object.entries(BUCKETS)) keys[name] = await countKeys(engine, bucket)
  let bytes = 0
  for (const directory of [paths.directory, paths.database]) {
    for (const file of await files.list(directory)) bytes += file.bytes
  }
  return {
    bytes,
    freeBytes: await files.freeBytes(paths.directory),
    keys,
    headSeq: committer.head.seq,
    oldestSeq: committer.head.oldest,
    secrets: shelf.size,
    damagedSecrets: secrets.damaged,
    reserve: await reserve.exists(),
  }
}
