import { describe, expect, it } from 'vitest'
import {
  type Address,
  type BoxBytes,
  type Clock,
  HearsayError,
  silentLogger,
  uniform,
} from '../../../src/base/index.ts'
import {
  type FetchJob,
  type FetchResult,
  SlotClock,
  type SlotClockOptions,
} from '../../../src/mix/index.ts'
import { cycleOf, slotAt, slotStart } from '../../../src/mix/schedule.ts'
import { BOX_BYTES } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const SLOT_MS = 250
const EVERY = 8
const DAY_MS = 86_400_000
const COVER = 0
const REAL = 1

/** A wall clock that can step, over virtual time that cannot. */
class SteppingClock implements Clock {
  readonly virtual: VirtualClock
  stepMs = 0

  constructor(virtual: VirtualClock) {
    this.virtual = virtual
  }

  now(): number {
    return this.virtual.now() + this.stepMs
  }

  monotonic(): number {
    return this.virtual.monotonic()
  }

  setTimer(ms: number, fn: () => void) {
    return this.virtual.setTimer(ms, fn)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.virtual.sleep(ms, signal)
  }
}

/** A node of which only the slots are real. */
class Bench {
  readonly clock: SteppingClock
  readonly options: SlotClockOptions
  readonly publications: { at: number; monotonic: number; box: BoxBytes }[] = []
  readonly fates: { box: BoxBytes; peers: number }[] = []
  readonly fetches: FetchJob[] = []
  readonly works: number[] = []
  covers = 0
  asked = 0
  waiting = 0
  publishEvery = EVERY
  nextBoxMs = 2
  workMs = 1
  failing = false
  workFails = false
  fetchResult: () => Promise<FetchResult> = async () => ({ status: 'not-found' })
  nextFetch: () => FetchJob | undefined = () => undefined
  readonly slots: SlotClock

  constructor(seed = 'slots', startMs = Date.UTC(2026, 0, 15, 12)) {
    const clock = new SteppingClock(new VirtualClock(startMs))
    this.clock = clock
    this.options = {
      originMs: clock.now() - 77,
      slotMs: SLOT_MS,
      epochMs: 100 * SLOT_MS,
      rejoinHoldMs: 60_000,
    }
    this.slots = new SlotClock(
      {
        clock,
        rng: seededRng(seed),
        log: silentLogger,
        source: {
          work: async (signal) => {
            this.works.push(slotAt(this.options, clock.now() + 100))
            if (this.workFails) throw new HearsayError('storage-poisoned', 'the disk is gone')
            await clock.sleep(this.workMs, signal)
          },
          nextBox: async () => {
            this.asked++
            if (this.waiting === 0) return undefined
            this.waiting--
            const box = this.#box(REAL)
            await clock.sleep(this.nextBoxMs)
            return box
          },
          published: async (box, peers) => void this.fates.push({ box, peers }),
          nextFetch: () => this.nextFetch(),
        },
        publish: {
          publish: async (box) => {
            this.publications.push({ at: clock.now(), monotonic: clock.monotonic(), box })
            if (this.failing) throw new HearsayError('no-peers', 'nobody is there')
            return { peers: 3 }
          },
        },
        fetch: { fetch: () => this.fetchResult() },
        coverBox: () => {
          this.covers++
          return this.#box(COVER)
        },
        publishEvery: () => this.publishEvery,
      },
      this.options,
    )
  }

  #box(kind: number): BoxBytes {
    const box = new Uint8Array(BOX_BYTES) as BoxBytes
    box[0] = 1
    new DataView(box.buffer).setUint32(1, Math.floor(this.clock.now() / DAY_MS) + 2)
    box[37] = kind
    return box
  }

  run(ms: number): Promise<void> {
    return this.clock.virtual.advance(ms)
  }

  /** Stops, and lets what cannot be aborted come to its end. */
  async stop(): Promise<void> {
    const stopped = this.slots.stop()
    await this.run(1000)
    await stopped
  }

  cycles(count: number): Promise<void> {
    return this.run(count * EVERY * SLOT_MS)
  }

  get kinds(): number[] {
    return this.publications.map(({ box }) => box[37] ?? -1)
  }

  /** Publications per whole cycle. */
  perCycle(): number[] {
    const counts = new Map<number, number>()
    for (const { at } of this.publications) {
      const { first } = cycleOf(this.options, slotAt(this.options, at), this.publishEvery)
      counts.set(first, (counts.get(first) ?? 0) + 1)
    }
    return [...counts.values()]
  }
}

