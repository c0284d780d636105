import { describe, expect, it } from 'vitest'
import { type BoxBytes, toHex } from '../../../src/base/index.ts'
import { BUILD_LEAD_MS } from '../../../src/mix/constants.ts'
import { slotStart } from '../../../src/mix/index.ts'
import { Round, roundOf } from '../../../src/mix/publication.ts'
import { BOX_BYTES } from '../../../src/stream/index.ts'
import { type BenchOptions, EmitterBench } from './emitter-bench.ts'
import { isReal, placeAt, serialOf } from './fixtures.ts'

const DAY_MS = 86_400_000
const running = (options?: BenchOptions) => new EmitterBench(options).start()

type Publication = EmitterBench['publications'][number]

/** Publications by their box, in the order of their first copies. */
function byBox(publications: readonly Publication[]): Publication[][] {
  return [...Map.groupBy(publications, ({ box }) => box).values()]
}

describe('the rounds of an epoch', () => {
  // 96 slots: 12 cycles of 8.
  const grid = { originMs: 0, slotMs: 250, epochMs: 96 * 250 }

  it('are as many cycles as a box has copies, counted from its beginning', () => {
    for (const copies of [1, 2, 3, 4]) {
      const ids = new Map<string, number[]>()
      for (let slot = -96; slot < 192; slot++) {
        const { id, isLast } = roundOf(grid, slot, 8, copies)
        const cycle = Math.floor(slot / 8)
        const cycles = ids.get(id) ?? []
        if (!cycles.includes(cycle)) ids.set(id, [...cycles, cycle])
        expect(isLast).toBe((((cycle % 12) + 12) % 12) % copies === copies - 1)
      }
      expect([...ids.values()].every(({ length }) => length === copies)).toBe(true)
      expect(ids.size).toBe((3 * 12) / copies)
    }
  })

  it('never reach into the next epoch, nor into cycles of another length', () => {
    const { id } = roundOf(grid, 95, 8, 5)
    expect(id).not.toBe(roundOf(grid, 96, 8, 5).id)
    expect(roundOf(grid, 0, 8, 5).id).not.toBe(roundOf(grid, 0, 6, 5).id)
  })
})

describe('a round', () => {
  const box = new Uint8Array(BOX_BYTES) as BoxBytes
  const open = () => {
    const told: boolean[] = []
    return { told, round: new Round('1', box, (hasLeft) => told.push(hasLeft)) }
  }

  it('tells that its box has left with the first copy that did', () => {
    const { told, round } = open()
    for (const hasLeft of [false, true, true]) {
      round.begin([])
      round.end(hasLeft)
    }
    round.close()
    expect(told).toEqual([true])
  })

  it('tells that it has not when all copies are through, whichever comes last', () => {
    const { told, round } = open()
    round.begin([])
    round.end(false)
    round.begin([])
    round.close()
    expect(told).toEqual([])
    round.end(false)
    round.close()
    expect(told).toEqual([false])
    const early = open()
    early.round.begin([])
    early.round.end(false)
    early.round.close()
    expect(early.told).toEqual([false])
  })

  it('waits for the copy that is under way when it ends', () => {
    const { told, round } = open()
    round.begin([])
    round.close()
    expect(told).toEqual([])
    round.end(true)
    expect(told).toEqual([true])
  })

  it('of cover tells nobody', () => {
    const round = new Round('1', box, undefined)
    round.begin([])
    round.close()
    expect(() => round.end(false)).not.toThrow()
  })

  it('knows the mixes of a copy from when it is built', () => {
    const { round } = open()
    const [a, b] = [placeAt('a'), placeAt('b')]
    round.begin([a])
    expect(round.used).toEqual([a])
    round.begin([b])
    expect(round.used).toEqual([a, b])
  })
})

