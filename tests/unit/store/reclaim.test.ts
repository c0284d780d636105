import { describe, expect, it } from 'vitest'
import { compareBytes, systemRng, u32be } from '../../../src/base/index.ts'
import { RECLAIM_PART_BYTES } from '../../../src/store/constants.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { reclaimParts } from '../../../src/store/reclaim.ts'
import { levelHome } from '../../support/store-homes.ts'

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

  it.each([0, 1, RECLAIM_PART_BYTES, RECLAIM_PART_BYTES + 1, 100 * RECLAIM_PART_BYTES, 1e15])(
    'is given back in parts that leave no key out (%i bytes)',
    (bytes) => {
      const parts = reclaimParts(48, bytes)
      expect(parts).toHaveLength(Math.min(256, Math.max(1, Math.ceil(bytes / RECLAIM_PART_BYTES))))
      expect([parts[0]?.gte, parts.at(-1)?.lt]).toEqual([Uint8Array.of(48), Uint8Array.of(49)])
      for (const [at, { gte, lt }] of parts.entries()) {
        expect(compareBytes(gte, lt)).toBeLessThan(0)
        if (at > 0) expect(gte).toEqual(parts[at - 1]?.lt)
      }
    },
  )
})
