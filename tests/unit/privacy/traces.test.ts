import { describe, expect, it } from 'vitest'
import { seededRng } from '../../support/seeded-rng.ts'
import { compareMoments, measureCadence } from '../../privacy/analysis/emissions.ts'
import { frequentSizes, windowsOf } from '../../privacy/analysis/features.ts'
import {
  chiSquareTail,
  drawnFreshly,
  frameBalance,
  normalTail,
} from '../../privacy/analysis/kinds.ts'
import { ownChunks, plant } from '../../privacy/analysis/planted-effects.ts'
import { compareGaps, copyGaps, cycleUniformity } from '../../privacy/analysis/publications.ts'
import { type Emission, firstAt, type Phase, TraceBuilder } from '../../privacy/analysis/trace.ts'
import { byteRate } from '../../privacy/analysis/volume.ts'

const GRID = { originMs: 1_000, slotMs: 100 }
const PHASE: Phase = { busy: false, block: 0, from: 1_000, to: 2_000 }

function emission(slot: number, into: number, node = 0): Emission {
  return { node, slot, at: GRID.originMs + slot * GRID.slotMs + into, to: 1 }
}

describe('the cadence of own packets', () => {
  const regular = Array.from({ length: 10 }, (_, slot) => emission(slot, 50))
  const options = { grid: GRID, nodes: 1 }

  it('is one per slot', () => {
    const cadence = measureCadence(regular, [PHASE], options)
    expect(cadence).toMatchObject({ nodeSlots: 10, missing: 0, extra: 0, strayed: 0 })
    expect(cadence.moments).toEqual(Array.from({ length: 10 }, () => 0.5))
  })

  it('shows a slot without a packet, one with two, and a packet that left its slot', () => {
    const odd = [...regular.slice(0, 8), emission(0, 60), emission(8, 101)]
    expect(measureCadence(odd, [PHASE], options)).toMatchObject({
      missing: 1,
      extra: 1,
      strayed: 1,
    })
  })

  it('counts whole slots only, for every node', () => {
    const phase = { ...PHASE, from: 1_050, to: 1_950 }
    expect(measureCadence(regular, [phase], { grid: GRID, nodes: 2 })).toMatchObject({
      nodeSlots: 16,
      missing: 8,
    })
  })

  it('differs by a delay that the comparison says it can detect, and not by itself', () => {
    const moments = Array.from({ length: 2_000 }, (_, i) => i / 2_000)
    const { detectableMs } = compareMoments({ moments }, { moments }, GRID)
    const later = moments.map((moment) => moment + (1.1 * detectableMs) / GRID.slotMs)
    expect(compareMoments({ moments }, { moments }, GRID).p).toBe(1)
    expect(compareMoments({ moments }, { moments: later }, GRID).p).toBeLessThan(0.01)
  })
})

describe('tails of distributions', () => {
  it('agree with tables', () => {
    expect(normalTail(1.96)).toBeCloseTo(0.025, 4)
    expect(normalTail(-1.96)).toBeCloseTo(0.975, 4)
    expect(chiSquareTail(18.307, 10)).toBeCloseTo(0.05, 2)
    expect(chiSquareTail(135.807, 100)).toBeCloseTo(0.01, 3)
    expect(chiSquareTail(5, 0)).toBe(1)
  })
})

describe('publishing slots', () => {
  const options = { nodes: 1, slotsPerEpoch: 400, publishEvery: 4 }
  const publishing = (positions: readonly number[]) =>
    positions.map((position, cycle) => ({ ...emission(4 * cycle + position, 0), kind: 'publish' }))

  it('that are drawn pass', () => {
    const bytes = seededRng('slots').bytes(400)
    expect(drawnFreshly(publishing([...bytes].map((byte) => byte % 4)), options)).toBeGreaterThan(
      0.01,
    )
  })

  it('that stay, that prefer a place, or that follow each other do not', () => {
    const rows = Array.from({ length: 400 }, (_, i) => i)
    const bytes = [...seededRng('slots').bytes(400)]
    expect(drawnFreshly(publishing(rows.map(() => 2)), options)).toBeLessThan(1e-9)
    expect(drawnFreshly(publishing(rows.map((i) => i % 4)), options)).toBeLessThan(1e-9)
    expect(
      drawnFreshly(publishing(bytes.map((byte) => (byte < 100 ? 0 : byte % 4))), options),
    ).toBeLessThan(1e-4)
  })

  it('of the short cycle at the end of an epoch do not count', () => {
    const short = { ...options, slotsPerEpoch: 6 }
    const fixed = Array.from({ length: 200 }, (_, epoch) => ({
      ...emission(6 * epoch + 4, 0),
      kind: 'publish',
    }))
    expect(drawnFreshly(fixed, short)).toBe(1)
  })
})

