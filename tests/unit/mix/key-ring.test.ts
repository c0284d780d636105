import { describe, expect, it } from 'vitest'
import { type Rng, silentLogger, toHex, u32be } from '../../../src/base/index.ts'
import { HOLD_MS, KEY_GRACE_MS, KEYS_AHEAD } from '../../../src/mix/constants.ts'
import { KeyRing, type KeyTurn, type RingKey } from '../../../src/mix/key-ring.ts'
import { x25519Kem } from '../../../src/crypto/index.ts'
import { BUCKETS, type MemoryDisk, memoryDisk, openMemoryStore } from '../../../src/store/index.ts'
import { copiedDisk, damage } from '../../support/copied-disk.ts'
import { CrashDisk } from '../../support/crash-disk.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { countedStore } from './fixtures.ts'

const EPOCH_MS = 3_600_000
const START = Date.UTC(2026, 0, 15, 12)

interface RingOptions {
  readonly keyEpochMs?: number
  readonly clock?: RoughClock
  readonly disk?: MemoryDisk
  readonly rng?: Rng
  /** Where in the network's first epochs it is, milliseconds. */
  readonly ageMs?: number
}

let seeds = 0

async function open(options: RingOptions = {}) {
  const { keyEpochMs = EPOCH_MS, ageMs = 10.5 * EPOCH_MS } = options
  const clock = options.clock ?? new RoughClock(new VirtualClock(START))
  const disk = options.disk ?? memoryDisk()
  const rng = options.rng ?? seededRng(`key ring ${seeds++}`)
  const counted = await countedStore(clock, { disk, rng })
  const ring = new KeyRing(
    { clock, rng, log: silentLogger, store: counted.store },
    { suite: 'x25519', originMs: START - ageMs, keyEpochMs },
  )
  const published: number[][] = []
  let turns = 0
  const stopper = new AbortController()
  return {
    clock,
    counted,
    disk,
    ring,
    published,
    turns: () => turns,
    run: () => {
      ring.announce()
      const turned = async ({ isOther }: KeyTurn) => {
        turns++
        if (isOther) published.push(ring.announce().map(({ epoch }) => epoch))
      }
      ring.run(stopper.signal, turned).catch(() => undefined)
    },
    stop: () => stopper.abort(),
    advance: (ms: number) => clock.virtual.advance(ms),
  }
}

const epochsOf = (ring: KeyRing) => ring.publicKeys().map(({ epoch }) => epoch)
const held = (ring: KeyRing) => ring.current().map(({ epoch }) => epoch)
const keyOf = (ring: KeyRing, epoch: number) => {
  const found = ring.publicKeys().find((each) => each.epoch === epoch)
  return found && toHex(found.key)
}

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

