import { describe, expect, it } from 'vitest'
import {
  compareBytes,
  concat,
  type HearsayError,
  silentLogger,
  systemRng,
  u32be,
  u64be,
} from '../../../src/base/index.ts'
import { RECLAIM_PART_BYTES, RECLAIM_ROOM_BYTES } from '../../../src/store/constants.ts'
import { BUCKETS, type FilePort, openMemoryStore } from '../../../src/store/index.ts'
import { reclaimParts } from '../../../src/store/reclaim.ts'
import { CrashDisk } from '../../support/crash-disk.ts'
import { levelHome } from '../../support/store-homes.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const MIB = 1024 * 1024
const VALUES = 160
const VALUE_BYTES = 64 * 1024

describe('the space of what was deleted', () => {
  it('is given back by the disk when it is asked for, and not before', async () => {
    const home = await levelHome()
    const store = await home.open()
    const { signal } = new AbortController()
    try {
      const key = (i: number) => store.keyFor(BUCKETS.scratch, u32be(i))
      for (let i = 0; i < VALUES; i++) {
        const value = systemRng.bytes(VALUE_BYTES)
        await store.batch().put(BUCKETS.scratch, key(i), value).commit()
      }
      await store.reclaim(BUCKETS.scratch, signal)
      const kept = await store.get(BUCKETS.scratch, key(7))
      expect((await store.space()).bytes).toBeGreaterThan(10 * MIB)
      expect(await store.bytesOf(BUCKETS.scratch)).toBeGreaterThan(9 * MIB)

      const batch = store.batch()
      for (let i = 0; i < VALUES; i++) if (i !== 7) batch.del(BUCKETS.scratch, key(i))
      await batch.commit()
      expect((await store.space()).bytes).toBeGreaterThan(10 * MIB)
      await store.reclaim(BUCKETS.scratch, signal)
      expect((await store.space()).bytes).toBeLessThan(2 * MIB)
      expect(await store.bytesOf(BUCKETS.scratch)).toBeLessThan(MIB)
      expect(await store.get(BUCKETS.scratch, key(7))).toEqual(kept)
      expect(await store.check()).toMatchObject({ damaged: {}, damagedTables: [] })
    } finally {
      await store.close()
      await home.remove()
    }
  })

  it('stays while there is no room to rewrite tables, or a backup is written', async () => {
    const { signal } = new AbortController()
    let freeBytes = RECLAIM_ROOM_BYTES - 1
    const held = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const { disk } = new CrashDisk()
    const files: FilePort = {
      ...disk.files,
      freeBytes: async () => freeBytes,
      create: async (path) => {
        if (path.startsWith('/backup')) {
          begun.resolve()
          await held.promise
        }
        return disk.files.create(path)
      },
    }
    const ports = { clock: new VirtualClock(), rng: systemRng, log: silentLogger }
    const store = await openMemoryStore(ports, { disk: { ...disk, files } })
    await store.batch().put(BUCKETS.scratch, u32be(1), u32be(1)).commit()
    const code = () =>
      store.reclaim(BUCKETS.scratch, signal).then(
        () => 'rewritten',
        (error: HearsayError) => error.code,
      )
    expect(await code()).toBe('storage-full')
    freeBytes = RECLAIM_ROOM_BYTES
    expect(await code()).toBe('rewritten')
    const backup = store.backup({ path: '/backup' })
    await begun.promise
    expect(await code()).toBe('overloaded')
    held.resolve()
    await backup
    expect(await code()).toBe('rewritten')
    await store.close()
  })
})

describe('the parts in which tables are rewritten', () => {
  const BUCKET = 48
  const bytesEach = RECLAIM_PART_BYTES / 8

  /** Tables with so much under each key, which is the bucket and six bytes. */
  function tables(prefixes: readonly number[]) {
    const keys = prefixes.map((each) => concat(Uint8Array.of(BUCKET), u64be(each).subarray(2)))
    const within = (gte: Uint8Array, lt: Uint8Array) =>
      keys.filter((key) => compareBytes(gte, key) <= 0 && compareBytes(key, lt) < 0)
    const approximateBytes = async (gte: Uint8Array, lt: Uint8Array) =>
      bytesEach * within(gte, lt).length
    return { keys, within, engine: { approximateBytes } }
  }

  it.each([
    ['spread evenly', (at: number) => at * 2 ** 40],
    ['of one day of boxes', (at: number) => 20_454 * 2 ** 16 + at * 200],
    ['of a few minutes', (at: number) => 5_890_000 * 2 ** 16 + at],
  ])('are small and leave no key out, where keys are %s', async (_, prefixOf) => {
    const { keys, within, engine } = tables(Array.from({ length: 256 }, (_, at) => prefixOf(at)))
    const parts = await reclaimParts(engine, BUCKET)
    const sizes = parts.map(({ gte, lt }) => within(gte, lt).length)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(8)
    expect(Math.min(...sizes)).toBeGreaterThan(0)
    expect(parts.flatMap(({ gte, lt }) => within(gte, lt))).toEqual(keys)
  })

  it('are none where there is nothing, one where there is little, and one for what cannot be told apart', async () => {
    expect(await reclaimParts(tables([]).engine, BUCKET)).toEqual([])
    const whole = { gte: Uint8Array.of(BUCKET), lt: Uint8Array.of(BUCKET + 1) }
    expect(await reclaimParts(tables([0, 7, 2 ** 48 - 1]).engine, BUCKET)).toEqual([whole])
    const alike = tables(Array.from({ length: 20 }, () => 5))
    expect(await reclaimParts(alike.engine, BUCKET)).toHaveLength(1)
  })
})