describe('a box goes out', () => {
  it.each([1, 2, 3, 4])('exactly %i times, real or cover, over disjoint routes', async (copies) => {
    const bench = await running({ copies })
    bench.waiting = 9
    // Five epochs of twelve cycles.
    await bench.slots(5 * 96)
    const boxes = byBox(bench.publications)
    expect(boxes).toHaveLength(60 / copies)
    expect(boxes.filter(([first]) => first?.isReal)).toHaveLength(9)
    for (const sent of boxes) {
      expect(sent).toHaveLength(copies)
      const mixes = sent.flatMap(({ route }) => route.map(({ nodeId }) => toHex(nodeId)))
      // Six mixes a layer are enough for four routes.
      expect(new Set(mixes).size).toBe(3 * copies)
    }
    await bench.stop()
  })

  it('over disjoint routes also when one copy is built before the last has left', async () => {
    // Slots shorter than the lead of building: copies of neighbouring cycles overlap.
    const slotMs = 5
    const bench = await running({ copies: 2, publishEvery: 2, slotMs })
    bench.waiting = 1_000
    await bench.slots(4 * 96)
    const pairs = byBox(bench.publications).filter(({ length }) => length === 2)
    const close = pairs.filter(([a, b]) => (b?.dueAt ?? 0) - (a?.dueAt ?? 0) < BUILD_LEAD_MS)
    expect(close.length).toBeGreaterThan(50)
    for (const pair of pairs) {
      expect(
        new Set(pair.flatMap(({ route }) => route.map(({ nodeId }) => toHex(nodeId)))).size,
      ).toBe(6)
    }
    await bench.stop()
  })

  it('in the next publication when it was late, and the slot goes on with cover', async () => {
    const [fast, slow] = [await running(), await running()]
    for (const bench of [fast, slow]) bench.waiting = 1_000
    slow.nextBoxMs = 200
    for (const bench of [fast, slow]) await bench.cycles(30)
    expect(slow.publications.map(({ at }) => at)).toEqual(fast.publications.map(({ at }) => at))
    expect(slow.publications[0]?.isReal).toBe(false)
    const real = slow.publications.filter((each) => each.isReal)
    expect(real.length).toBeGreaterThan(10)
    expect(slow.fates.map(({ hasLeft }) => hasLeft)).toEqual(real.map(() => true))
    // Asked for one at a time: none was filled that did not leave, but for the last.
    expect(1_000 - slow.waiting - real.length).toBeLessThanOrEqual(1)
    await fast.stop()
    await slow.stop()
  })

  it('from the first millisecond of a slot on with the same time to prepare', async () => {
    const bench = await running()
    bench.waiting = 10_000
    bench.nextBoxMs = 44
    await bench.cycles(200)
    const early = bench.publications.filter(
      ({ at, slot }) => at - slotStart(bench.options, slot) < 40,
    )
    expect(early.length).toBeGreaterThan(15)
    // Cover only where the publication before was still being filled: one box at a time.
    const rushed = bench.publications.filter((each, i) => {
      const before = bench.publications[i - 1]?.dueAt ?? Number.NEGATIVE_INFINITY
      return !each.isReal && each.dueAt - before >= bench.nextBoxMs
    })
    expect(rushed.map(({ slot }) => slot)).toEqual([])
    await bench.stop()
  })

  it('in its order, once, also when publications overlap', async () => {
    for (const nextBoxMs of [2, 30, 55, 140]) {
      const bench = await running({ publishEvery: 2, slotMs: 20, seed: `overlap ${nextBoxMs}` })
      bench.waiting = 200
      bench.nextBoxMs = nextBoxMs
      await bench.slots(400)
      const real = bench.publications.filter((each) => each.isReal).map(({ box }) => serialOf(box))
      expect(real.length).toBeGreaterThan(25)
      expect(real).toEqual(real.toSorted((a, b) => a - b))
      expect(new Set(real).size).toBe(real.length)
      expect(new Set(bench.fates.map(({ box }) => serialOf(box))).size).toBe(bench.fates.length)
      expect(bench.publications).toHaveLength(200)
      expect(bench.mostAtOnce).toBe(1)
      await bench.stop()
    }
  })

  it('instead of the next cover box, which is made all the same', async () => {
    const bench = await running({ copies: 2 })
    bench.waiting = 10
    await bench.slots(2 * 96)
    expect(bench.covers).toBe(bench.publications.length / 2)
    await bench.stop()
  })

  it('never with the date of yesterday: one that waited over midnight is given back', async () => {
    const bench = new EmitterBench({ startMs: Date.UTC(2026, 0, 15, 23, 59, 50) })
    bench.waiting = 1
    // The box comes too late for its publication, and midnight before the next.
    bench.nextBoxMs = 15_000
    bench.emitter.start()
    await bench.run(40_000)
    expect(bench.publications.some((each) => each.isReal)).toBe(false)
    expect(bench.fates.map(({ hasLeft }) => hasLeft)).toEqual([false])
    for (const { at, box } of bench.publications) {
      const day = new DataView(box.buffer).getUint32(1)
      expect(day).toBe(Math.floor((at - BUILD_LEAD_MS) / DAY_MS) + 2)
    }
    await bench.stop()
  })

  it('once more than due at most when the clock goes back inside its round', async () => {
    const bench = await running({ copies: 2 })
    bench.waiting = 1_000
    await bench.cycles(2)
    bench.clock.stepMs = -8 * 250
    await bench.cycles(6)
    expect(Math.max(...byBox(bench.publications).map(({ length }) => length))).toBeLessThanOrEqual(
      3,
    )
    expect(new Set(bench.fates.map(({ box }) => box)).size).toBe(bench.fates.length)
    await bench.stop()
  })
})