describe('publications', () => {
  const cycles = { ...GRID, slotsPerEpoch: 402, publishEvery: 4 }
  const spread = Array.from({ length: 500 }, (_, i) => 1_000 + i * 123.456)

  it('spread over the cycle pass; near one place of it they do not, also in later epochs', () => {
    expect(cycleUniformity(spread, cycles)).toBeGreaterThan(0.01)
    const placed = Array.from({ length: 500 }, (_, i) => {
      const epoch = Math.floor(i / 100)
      return 1_000 + epoch * 40_200 + (i % 100) * 400 + (i % 7) * 20
    })
    expect(cycleUniformity(placed, cycles)).toBeLessThan(1e-6)
  })

  it('give the gap between the first two copies of a box that began in the phase', () => {
    const of = (at: number, box: string) => ({ at, box })
    const heard = [of(900, 'before'), of(1_100, 'a'), of(1_200, 'before'), of(1_400, 'a')]
    expect(copyGaps([...heard, of(1_500, 'a'), of(1_600, 'once')], [PHASE])).toEqual([300])
  })

  it('show a gap that depends on the phase', () => {
    const busy = { ...PHASE, busy: true, from: 2_000, to: 3_000 }
    const pairs = (from: number, gap: number) =>
      Array.from({ length: 100 }, (_, i) => [
        { at: from + i * 10, box: `${from}/${i}` },
        { at: from + i * 10 + gap + (i % 10), box: `${from}/${i}` },
      ]).flat()
    const same = [...pairs(1_000, 300), ...pairs(2_000, 300)].toSorted((a, b) => a.at - b.at)
    const other = [...pairs(1_000, 300), ...pairs(2_000, 305)].toSorted((a, b) => a.at - b.at)
    expect(compareGaps(same, [PHASE], [busy])).toBe(1)
    expect(compareGaps(other, [PHASE], [busy])).toBeLessThan(1e-6)
  })
})

describe('a trace', () => {
  const builder = new TraceBuilder()
  for (let i = 99; i >= 0; i--)
    builder.add(1_000 + 10 * i, i % 2, (i + 1) % 2, i % 4 === 0 ? 500 : 70)
  const trace = builder.build()

  it('is in order of time, and is searched by it', () => {
    expect(trace.at[0]).toBe(1_000)
    expect(firstAt(trace, 0)).toBe(0)
    expect(firstAt(trace, 1_015)).toBe(2)
    expect(firstAt(trace, 9_999)).toBe(100)
  })

  it('has its rate inside the phases', () => {
    expect(byteRate(trace, [PHASE])).toBe(25 * 500 + 75 * 70)
    expect(byteRate(trace, [{ ...PHASE, to: 1_100 }])).toBe((3 * 500 + 7 * 70) * 10)
  })

  it('has the frequent sizes in front', () => {
    expect(frequentSizes(trace, [PHASE])).toEqual([70, 500])
  })

  it('is balanced where as many frames come as go', () => {
    const options = { nodes: 2, frameBytes: 500 }
    expect(frameBalance(trace, options)).toEqual({ in: [0, 25], out: [25, 0] })
  })

  it('is cut into windows of all nodes, equal ones with equal features', () => {
    const options = { grid: GRID, nodes: 2, windowMs: 400, frameBytes: 500 }
    const windows = windowsOf(trace, [PHASE], options)
    expect(windows.map(({ node }) => node)).toEqual([0, 1, 0, 1])
    expect(windows[0]!.features).toHaveLength(windows[1]!.features.length)
    for (const [i, value] of windows[2]!.features.entries()) {
      expect(value).toBeCloseTo(windows[0]!.features[i]!, 9)
    }
    expect(windows[1]!.features).not.toEqual(windows[0]!.features)
    expect(windows.flatMap(({ features }) => features).every(Number.isFinite)).toBe(true)
  })
})

describe('a leak that is planted into a trace', () => {
  const emissions: Emission[] = []
  const builder = new TraceBuilder()
  for (let slot = 0; slot < 200; slot++) {
    const own = emission(slot, (slot * 37) % 100)
    emissions.push(own)
    builder.add(own.at + 0.5, 0, 1, 500)
    // Of the same size and on the same link, but somebody else's.
    builder.add(own.at - 1, 0, 1, 500)
    builder.add(own.at + 0.4, 1, 0, 500)
  }
  const trace = builder.build()
  const options = { grid: GRID, frameBytes: 500 }
  const ports = { rng: seededRng('plant') }

  it('finds the chunks of own packets and no others', () => {
    const own = ownChunks(trace, emissions, options)
    expect(own.size).toBe(200)
    for (const [chunk, slot] of own) {
      expect(trace.at[chunk]).toBe(emissions[slot]!.at + 0.5)
    }
  })

  it('delays own packets inside their slots and leaves the others', () => {
    const planted = plant(ports, trace, emissions, { kind: 'late', ms: 20 }, options)
    expect(planted.at).toHaveLength(trace.at.length)
    const moved = [...planted.at].filter((at) => !trace.at.includes(at))
    expect(moved.length).toBe(200)
    const late = emissions.map(({ slot, at }) => {
      const left = GRID.originMs + (slot + 1) * GRID.slotMs - (at + 0.5)
      return at + 0.5 + Math.max(0, Math.min(20, left / 2))
    })
    for (const at of moved)
      expect(Math.min(...late.map((each) => Math.abs(each - at)))).toBeLessThan(1e-6)
  })

  it('leaves out about as many as it says', () => {
    const planted = plant(ports, trace, emissions, { kind: 'missing', oneIn: 10 }, options)
    const gone = trace.at.length - planted.at.length
    expect(gone).toBeGreaterThan(8)
    expect(gone).toBeLessThan(36)
  })

  it('adds chatter on links that the node has', () => {
    const effect = { kind: 'chatter', everyMs: 1_000, bytes: 77 } as const
    const planted = plant(ports, trace, emissions, effect, options)
    const added = [...planted.bytes.keys()].filter((i) => planted.bytes[i] === 77)
    expect(added.length).toBeGreaterThan(17)
    expect(added.every((i) => planted.from[i] === 0 && planted.to[i] === 1)).toBe(true)
  })
})