async function running(seed?: string): Promise<Bench> {
  const bench = new Bench(seed)
  bench.slots.start()
  // To the first boundary of cycle and epoch.
  const slot = slotAt(bench.options, bench.clock.now())
  const { end } = cycleOf(bench.options, slot, EVERY)
  await bench.run(slotStart(bench.options, end) - bench.clock.now())
  bench.publications.length = 0
  return bench
}

describe('a node publishes', () => {
  it.each([
    ['nothing', 0],
    ['a box now and then', 20],
    ['more than can leave', 1000],
  ])('once in every cycle when %s waits', async (_what, waiting) => {
    const bench = await running()
    bench.waiting = waiting
    await bench.cycles(60)
    expect(bench.perCycle().every((count) => count === 1)).toBe(true)
    // An epoch of 100 slots has 12 cycles of 8 and one of 4.
    expect(bench.publications).toHaveLength(62)
    expect(bench.kinds.filter((kind) => kind === REAL)).toHaveLength(
      Math.min(waiting, bench.publications.length),
    )
    await bench.stop()
  })

  it('at the same moments whether or not real boxes wait', async () => {
    const times: number[][] = []
    for (const waiting of [0, 13, 1000]) {
      const bench = await running('same seed')
      bench.waiting = waiting
      await bench.cycles(40)
      times.push(bench.publications.map(({ at }) => at - bench.options.originMs))
      await bench.stop()
    }
    expect(times[1]).toEqual(times[0])
    expect(times[2]).toEqual(times[0])
  })

  it('at moments that are uniform in slot and cycle', async () => {
    const bench = await running()
    bench.waiting = 500
    await bench.cycles(800)
    const since = (at: number, period: number) => ((at - bench.options.originMs) % period) / period
    const epochCycles = bench.publications.filter(({ at }) => {
      const slot = slotAt(bench.options, at)
      const { first, end } = cycleOf(bench.options, slot, EVERY)
      return end - first === EVERY
    })
    const slotIn = epochCycles.map(({ at }) => {
      const slot = slotAt(bench.options, at)
      return (slot - cycleOf(bench.options, slot, EVERY).first) / EVERY + 0.001
    })
    for (const [samples, bins] of [
      [bench.publications.map(({ at }) => since(at, SLOT_MS)), 10],
      [slotIn, EVERY],
    ] as const) {
      const counts = Array.from({ length: bins }, () => 0)
      for (const sample of samples) counts[Math.floor(sample * bins)]!++
      const mean = samples.length / bins
      const chi2 = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
      // 99.9 % quantiles of chi² with 9 and 7 degrees of freedom.
      expect(chi2).toBeLessThan(bins === 10 ? 27.9 : 24.3)
    }
    await bench.stop()
  })

  it('cover on time when the real box is late, and the real one in the next cycle', async () => {
    const fast = await running('late')
    const slow = await running('late')
    for (const bench of [fast, slow]) bench.waiting = 1000
    slow.nextBoxMs = 200
    await fast.cycles(30)
    await slow.cycles(30)
    expect(slow.publications.map(({ at }) => at)).toEqual(fast.publications.map(({ at }) => at))
    expect(slow.kinds[0]).toBe(COVER)
    const real = slow.kinds.filter((kind) => kind === REAL).length
    expect(real).toBeGreaterThan(10)
    expect(slow.fates.map(({ peers }) => peers)).toEqual(Array.from({ length: real }, () => 3))
    await fast.stop()
    await slow.stop()
  })

  it('from the first millisecond of a slot on with the same time to prepare', async () => {
    const bench = await running()
    bench.waiting = 10_000
    bench.nextBoxMs = 50
    await bench.cycles(300)
    expect(bench.kinds.filter((kind) => kind === COVER)).toEqual([])
    await bench.stop()
  })

  it('makes a cover box for every publication, used or not', async () => {
    const bench = await running()
    bench.waiting = 10
    const before = bench.covers
    await bench.cycles(20)
    expect(bench.covers - before).toBe(bench.publications.length)
    expect(new Set(bench.publications.map(({ box }) => box)).size).toBe(bench.publications.length)
    await bench.stop()
  })

  it('tells the source of every real box what became of it', async () => {
    const bench = await running()
    bench.waiting = 5
    bench.failing = true
    await bench.cycles(5)
    expect(bench.fates.map(({ peers }) => peers)).toEqual([0, 0, 0, 0, 0])
    expect(bench.publications.filter(({ box }) => box[37] === REAL)).toHaveLength(5)
    await bench.stop()
  })

  it('no box of yesterday: one that waited over midnight is given back', async () => {
    const bench = new Bench('midnight', Date.UTC(2026, 0, 15, 23, 59, 50))
    bench.slots.start()
    bench.waiting = 1
    // The box comes too late for its publication, and midnight comes before the next.
    bench.nextBoxMs = 15_000
    await bench.run(40_000)
    expect(bench.kinds).not.toContain(REAL)
    expect(bench.fates.map(({ peers }) => peers)).toEqual([0])
    for (const { at, box } of bench.publications) {
      const day = new DataView(box.buffer).getUint32(1)
      expect(day).toBe(Math.floor((at - 60) / DAY_MS) + 2)
    }
    await bench.stop()
  })
})