describe('a wall clock that steps', () => {
  it('back finds keys again for the time that it shows', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    await advance(2 * EPOCH_MS)
    expect(ring.epoch).toBe(12)
    const twelve = keyOf(ring, 12)
    clock.stepMs = -5 * EPOCH_MS
    await advance(31_000)
    expect(ring.epoch).toBe(7)
    expect(epochsOf(ring)).toEqual([7, 8, 9])
    expect(held(ring)).toEqual([7])
    clock.stepMs = 0
    await advance(31_000)
    // The key that others have heard of is still the one of its epoch.
    expect(keyOf(ring, 12)).toBe(twelve)
    stop()
  })

  it('ahead erases nothing when it is set right within the grace', async () => {
    const { ring, run, stop, advance, clock, published } = await open()
    await ring.start()
    run()
    const before = [10, 11, 12].map((epoch) => keyOf(ring, epoch))
    clock.stepMs = 8 * EPOCH_MS
    await advance(KEY_GRACE_MS - 1_000)
    // No packet is opened with the keys of a time that is not now.
    expect([epochsOf(ring), held(ring)]).toEqual([[18, 19, 20], [18]])
    expect(ring.oldestHeld).toBe(10)
    clock.stepMs = 0
    await advance(31_000)
    expect([10, 11, 12].map((epoch) => keyOf(ring, epoch))).toEqual(before)
    expect(ring.isUsable).toBe(true)
    // Others have to hear of the keys of the present again.
    expect(published).toEqual([
      [18, 19, 20],
      [10, 11, 12],
    ])
    stop()
  })

  it('ahead now and then, for longer than the grace in all, erases', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    let rounds = 0
    for (; ring.isUsable && rounds < 20; rounds++) {
      clock.stepMs = 8 * EPOCH_MS
      await advance(60_000)
      clock.stepMs = 0
      await advance(60_000)
    }
    // What lies between two looks counts whole: a minute and a half of each.
    expect(rounds).toBeGreaterThanOrEqual(HOLD_MS / 90_000)
    expect(rounds).toBeLessThanOrEqual(HOLD_MS / 30_000)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[], false])
    stop()
  })

  it('that is set back for a moment around every other look keeps nothing', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    for (let i = 0; i < 10; i++) {
      clock.stepMs = 8 * EPOCH_MS
      await advance(58_000)
      clock.stepMs = 0
      await advance(2_000)
    }
    expect([epochsOf(ring), ring.isUsable]).toEqual([[], false])
    stop()
  })

  it('ahead into the grace of the running epoch erases nothing when it is set right in time', async () => {
    // So that an hour more lies in the grace, and goes on past its end.
    const { ring, run, stop, advance, clock } = await open({ ageMs: 10 * EPOCH_MS + 105_000 })
    await ring.start()
    run()
    clock.stepMs = EPOCH_MS
    await advance(90_000)
    expect([ring.epoch, ring.oldest]).toEqual([11, 11])
    clock.stepMs = 0
    await advance(31_000)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[10, 11, 12], true])
    stop()
  })

  it('days ahead for days makes no second key for any of these days', async () => {
    const { ring, run, stop, advance, clock } = await open({ keyEpochMs: 60_000 })
    await ring.start()
    run()
    const first = ring.epoch
    clock.stepMs = 70 * 60_000
    await advance(71 * 60_000)
    clock.stepMs = 0
    await advance(31_000)
    expect(ring.epoch).toBeLessThan(first + 73)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[], false])
    stop()
  })

  it('back now and then keeps nothing: the time in which a key is over counts in all', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    await advance(0.4 * EPOCH_MS)
    let begun = 0
    for (let i = 0; i < 60; i++) {
      clock.stepMs = 0
      await advance(KEY_GRACE_MS - 12_000)
      begun += KEY_GRACE_MS - 12_000
      clock.stepMs = -begun - 0.1 * EPOCH_MS
      await advance(32_000)
      begun += 32_000
    }
    clock.stepMs = 0
    // Of the hours that went by, the last half has run at least.
    expect(ring.oldestHeld).toBeGreaterThanOrEqual(ring.epoch - 1)
    stop()
  })

  it('that is adjusted bit by bit delays no erasing', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    for (let at = 0; at < 0.5 * EPOCH_MS + KEY_GRACE_MS; at += 30_000) {
      clock.stepMs -= 10
      await advance(30_000)
    }
    await advance(-clock.stepMs + 1)
    expect(ring.oldestHeld).toBe(11)
    stop()
  })

  it('ahead for longer erases what ended on the way, and makes no second key for it when it is set back', async () => {
    const { ring, run, stop, advance, clock, published, turns } = await open()
    await ring.start()
    run()
    clock.stepMs = 8 * EPOCH_MS
    await advance(HOLD_MS - 1_000)
    expect([ring.oldestHeld, turns()]).toEqual([10, 1])
    await advance(62_000)
    // Nothing else is announced, but the tags of these keys may go.
    expect([ring.oldestHeld, turns(), published]).toEqual([18, 2, [[18, 19, 20]]])
    expect(epochsOf(ring)).toEqual([18, 19, 20])
    clock.stepMs = 0
    await advance(31_000)
    expect([epochsOf(ring), held(ring), ring.isUsable]).toEqual([[], [], false])
    // A descriptor without keys would help nobody.
    expect(published).toHaveLength(1)
    await advance(EPOCH_MS)
    expect(epochsOf(ring)).toEqual([13])
    await advance(2 * EPOCH_MS)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[13, 14, 15], true])
    stop()
  })

  it('ahead at a start does the same, and a restart does not forget it', async () => {
    const first = await open()
    await first.ring.start()
    first.ring.stop()
    first.clock.stepMs = 8 * EPOCH_MS
    const second = await open({ clock: first.clock, disk: first.disk })
    await second.ring.start()
    second.ring.stop()
    first.clock.stepMs = 0
    const third = await open({ clock: first.clock, disk: first.disk })
    await third.ring.start()
    expect(epochsOf(third.ring)).toEqual([])
    await third.advance(0)
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
