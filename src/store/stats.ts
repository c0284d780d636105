import type { StoreSpace, StoreStats } from './batch-api.ts'
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

/** Asked as often as anybody polls the status, so it looks at files alone and never at keys. */
export async function measureSpace({ files, secrets, reader, paths }: Parts): Promise<StoreSpace> {
  let bytes = 0
  for (const directory of [paths.directory, paths.database]) {
    for (const file of await files.list(directory)) bytes += file.bytes
  }
  const freeBytes = await files.freeBytes(paths.directory)
  return { bytes, freeBytes, damagedSecrets: secrets.damaged, damagedValues: reader.damaged }
}

export async function collectStats(parts: Parts): Promise<StoreStats> {
  const { engine, committer, shelf, reserve } = parts
  const keys: Record<string, number> = {}
  for (const [name, bucket] of Object.entries(BUCKETS)) keys[name] = await countKeys(engine, bucket)
  return {
    ...(await measureSpace(parts)),
    keys,
    headSeq: committer.head.seq,
    oldestSeq: committer.head.oldest,
    secrets: shelf.size,
    reserve: await reserve.exists(),
  }
}
