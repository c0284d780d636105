import { describe, expect, it } from 'vitest'
import { uniform } from '../../../src/base/index.ts'
import { BUILD_LEAD_MS, FETCH_SHARE, PREPARE_LEAD_MS } from '../../../src/mix/constants.ts'
import { cycleOf, slotAt } from '../../../src/mix/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { ksUniform } from '../../support/statistics.ts'
import { type BenchOptions, EmitterBench, type Written } from './emitter-bench.ts'
import { busyLoop, chiSquared, chiSquaredLimit, tally } from './fixtures.ts'

const SLOT_MS = 250
const DAY_MS = 86_400_000

const running = (options?: BenchOptions) => new EmitterBench(options).start()

/** What anybody on the link can see, and what the node drew for itself. */
const drawn = (bench: EmitterBench, written: readonly Written[] = bench.written) =>
  written.map(({ slot, kind, at }) => ({ slot, kind, at: at - bench.options.originMs }))

describe('a node sends', () => {
  it('exactly one packet in every slot, inside it, for thousands of slots', async () => {
    const bench = await running()
    bench.waiting = 100
    await bench.slots(4_000)
    const slots = bench.written.map(({ slot }) => slot)
    expect(slots).toEqual(Array.from({ length: 4_000 }, (_, i) => (slots[0] ?? 0) + i))
    const outside = bench.written.filter(({ slot, at }) => slotAt(bench.options, at) !== slot)
    expect(outside).toEqual([])
    await bench.stop()
  })

  it('one packet for every slot when its main loop is busy, late by no more than the loop', async () => {
    const bench = await running()
    bench.waiting = 200
    const worstMs = 100
    bench.clock.lateness = busyLoop(seededRng('busy'), worstMs)
    await bench.slots(3_000)
    const slots = bench.written.map(({ slot }) => slot).toSorted((a, b) => a - b)
    const first = slots[0] ?? 0
    // The last ones may still be under way.
    expect(slots.length).toBeGreaterThan(2_997)
    expect(slots).toEqual(Array.from({ length: slots.length }, (_, i) => first + i))
    // The moment was slept for in up to three steps.
    const late = bench.written.map(({ dueAt, monotonic }) => monotonic - dueAt)
    expect(Math.min(...late)).toBeGreaterThanOrEqual(-1e-6)
    expect(Math.max(...late)).toBeLessThanOrEqual(3 * worstMs)
    expect(late.filter((ms) => ms < 1).length / late.length).toBeGreaterThan(0.7)
    await bench.stop()
  })

  it('as late whether its boxes are real or cover', async () => {
    const lateness = async (waiting: number) => {
      const bench = await running({ seed: 'lateness' })
      bench.waiting = waiting
      bench.clock.lateness = busyLoop(seededRng('loop'), 40)
      await bench.slots(2_000)
      await bench.stop()
      return bench.written.map(({ slot, dueAt, monotonic }) => [slot, monotonic - dueAt])
    }
    expect(await lateness(10_000)).toEqual(await lateness(0))
  })

  it('at moments that are uniform in the slot, whatever it asks', async () => {
    const bench = await running()
    bench.waiting = 100
    await bench.slots(4_000)
    for (const kind of ['publish', 'fetch', 'echo'] as const) {
      const places = bench.written
        .filter((each) => each.kind === kind)
        .map(({ at, slot }) => ((at - bench.options.originMs) / SLOT_MS - slot) * (SLOT_MS / 249))
      expect([kind, ksUniform(places) > 0.001]).toEqual([kind, true])
    }
    await bench.stop()
  })

  it('in one uniform slot of every cycle a publication, in a fixed share of the others a question', async () => {
    const bench = await running()
    await bench.slots(8_000)
    expect(new Set(bench.perCycle())).toEqual(new Set([1]))
    const places = bench.publications.map(
      ({ slot }) => slot - cycleOf(bench.options, slot, 8).first,
    )
    expect(chiSquared(tally(places, [0, 1, 2, 3, 4, 5, 6, 7]))).toBeLessThan(chiSquaredLimit(7))
    const others = bench.written.filter(({ kind }) => kind !== 'publish')
    const fetches = others.filter(({ kind }) => kind === 'fetch').length
    expect(Math.abs(fetches / others.length - FETCH_SHARE)).toBeLessThan(0.025)
    expect(bench.asks).toHaveLength(fetches)
    await bench.stop()
  })

  it('the same kinds at the same moments whether its queue is empty or full', async () => {
    const runs = []
    for (const waiting of [0, 13, 10_000]) {
      const bench = await running({ copies: 2 })
      bench.waiting = waiting
      bench.hasKeeper = waiting > 0
      await bench.slots(800)
      runs.push(drawn(bench))
      expect(bench.publications.filter(({ isReal }) => isReal).length).toBe(
        Math.min(2 * waiting, 100),
      )
      await bench.stop()
    }
    expect(runs[1]).toEqual(runs[0])
    expect(runs[2]).toEqual(runs[0])
  })

  it.each([10, 29, 45])(
    'one packet a slot when slots are %i ms, shorter than their lead',
    async (slotMs) => {
      const bench = await running({ slotMs })
      bench.waiting = 10
      await bench.slots(500)
      const slots = bench.written.map(({ slot }) => slot)
      expect(slots).toEqual(Array.from({ length: 500 }, (_, i) => (slots[0] ?? 0) + i))
      expect(bench.written.every(({ slot, at }) => slotAt(bench.options, at) === slot)).toBe(true)
      await bench.stop()
    },
  )

  it('something in a slot whose source fails in every way', async () => {
    const bench = await running()
    bench.waiting = 100
    bench.fails = { work: true, nextBox: true, nextAsk: true, published: true }
    await bench.slots(160)
    expect(bench.written).toHaveLength(160)
    expect(bench.publications.every(({ isReal }) => !isReal)).toBe(true)
    expect(bench.written.filter(({ request }) => request.kind === 'fetch')).toEqual([])
    bench.fails = { published: true }
    await bench.slots(160)
    expect(bench.written).toHaveLength(320)
    expect(bench.publications.some(({ isReal }) => isReal)).toBe(true)
    await bench.stop()
  })
})

