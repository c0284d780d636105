import { describe, expect, it } from 'vitest'
import { type Rng, silentLogger, toHex, u32be } from '../../../src/base/index.ts'
import { KEY_GRACE_MS, KEYS_AHEAD } from '../../../src/mix/constants.ts'
import type { KeyRing, RingKey } from '../../../src/mix/key-ring.ts'
import { x25519Kem } from '../../../src/crypto/index.ts'
import { BUCKETS, openMemoryStore } from '../../../src/store/index.ts'
import { copiedDisk, damage } from '../../support/copied-disk.ts'
import { CrashDisk } from '../../support/crash-disk.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { EPOCH_MS, START, open, epochsOf, held, keyOf } from './key-rings.ts'

/** True when it opens what was made for its public key. */
function works({ pair }: RingKey, publicKey: Uint8Array): boolean {
  const { share, secret } = x25519Kem.encapsulate(new Uint8Array(32).fill(3), publicKey)
  const opened = pair.decapsulate(share)
  return opened !== undefined && toHex(opened) === toHex(secret)
}

describe('the keys of a mix', () => {
  it('are there for the running epoch and two ahead, ascending and different', async () => {
    const { ring } = await open()
    await ring.start()
    expect(ring.epoch).toBe(10)
    expect(epochsOf(ring)).toEqual([10, 11, 12])
    expect(new Set(ring.publicKeys().map(({ key }) => toHex(key))).size).toBe(3)
    const [running] = ring.current()
    const published = ring.publicKeys()[0]
    expect(works(running as RingKey, published?.key as Uint8Array)).toBe(true)
  })

  it('begin with epoch 0, also before the network does', async () => {
    const { ring } = await open({ ageMs: -5 * EPOCH_MS })
    await ring.start()
    expect(epochsOf(ring)).toEqual([0, 1, 2])
    expect(held(ring)).toEqual([0])
  })

  it('are made ahead with each epoch and erased at the end of their grace', async () => {
    const { ring, run, stop, advance, published, counted } = await open()
    await ring.start()
    const first = ring.current()[0] as RingKey
    const publicKey = ring.publicKeys()[0]?.key as Uint8Array
    run()
    await advance(0.5 * EPOCH_MS - 1)
    expect(published).toEqual([])
    await advance(2)
    // Somebody whose clock is behind still makes packets for the last one.
    expect(published).toEqual([[10, 11, 12, 13]])
    expect(works(first, publicKey)).toBe(true)
    await advance(KEY_GRACE_MS - 3)
    expect(held(ring)).toContain(10)
    await advance(3)
    expect(published).toEqual([
      [10, 11, 12, 13],
      [11, 12, 13],
    ])
    expect(works(first, publicKey)).toBe(false)
    expect(await counted.store.get(BUCKETS.mixKeys, u32be(10))).toBeUndefined()
    expect(held(ring)).toEqual([11])
    stop()
  })

  it('stay the same while they live, and their number stays bounded', async () => {
    const { ring, run, stop, advance } = await open()
    await ring.start()
    run()
    const seen = new Map<number, string>()
    for (let step = 0; step < 200; step++) {
      await advance(EPOCH_MS / 10)
      const keys = ring.publicKeys()
      expect(keys.length).toBeLessThanOrEqual(KEYS_AHEAD + 2)
      expect(keys.map(({ epoch }) => epoch)).toContain(ring.epoch)
      for (const { epoch, key } of keys) {
        expect(seen.get(epoch) ?? toHex(key)).toBe(toHex(key))
        seen.set(epoch, toHex(key))
      }
    }
    expect(seen.size).toBe(20 + 3)
    stop()
  })

  it('cost no write while nothing is due', async () => {
    const { ring, run, stop, advance, counted } = await open()
    await ring.start()
    run()
    const before = counted.writes
    await advance(0.4 * EPOCH_MS)
    expect(counted.writes).toBe(before)
    stop()
  })

  it('are overwritten in memory when the node stops', async () => {
    const { ring } = await open()
    await ring.start()
    const key = ring.current()[0] as RingKey
    const publicKey = ring.publicKeys()[0]?.key as Uint8Array
    ring.stop()
    expect(works(key, publicKey)).toBe(false)
    expect([ring.current(), ring.publicKeys()]).toEqual([[], []])
  })
})

