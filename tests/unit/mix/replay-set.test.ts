import { describe, expect, it } from 'vitest'
import { toHex, u32be, uniform } from '../../../src/base/index.ts'
import { TAG_LEAD_MS, TAGS_PER_WRITE } from '../../../src/mix/constants.ts'
import { ReplaySet } from '../../../src/mix/replay-set.ts'
import { REPLAY_TAG_BYTES } from '../../../src/sphinx/index.ts'
import { BUCKETS, memoryDisk, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { CrashDisk, type Fate } from '../../support/crash-disk.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { storePorts } from '../../support/store-contract.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { countedStore } from './fixtures.ts'

const FATES: readonly Fate[] = ['lost', 'kept', 'torn', 'mixed']
const rng = seededRng('replays')
const tags = Array.from({ length: 700 }, () => rng.bytes(REPLAY_TAG_BYTES))
const tagAt = (index: number) => tags[index] as Uint8Array

async function open(options: { maxTags?: number } = {}) {
  const clock = new VirtualClock()
  const counted = await countedStore(clock)
  return { clock, counted, set: new ReplaySet({ store: counted.store, clock }, options) }
}

async function reopened(store: Store): Promise<ReplaySet> {
  const set = new ReplaySet({ store, clock: new VirtualClock() })
  await set.load(async () => {})
  return set
}

/** Takes it and waits for the disk. */
async function take(set: ReplaySet, epoch: number, tag: Uint8Array): Promise<string> {
  const { verdict, durable } = set.take(epoch, tag)
  await durable
  return verdict
}

async function rowsOf(store: Store, epoch: number): Promise<number> {
  let count = 0
  const range = { gte: u32be(epoch), lt: u32be(epoch + 1) }
  for await (const _ of store.keys(BUCKETS.replayTags, range)) count++
  return count
}

describe('a packet', () => {
  it('is fresh once under each key', async () => {
    const { set } = await open()
    expect(await take(set, 7, tagAt(0))).toBe('fresh')
    expect(await take(set, 7, tagAt(0))).toBe('known')
    expect(await take(set, 8, tagAt(0))).toBe('fresh')
    expect(await take(set, 7, tagAt(1))).toBe('fresh')
    expect([set.sizeOf(7), set.sizeOf(8), set.sizeOf(9)]).toEqual([2, 1, 0])
  })

  it('that comes twice in one turn is fresh once', async () => {
    const { set } = await open()
    const [first, second] = [set.take(1, tagAt(0)), set.take(1, tagAt(0))]
    expect([first.verdict, second.verdict]).toEqual(['fresh', 'known'])
    expect(second.durable).toBeUndefined()
    await first.durable
  })

  it('that was taken before a restart is known after it', async () => {
    const { counted, set } = await open()
    for (let i = 0; i < 20; i++) await take(set, 3, tagAt(i))
    await Promise.all([20, 21, 22].map((i) => take(set, 4, tagAt(i))))
    const again = await reopened(counted.store)
    for (let i = 0; i < 20; i++) expect(again.take(3, tagAt(i)).verdict).toBe('known')
    for (const i of [20, 21, 22]) expect(again.take(4, tagAt(i)).verdict).toBe('known')
    // Rows of before are not written over.
    expect(await take(again, 3, tagAt(30))).toBe('fresh')
    const third = await reopened(counted.store)
    for (const i of [0, 19, 30]) expect(third.take(3, tagAt(i)).verdict).toBe('known')
  })

  it('goes on only when its tag is on disk: a crash at any moment lets nothing in twice', async () => {
    let resolved = 0
    for (const fate of FATES) {
      for (let stop = 0; ; stop++) {
        const machine = new CrashDisk()
        const store = await openMemoryStore(storePorts, { disk: machine.disk })
        const set = new ReplaySet({ store, clock: new VirtualClock() })
        machine.stopAfter(stop)
        const goneOn: Uint8Array[] = []
        for (let i = 0; i < 6; i += 2) {
          const pair = [i, i + 1].map(async (index) => {
            await set.take(1, tagAt(index)).durable
            goneOn.push(tagAt(index))
          })
          await Promise.allSettled(pair)
        }
        machine.restart(fate)
        const again = await reopened(await openMemoryStore(storePorts, { disk: machine.disk }))
        for (const tag of goneOn) expect(again.take(1, tag).verdict).toBe('known')
        resolved += goneOn.length
        if (goneOn.length === 6) break
      }
    }
    expect(resolved).toBeGreaterThan(4 * 6)
  })

  it('does not go on when the disk is gone, and is refused the next time', async () => {
    const { counted, set } = await open()
    counted.fails = true
    await expect(set.take(1, tagAt(0)).durable).rejects.toMatchObject({ name: 'HearsayError' })
    expect(set.take(1, tagAt(0)).verdict).toBe('known')
    await expect(set.take(1, tagAt(1)).durable).rejects.toMatchObject({ name: 'HearsayError' })
  })
})

describe('the write of a tag', () => {
  /** Takes packets that are held for so long, and notes when each may go on. */
  function hold(
    { clock, set }: Pick<Awaited<ReturnType<typeof open>>, 'clock' | 'set'>,
    heldMs: readonly number[],
  ): (number | undefined)[] {
    const durableAt: (number | undefined)[] = heldMs.map(() => undefined)
    for (const [i, ms] of heldMs.entries()) {
      const { durable } = set.take(1, tagAt(i), ms)
      durable?.then(
        () => (durableAt[i] = clock.monotonic()),
        () => undefined,
      )
    }
    return durableAt
  }

  it('waits for others as long as its packet has time', async () => {
    const bench = await open()
    const durableAt = hold(bench, [400, 900, 300, 2_000])
    await bench.clock.advance(300 - TAG_LEAD_MS - 1)
    expect(bench.counted.writes).toBe(0)
    await bench.clock.advance(1)
    expect(durableAt).toEqual([250, 250, 250, 250])
    expect(bench.counted.writes).toBe(1)
    expect(bench.clock.pendingTimers).toBe(0)
  })

  it('is at once when its packet has no time, and takes along what waits', async () => {
    const bench = await open()
    const durableAt = hold(bench, [400, 900, TAG_LEAD_MS])
    await bench.clock.advance(0)
    expect(durableAt).toEqual([0, 0, 0])
    expect(bench.counted.writes).toBe(1)
  })

  it('is at once when enough wait', async () => {
    const bench = await open()
    const durableAt = hold(
      bench,
      Array.from({ length: TAGS_PER_WRITE }, () => 5_000),
    )
    await bench.clock.advance(0)
    expect(new Set(durableAt)).toEqual(new Set([0]))
    expect(bench.counted.writes).toBeLessThanOrEqual(2)
  })

  it('is over before its packet goes on, however packets come', async () => {
    const bench = await open()
    const draws = seededRng('held')
    const late: number[] = []
    const due: Promise<void>[] = []
    for (const tag of tags) {
      await bench.clock.advance(uniform(draws) * 20)
      const heldMs = Math.round(-500 * Math.log(1 - uniform(draws)))
      const until = bench.clock.monotonic() + Math.max(0, heldMs - TAG_LEAD_MS)
      const { durable } = bench.set.take(1, tag, heldMs)
      due.push(
        (durable as Promise<void>).then(() => {
          if (bench.clock.monotonic() > until + 1e-6) late.push(heldMs)
        }),
      )
    }
    await bench.clock.advance(5_000)
    await Promise.all(due)
    expect(late).toEqual([])
    // A write for each would have been 700.
    expect(bench.counted.writes).toBeLessThan(tags.length / 3)
  })

  it('is not begun after the stop, and what waits does not go on', async () => {
    const bench = await open()
    const durableAt = hold(bench, [400, 900])
    bench.set.stop()
    await bench.clock.advance(5_000)
    expect(durableAt).toEqual([undefined, undefined])
    expect(bench.counted.writes).toBe(0)
    expect(bench.clock.pendingTimers).toBe(0)
  })
})

describe('tags', () => {
  it('that come together share a write', async () => {
    const { counted, set } = await open()
    await Promise.all(tags.slice(0, 500).map((tag, i) => take(set, i % 2, tag)))
    expect(counted.writes).toBeLessThanOrEqual(2)
    const again = await reopened(counted.store)
    expect([again.sizeOf(0), again.sizeOf(1)]).toEqual([250, 250])
  })

  it('of a full set are refused, and none is forgotten to make room', async () => {
    const { set } = await open({ maxTags: 3 })
    for (let i = 0; i < 3; i++) expect(await take(set, 1, tagAt(i))).toBe('fresh')
    const full = set.take(1, tagAt(3))
    expect(full).toEqual({ verdict: 'full' })
    expect(set.take(1, tagAt(3)).verdict).toBe('full')
    for (let i = 0; i < 3; i++) expect(set.take(1, tagAt(i)).verdict).toBe('known')
    // Of the next key there is room.
    expect(await take(set, 2, tagAt(3))).toBe('fresh')
  })

  it('are forgotten with their key, in memory and on disk', async () => {
    const { counted, set } = await open()
    for (let i = 0; i < 600; i++) await take(set, 1, tagAt(i))
    for (const epoch of [2, 3]) await take(set, epoch, tagAt(600 + epoch))
    expect(await rowsOf(counted.store, 1)).toBe(600)
    await set.dropBefore(3)
    expect([1, 2, 3].map((epoch) => set.sizeOf(epoch))).toEqual([0, 0, 1])
    expect(await rowsOf(counted.store, 1)).toBe(0)
    expect(await rowsOf(counted.store, 2)).toBe(0)
    const again = await reopened(counted.store)
    expect([1, 2, 3].map((epoch) => again.sizeOf(epoch))).toEqual([0, 0, 1])
    await set.dropBefore(3)
    expect(set.take(3, tagAt(603)).verdict).toBe('known')
  })

  it('are kept as bytes of their own', async () => {
    const { counted, set } = await open()
    const packet = rng.bytes(100)
    const tag = packet.slice(10, 10 + REPLAY_TAG_BYTES)
    const { durable } = set.take(1, packet.subarray(10, 10 + REPLAY_TAG_BYTES))
    packet.fill(0)
    await durable
    const again = await reopened(counted.store)
    expect(again.take(1, tag).verdict).toBe('known')
    expect(toHex(tag)).not.toBe('00'.repeat(REPLAY_TAG_BYTES))
  })
})

it('damaged rows of tags have the keys erased before they go, once, and cost no others', async () => {
  const disk = memoryDisk()
  const open = () => openMemoryStore(storePorts, { disk })
  const store = await open()
  const set = new ReplaySet({ store, clock: new VirtualClock() })
  for (let i = 0; i < 3; i++) await take(set, 1 + i, tagAt(i))
  await store.close()
  await damage(disk, BUCKETS.replayTags, (key) => key[3] === 2)
  const next = await open()
  let erased = 0
  const erase = async () => {
    expect(await rowsOf(next, 2)).toBe(1)
    erased++
  }
  for (let start = 0; start < 2; start++) {
    const again = new ReplaySet({ store: next, clock: new VirtualClock() })
    await again.load(erase)
    expect([1, 2, 3].map((epoch) => again.sizeOf(epoch))).toEqual([1, 0, 1])
    expect(erased).toBe(1)
  }
})

it('an empty home has no tags', async () => {
  const store = await openMemoryStore(storePorts, { disk: memoryDisk() })
  const set = await reopened(store)
  expect(set.sizeOf(0)).toBe(0)
  await set.dropBefore(5)
})