describe('a wall clock that steps', () => {
  it.each([
    ['back by less than a slot', -200],
    ['back by a slot', -SLOT_MS],
    ['ahead by less than a slot', 200],
    ['ahead by a slot', SLOT_MS],
  ])('%s skips and repeats no slot', async (_what, stepMs) => {
    const rng = seededRng(`small step ${stepMs}`)
    for (let round = 0; round < 10; round++) {
      const bench = await running({ seed: `step ${round}` })
      await bench.run(uniform(rng) * 2_000)
      bench.clock.stepMs = stepMs
      await bench.slots(60)
      const slots = bench.written.map(({ slot }) => slot).toSorted((a, b) => a - b)
      const first = slots[0] ?? 0
      expect(slots).toEqual(Array.from({ length: slots.length }, (_, i) => first + i))
      await bench.stop()
    }
  })

  it.each([
    ['back by three slots', -3 * SLOT_MS],
    ['back by an hour', -3_600_000],
    ['ahead by three slots', 3 * SLOT_MS],
    ['ahead by an hour', 3_600_000],
    ['to before the network began', -2 * DAY_MS],
  ])('%s neither stops the packets nor makes them run after each other', async (_what, stepMs) => {
    const rng = seededRng(`step ${stepMs}`)
    for (let round = 0; round < 8; round++) {
      const bench = await running({ seed: `step ${stepMs} ${round}` })
      bench.waiting = 1_000
      await bench.run(uniform(rng) * 2_000)
      bench.clock.stepMs = stepMs
      await bench.slots(160)
      const times = bench.written.map(({ monotonic }) => monotonic)
      const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0))
      // A moment early in a slot after one late in the last; at the step, one slot more or less.
      expect(Math.max(...gaps)).toBeLessThan(3 * SLOT_MS)
      const lived = bench.clock.monotonic() - (times[0] ?? 0)
      expect(Math.abs(times.length - lived / SLOT_MS)).toBeLessThan(3)
      // 20 cycles and a part, an epoch's end or two, the step.
      expect(bench.publications.length).toBeGreaterThanOrEqual(19)
      expect(bench.publications.length).toBeLessThanOrEqual(24)
      await bench.stop()
    }
  })

  it('and jitters around the boundaries of slots skips and repeats none', async () => {
    const bench = await running()
    const rng = seededRng('jitter')
    for (let i = 0; i < 800; i++) {
      bench.clock.stepMs = Math.round(uniform(rng) * 80 - 40)
      await bench.run(SLOT_MS / 2)
    }
    const slots = bench.written.map(({ slot }) => slot).toSorted((a, b) => a - b)
    expect(slots.length).toBeGreaterThanOrEqual(399)
    expect(slots).toEqual(Array.from({ length: slots.length }, (_, i) => (slots[0] ?? 0) + i))
    // Four epochs of twelve cycles, and what of one has passed.
    expect(bench.publications.length).toBeGreaterThanOrEqual(49)
    expect(bench.publications.length).toBeLessThanOrEqual(51)
    await bench.stop()
  })
})

describe('the work of the conversations', () => {
  it('begins with every slot, and a slow one is not begun twice', async () => {
    const bench = await running()
    await bench.slots(40)
    expect(bench.works).toEqual(Array.from({ length: 40 }, (_, i) => (bench.works[0] ?? 0) + i))
    bench.works.length = 0
    bench.workMs = 3.5 * SLOT_MS
    await bench.slots(40)
    expect(bench.works.length).toBeLessThanOrEqual(11)
    expect(bench.works.length).toBeGreaterThanOrEqual(9)
    await bench.stop()
  })

  it('that fails is begun again with the next slot', async () => {
    const bench = await running()
    bench.fails = { work: true }
    await bench.slots(20)
    expect(bench.works.length).toBeGreaterThanOrEqual(19)
    expect(bench.written).toHaveLength(20)
    await bench.stop()
  })
})