describe('a packet', () => {
  it('is tried with the running key, and around the turn with its neighbour', async () => {
    const { ring, run, stop, advance } = await open()
    await ring.start()
    run()
    expect(held(ring)).toEqual([10])
    await advance(0.5 * EPOCH_MS - KEY_GRACE_MS - 1)
    expect(held(ring)).toEqual([10])
    await advance(1)
    expect(held(ring)).toEqual([10, 11])
    await advance(KEY_GRACE_MS)
    expect(held(ring)).toEqual([11, 10])
    await advance(KEY_GRACE_MS)
    expect(held(ring)).toEqual([11])
    stop()
  })

  it('of any epoch within the grace is tried when epochs are shorter than it', async () => {
    const { ring, run, stop, advance } = await open({ keyEpochMs: 60_000, ageMs: 630_000 })
    await ring.start()
    run()
    await advance(600_000)
    // Three minutes back, and as far ahead as there are keys.
    expect(held(ring).toSorted((a, b) => a - b)).toEqual([17, 18, 19, 20, 21, 22])
    expect(held(ring)[0]).toBe(20)
    expect(epochsOf(ring)).toEqual([19, 20, 21, 22])
    stop()
  })
})

describe('after a restart', () => {
  it('the keys are the same', async () => {
    const first = await open()
    await first.ring.start()
    const before = [10, 11, 12].map((epoch) => keyOf(first.ring, epoch))
    first.ring.stop()
    const second = await open({ clock: first.clock, disk: first.disk })
    await second.ring.start()
    expect([10, 11, 12].map((epoch) => keyOf(second.ring, epoch))).toEqual(before)
    const running = second.ring.current()[0] as RingKey
    expect(works(running, second.ring.publicKeys()[0]?.key as Uint8Array)).toBe(true)
  })

  it('those that should have been erased meanwhile are', async () => {
    const first = await open()
    await first.ring.start()
    const before = keyOf(first.ring, 12)
    first.ring.stop()
    await first.advance(1.5 * EPOCH_MS + KEY_GRACE_MS)
    const second = await open({ clock: first.clock, disk: first.disk })
    await second.ring.start()
    expect(epochsOf(second.ring)).toEqual([12, 13, 14])
    expect(keyOf(second.ring, 12)).toBe(before)
    for (const epoch of [10, 11]) {
      expect(await second.counted.store.get(BUCKETS.mixKeys, u32be(epoch))).toBeUndefined()
    }
  })

  it('of a home that was restored none is kept, nor made for an epoch that may have had one', async () => {
    const first = await open()
    await first.ring.start()
    const copy = await copiedDisk(first.disk)
    first.run()
    await first.advance(EPOCH_MS)
    first.stop()
    expect(epochsOf(first.ring)).toEqual([11, 12, 13])
    await openMemoryStore(
      { clock: first.clock, rng: seededRng('restored'), log: silentLogger },
      { disk: copy, restored: true },
    ).then((store) => store.close())
    const second = await open({ clock: first.clock, disk: copy })
    await second.ring.start()
    expect([epochsOf(second.ring), second.ring.isUsable]).toEqual([[], false])
    expect(await second.counted.store.get(BUCKETS.mixKeys, u32be(11))).toBeUndefined()
    second.ring.stop()
    // A restart does not forget it.
    const third = await open({ clock: first.clock, disk: copy })
    await third.ring.start()
    third.run()
    expect(epochsOf(third.ring)).toEqual([])
    await third.advance(1.6 * EPOCH_MS)
    expect([epochsOf(third.ring), third.ring.isUsable]).toEqual([[14, 15], false])
    await third.advance(EPOCH_MS)
    expect(third.ring.isUsable).toBe(true)
    third.stop()
  })

  it('on a disk that is gone there is no start', async () => {
    const { ring, counted } = await open()
    counted.fails = true
    await expect(ring.start()).rejects.toMatchObject({ name: 'HearsayError' })
  })
})