describe('after a rejoin', () => {
  it('only cover is published for a random time, and nothing is bound to a box meanwhile', async () => {
    const bench = await running()
    bench.waiting = 1000
    bench.slots.hold()
    const left = bench.slots.holdLeftMs()
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(60_000)
    const asked = bench.asked
    await bench.run(left - 100)
    expect(bench.kinds).not.toContain(REAL)
    expect(bench.asked).toBe(asked)
    await bench.cycles(2)
    expect(bench.kinds).toContain(REAL)
    await bench.stop()
  })

  it('a box that was filled before waits too', async () => {
    const bench = await running()
    bench.waiting = 1
    bench.nextBoxMs = 1000
    await bench.cycles(1)
    bench.slots.hold()
    bench.slots.hold()
    const left = bench.slots.holdLeftMs()
    await bench.run(left - 100)
    expect(bench.kinds).not.toContain(REAL)
    await bench.cycles(3)
    expect(bench.kinds.filter((kind) => kind === REAL)).toHaveLength(1)
    await bench.stop()
  })

  it('the user may end the hold', async () => {
    const bench = await running()
    bench.waiting = 1000
    bench.slots.hold()
    bench.slots.releaseHold()
    expect(bench.slots.holdLeftMs()).toBe(0)
    await bench.cycles(2)
    expect(bench.kinds).toContain(REAL)
    await bench.stop()
  })

  it('a second hold never shortens the first', async () => {
    const bench = await running()
    let left = 0
    for (let i = 0; i < 20; i++) {
      bench.slots.hold()
      expect(bench.slots.holdLeftMs()).toBeGreaterThanOrEqual(left)
      left = bench.slots.holdLeftMs()
    }
    await bench.stop()
  })
})

describe('a wall clock that steps', () => {
  it.each([
    ['back by less than a slot', -200],
    ['back by a slot', -SLOT_MS],
    ['back by three slots', -3 * SLOT_MS],
    ['back by an hour', -3_600_000],
    ['ahead by less than a slot', 200],
    ['ahead by three slots', 3 * SLOT_MS],
    ['ahead by an hour', 3_600_000],
    ['to before the network began', -DAY_MS],
  ])('%s changes the number of publications by one at most', async (_what, stepMs) => {
    const rng = seededRng(`step ${stepMs}`)
    for (let round = 0; round < 8; round++) {
      const bench = await running(`step ${stepMs} ${round}`)
      bench.waiting = 1000
      await bench.run(uniform(rng) * EVERY * SLOT_MS)
      bench.clock.stepMs = stepMs
      await bench.run(20 * EVERY * SLOT_MS)
      const gaps = bench.publications.map(({ monotonic }, i) => {
        return monotonic - (bench.publications[i - 1]?.monotonic ?? monotonic - 1)
      })
      // 20 whole cycles and a part, an epoch's short cycle or two, the step.
      expect(bench.publications.length).toBeGreaterThanOrEqual(19)
      expect(bench.publications.length).toBeLessThanOrEqual(25)
      expect(Math.max(...gaps)).toBeLessThan(2.5 * EVERY * SLOT_MS)
      await bench.stop()
    }
  })

  it('that jitters around the boundaries of slots skips and repeats none', async () => {
    const bench = await running()
    const rng = seededRng('jitter')
    bench.works.length = 0
    for (let i = 0; i < 400; i++) {
      bench.clock.stepMs = Math.round(uniform(rng) * 80 - 40)
      await bench.run(SLOT_MS / 2)
    }
    // 200 slots: two epochs.
    expect(bench.publications).toHaveLength(26)
    expect(bench.works.length).toBeGreaterThanOrEqual(199)
    expect(bench.works.length).toBeLessThanOrEqual(201)
    await bench.stop()
  })
})