describe('what became of a real box', () => {
  it.each([
    ['both copies left', [true, true], [true]],
    ['the first copy had no link', [false, true], [true]],
    ['the second copy had no link', [true, false], [true]],
    ['no copy had a link', [false, false], [false]],
  ])('is told once when %s', async (_what, links, fate) => {
    const bench = await running({ copies: 2 })
    bench.waiting = 1
    const left = [...links]
    bench.isLinked = (_packet, kind) => kind !== 'publish' || (left.shift() ?? true)
    await bench.slots(32)
    expect(bench.publications.slice(0, 2).map(({ hasLeft }) => hasLeft)).toEqual(links)
    expect(bench.fates.map(({ hasLeft }) => hasLeft)).toEqual(fate)
    expect(bench.fates.every(({ box }) => isReal(box))).toBe(true)
    await bench.stop()
  })

  it('is told with the last copy, not with the next box', async () => {
    const bench = await running({ copies: 2 })
    bench.waiting = 1
    bench.isLinked = () => false
    while (bench.publications.length < 2) {
      expect(bench.fates).toEqual([])
      await bench.run(20)
    }
    expect(bench.fates.map(({ hasLeft }) => hasLeft)).toEqual([false])
    await bench.stop()
  })

  it('is told of every box that was taken, whether or not it was left over at the end of an epoch', async () => {
    // Thirteen cycles: the last round of each epoch has one copy only.
    const bench = await running({ copies: 2, slotsPerEpoch: 104 })
    bench.waiting = 1_000
    bench.isLinked = (packet) => packet % 2 === 0
    await bench.slots(4 * 104)
    await bench.cycles(2)
    const taken = new Set(bench.publications.map(({ box }) => serialOf(box)))
    const told = bench.fates.map(({ box }) => serialOf(box))
    expect(new Set(told).size).toBe(told.length)
    // All but the box of the round that has not ended.
    expect(taken.size - told.length).toBeLessThanOrEqual(1)
    const short = byBox(bench.publications).filter(({ length }) => length === 1)
    expect(short.length).toBeGreaterThanOrEqual(4)
    await bench.stop()
  })

  it('is told while the node stops, if its moment has come', async () => {
    const bench = await running()
    bench.waiting = 1_000
    let stopped: Promise<void> | undefined
    while (stopped === undefined) {
      await bench.run(1)
      if (bench.publications.some((each) => each.isReal)) stopped = bench.emitter.stop()
    }
    await stopped
    expect(bench.fates.map(({ hasLeft }) => hasLeft)).toEqual([true])
  })
})

it('a cycle that publishes in its last slot and one in its first are told apart', async () => {
  const bench = await running({ publishEvery: 2 })
  bench.waiting = 1_000
  await bench.slots(2_000)
  const slots = bench.publications.map(({ slot }) => slot)
  const gaps = slots.slice(1).map((slot, i) => slot - (slots[i] ?? 0))
  expect(new Set(gaps)).toEqual(new Set([1, 2, 3]))
  expect(slotStart(bench.options, slots[0] ?? 0)).toBeLessThanOrEqual(bench.clock.now())
  expect(byBox(bench.publications).every(({ length }) => length === 1)).toBe(true)
  await bench.stop()
})