describe('a thief of the disk', () => {
  const SHELF = '/memory/secrets.shelf'

  it('finds no key that opens an erased seed, and finds those of the living', async () => {
    const drawn: string[] = []
    const inner = seededRng('thief')
    const rng: Rng = {
      bytes: (length) => {
        const bytes = inner.bytes(length)
        if (length === 32) drawn.push(toHex(bytes))
        return bytes
      },
    }
    const machine = new CrashDisk()
    const clock = new RoughClock(new VirtualClock(START))
    const { ring, run, stop, advance } = await open({ clock, rng, disk: machine.disk })
    await ring.start()
    run()
    const live = () => {
      const image = toHex(machine.visible(SHELF))
      return drawn.filter((key) => image.includes(key))
    }
    const first = live()
    expect(first).toHaveLength(3)
    await advance(2.5 * EPOCH_MS + KEY_GRACE_MS + 1)
    // Epochs 10 to 12 have ended.
    const later = live()
    expect(later).toHaveLength(3)
    expect(later.filter((key) => first.includes(key))).toEqual([])
    stop()
  })
})

describe('a damaged home', () => {
  /** Starts a ring, damages rows of its disk, and starts another on it a little later. */
  async function damaged(hits: (key: Uint8Array) => boolean, before?: (ring: KeyRing) => unknown) {
    const first = await open()
    await first.ring.start()
    await before?.(first.ring)
    const known = new Map([10, 11, 12].map((epoch) => [epoch, keyOf(first.ring, epoch)]))
    await first.counted.store.close()
    await damage(first.disk, BUCKETS.mixKeys, hits)
    const next = await open({ disk: first.disk, clock: first.clock })
    await next.ring.start()
    return { ...next, known }
  }

  it('that has lost a key has none for its epoch, and keeps the others', async () => {
    const { ring, known, counted, disk, clock } = await damaged((key) => key[3] === 10)
    expect([ring.isUsable, epochsOf(ring)]).toEqual([false, [11, 12]])
    for (const epoch of [11, 12]) expect(keyOf(ring, epoch)).toBe(known.get(epoch))
    await counted.store.close()
    const again = await open({ disk, clock })
    await again.ring.start()
    expect(epochsOf(again.ring)).toEqual([11, 12])
  })

  it('that knows its generation or its erased keys no more begins after all that it may have announced', async () => {
    for (const [row, before] of [
      ['generation', undefined],
      ['erased', (ring: KeyRing) => ring.eraseUsed()],
    ] as const) {
      const { ring, run, stop, advance, known } = await damaged(
        (key) => Buffer.from(key).toString() === row,
        before,
      )
      expect([ring.isUsable, epochsOf(ring)]).toEqual([false, []])
      run()
      await advance(2.6 * EPOCH_MS)
      expect(epochsOf(ring)).toEqual([13, 14, 15])
      for (const key of epochsOf(ring).map((epoch) => keyOf(ring, epoch))) {
        expect([...known.values()]).not.toContain(key)
      }
      stop()
    }
  })

  it('whose tags are damaged erases the keys that were used, for good', async () => {
    const { ring, disk, clock, counted } = await open()
    await ring.start()
    const before = [11, 12].map((epoch) => keyOf(ring, epoch))
    await ring.eraseUsed()
    expect([ring.isUsable, held(ring), epochsOf(ring)]).toEqual([false, [], [11, 12]])
    await counted.store.close()
    const again = await open({ disk, clock })
    await again.ring.start()
    expect([11, 12].map((epoch) => keyOf(again.ring, epoch))).toEqual(before)
    expect(again.ring.isUsable).toBe(false)
  })
})