describe('the other slots', () => {
  const address = new Uint8Array(32) as Address
  const job = (done: FetchJob['done']): FetchJob => ({ address, day: 1, done })

  it('fetch once each, never in the slot that publishes', async () => {
    const bench = await running()
    const results: FetchResult[] = []
    bench.nextFetch = () => job((result) => results.push(result))
    await bench.cycles(10)
    const slots = 10 * EVERY
    expect(results.length + bench.publications.length).toBeGreaterThanOrEqual(slots - 1)
    expect(results.length + bench.publications.length).toBeLessThanOrEqual(slots + 1)
    await bench.stop()
  })

  it('are not eaten by slow keepers: four look-ups at once', async () => {
    const bench = await running()
    let taken = 0
    bench.nextFetch = () => {
      taken++
      return job(() => {})
    }
    bench.fetchResult = () => new Promise(() => {})
    await bench.cycles(10)
    expect(taken).toBe(4)
  })

  it('report a look-up that failed as unreachable, once', async () => {
    const bench = await running()
    const results: FetchResult[] = []
    bench.nextFetch = () => (results.length < 3 ? job((result) => results.push(result)) : undefined)
    bench.fetchResult = async () => {
      throw new HearsayError('timeout', 'too slow')
    }
    await bench.cycles(3)
    expect(results).toEqual(Array.from({ length: 3 }, () => ({ status: 'unreachable' })))
    await bench.stop()
  })

  it('call a look-up whose report fails only once', async () => {
    const bench = await running()
    let calls = 0
    bench.nextFetch = () =>
      calls === 0
        ? job(() => {
            calls++
            throw new Error('a fault of ours')
          })
        : undefined
    await bench.cycles(3)
    expect(calls).toBe(1)
    await bench.stop()
  })
})

describe('work', () => {
  it('begins with every slot, and a slow one is not begun twice', async () => {
    const bench = await running()
    bench.works.length = 0
    await bench.cycles(4)
    expect(bench.works).toHaveLength(4 * EVERY)
    expect(new Set(bench.works).size).toBe(4 * EVERY)
    bench.works.length = 0
    bench.workMs = 3.5 * SLOT_MS
    await bench.cycles(4)
    expect(bench.works.length).toBeLessThanOrEqual(EVERY + 1)
    await bench.stop()
  })

  it('that fails does not stop the slots', async () => {
    const bench = await running()
    bench.workFails = true
    await bench.cycles(4)
    expect(bench.publications.length).toBeGreaterThanOrEqual(4)
    await bench.stop()
  })
})

describe('stopping', () => {
  it('waits for what is under way, and nothing runs after it', async () => {
    const bench = await running()
    bench.waiting = 1000
    bench.workMs = 100
    await bench.run(1234)
    await bench.stop()
    const seen = [bench.publications.length, bench.works.length, bench.asked]
    await bench.cycles(10)
    expect([bench.publications.length, bench.works.length, bench.asked]).toEqual(seen)
    expect(bench.clock.virtual.pendingTimers).toBe(0)
    await bench.stop()
  })

  it('tells the source about a box that is being published', async () => {
    const bench = await running()
    bench.waiting = 1000
    let stopped: Promise<void> | undefined
    const publications = bench.publications
    while (publications.length === 0) {
      await bench.run(1)
      if (publications.length > 0) stopped = bench.slots.stop()
    }
    await stopped
    expect(bench.fates.length).toBe(bench.kinds.filter((kind) => kind === REAL).length)
  })
})