describe('a question to a keeper', () => {
  it('is settled once, with the answer or with nothing when its packet did not leave', async () => {
    const bench = await running()
    bench.isLinked = (packet) => packet % 3 !== 0
    await bench.slots(64)
    const fetches = bench.written.filter(({ request }) => request.kind === 'fetch')
    const lost = fetches.filter(({ hasLeft }) => !hasLeft).length
    expect(lost).toBeGreaterThan(3)
    expect(bench.answers).toEqual(Array.from({ length: lost }, () => undefined))
    const answer = new Uint8Array(3)
    for (const settle of bench.settles) for (const each of [answer, undefined]) settle(each)
    expect(bench.answers.filter((each) => each === answer)).toHaveLength(fetches.length - lost)
    expect(bench.answers).toHaveLength(fetches.length)
    await bench.stop()
  })

  it('is an echo when there is no keeper to ask', async () => {
    const bench = await running()
    bench.hasKeeper = false
    await bench.slots(40)
    expect(bench.asks.length).toBeGreaterThan(10)
    expect(bench.written.filter(({ request }) => request.kind === 'fetch')).toEqual([])
    await bench.stop()
  })
})

describe('while only cover may leave', () => {
  it('nothing real does, nothing is bound to a box, and nothing else changes', async () => {
    const runs = []
    for (const mayLeave of [true, false]) {
      const bench = await running()
      bench.waiting = 1_000
      bench.mayLeave = mayLeave
      const before = bench.asked
      await bench.slots(400)
      runs.push(drawn(bench))
      expect(bench.publications.filter(({ isReal }) => isReal)).toHaveLength(mayLeave ? 50 : 0)
      expect(bench.asked - before).toBe(mayLeave ? 50 : 0)
      expect(new Set(bench.asks)).toEqual(new Set([mayLeave]))
      await bench.stop()
    }
    expect(runs[1]).toEqual(runs[0])
  })

  it('a box that was ready before waits, and leaves first when the hold is over', async () => {
    const bench = await running()
    bench.waiting = 1
    bench.nextBoxMs = PREPARE_LEAD_MS + 5
    await bench.cycles(1)
    bench.mayLeave = false
    await bench.cycles(10)
    expect(bench.publications.map(({ isReal }) => isReal)).not.toContain(true)
    bench.mayLeave = true
    const asked = bench.asked
    await bench.cycles(1)
    expect(bench.publications.map(({ isReal }) => isReal).slice(11)).toEqual([true])
    // It waited, so no other was asked for.
    expect(bench.asked).toBe(asked)
    await bench.stop()
  })

  it('the copies of a real box that has begun go on: half a round would be seen', async () => {
    const bench = await running({ copies: 3 })
    bench.waiting = 1
    await bench.cycles(1)
    bench.mayLeave = false
    await bench.cycles(5)
    expect(bench.publications.map(({ isReal }) => isReal)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ])
    await bench.stop()
  })
})

describe('without a route', () => {
  it('nothing leaves and nothing is used up', async () => {
    const bench = await running()
    bench.waiting = 5
    bench.hasRoute = false
    // As `Mix` says it when there is no route.
    bench.mayLeave = false
    const asked = bench.asked
    await bench.slots(80)
    expect([bench.written, bench.fates, bench.asked - asked]).toEqual([[], [], 0])
    expect(new Set(bench.asks)).toEqual(new Set([false]))
    bench.hasRoute = true
    bench.mayLeave = true
    await bench.slots(80)
    expect(bench.publications.filter(({ isReal }) => isReal)).toHaveLength(5)
    await bench.stop()
  })

  it('that goes between preparing and building, the box is given back', async () => {
    const bench = await running()
    bench.waiting = 1
    bench.nextBoxMs = 1
    for (;;) {
      await bench.run(1)
      if (bench.asked > 0 && bench.waiting === 0) break
    }
    bench.hasRoute = false
    await bench.run(PREPARE_LEAD_MS + BUILD_LEAD_MS)
    expect(bench.fates.map(({ hasLeft }) => hasLeft)).toEqual([false])
    await bench.stop()
  })
})

describe('stopping', () => {
  it('waits for what is under way, and nothing runs after it', async () => {
    const bench = await running()
    bench.waiting = 1_000
    bench.workMs = 100
    await bench.run(1_234)
    await bench.stop()
    const seen = [bench.written.length, bench.works.length, bench.asked, bench.asks.length]
    await bench.slots(80)
    expect([bench.written.length, bench.works.length, bench.asked, bench.asks.length]).toEqual(seen)
    expect(bench.clock.virtual.pendingTimers).toBe(0)
    await bench.stop()
  })
})
