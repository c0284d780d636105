import { type MemoryDisk, memoryDisk } from '../../src/store/index.ts'

const HOME = '/memory'

/** A byte copy of a disk, as a backup or a thief makes it. */
export async function copiedDisk(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = { ...memoryDisk(), vaultKey: disk.vaultKey.slice() }
  for await (const [key, value] of disk.engine.iterate({})) {
    await copy.engine.write([{ type: 'put', key, value }])
  }
  for (const { name } of await disk.files.list(HOME)) {
    const path = name.startsWith(HOME) ? name : `${HOME}/${name}`
    const from = await disk.files.open(path)
    if (from === undefined) continue
    const to = await copy.files.create(path)
    await to.write(0, await from.read(0, await from.size()))
    await to.close()
    await from.close()
  }
  return copy
}

/** Flips a bit in every value of a bucket, or of those whose keys `hits`: none of them opens any more. */
export async function damage(
  { engine }: MemoryDisk,
  bucket: number,
  hits: (key: Uint8Array) => boolean = () => true,
): Promise<void> {
  const range = { gte: Uint8Array.of(bucket), lt: Uint8Array.of(bucket + 1) }
  for await (const [key, value] of engine.iterate(range)) {
    if (!hits(key.slice(1))) continue
    value[40] = (value[40] ?? 0) ^ 1
    await engine.write([{ type: 'put', key, value }])
  }
}

/** Flips a bit in the keys of a bucket that `hits` names, in byte `at`: the values stand under others then. */
export async function damageKeys(
  { engine }: MemoryDisk,
  bucket: number,
  at: number,
  hits: (key: Uint8Array) => boolean = () => true,
): Promise<void> {
  const range = { gte: Uint8Array.of(bucket), lt: Uint8Array.of(bucket + 1) }
  const rows: [Uint8Array, Uint8Array][] = []
  for await (const [key, value] of engine.iterate(range)) {
    if (hits(key.slice(1))) rows.push([key, value])
  }
  for (const [key, value] of rows) {
    const other = key.slice()
    other[1 + at] = (other[1 + at] ?? 0) ^ 1
    await engine.write([
      { type: 'del', key },
      { type: 'put', key: other, value },
    ])
  }
}
