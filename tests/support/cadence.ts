import { cycleOf, type SlotGrid, slotAt, slotStart } from '../../src/mix/index.ts'
import { ksTwoSample, ksUniform } from './statistics.ts'

/** Something that an observer sees: when, and how large. */
export interface Sighting {
  /** Wall clock, milliseconds, fractional. */
  readonly at: number
  readonly size: number
}

/** A stretch of time in which something is expected once, wall clock: a slot or a cycle. */
export interface Beat {
  readonly start: number
  readonly end: number
}

/** Sightings against beats. */
export interface Cadence {
  /** Inside the beats. */
  readonly sightings: number
  readonly beats: number
  readonly sizes: readonly number[]
  /** Beats that hold another number than one, by that number. */
  readonly oddBeats: ReadonlyMap<number, number>
  readonly perMinute: number
  /** Moments within the beat, 0 to 1. */
  readonly moments: readonly number[]
}

/** The whole slots in `[from, to)`. */
export function slotsIn(grid: SlotGrid, from: number, to: number): Beat[] {
  const beats: Beat[] = []
  for (let slot = slotAt(grid, from) + 1; slotStart(grid, slot + 1) <= to; slot++) {
    beats.push({ start: slotStart(grid, slot), end: slotStart(grid, slot + 1) })
  }
  return beats
}

/** The whole cycles in `[from, to)`. */
export function cyclesIn(grid: SlotGrid, publishEvery: number, from: number, to: number): Beat[] {
  const beats: Beat[] = []
  let { end: slot } = cycleOf(grid, slotAt(grid, from), publishEvery)
  for (;;) {
    const { end } = cycleOf(grid, slot, publishEvery)
    if (slotStart(grid, end) > to) return beats
    beats.push({ start: slotStart(grid, slot), end: slotStart(grid, end) })
    slot = end
  }
}

/** Beats are in order and do not overlap; there may be pauses between them. */
export function measureCadence(sightings: readonly Sighting[], beats: readonly Beat[]): Cadence {
  const counts = beats.map(() => 0)
  const sizes = new Set<number>()
  const moments: number[] = []
  for (const { at, size } of sightings) {
    const index = beats.findIndex(({ start, end }) => at >= start && at < end)
    const beat = beats[index]
    if (beat === undefined) continue
    counts[index] = (counts[index] ?? 0) + 1
    sizes.add(size)
    moments.push((at - beat.start) / (beat.end - beat.start))
  }
  const oddBeats = new Map<number, number>()
  for (const count of counts) {
    if (count !== 1) oddBeats.set(count, (oddBeats.get(count) ?? 0) + 1)
  }
  const minutes = beats.reduce((total, { start, end }) => total + end - start, 0) / 60_000
  return {
    sightings: moments.length,
    beats: beats.length,
    sizes: [...sizes],
    oddBeats,
    perMinute: minutes > 0 ? moments.length / minutes : 0,
    moments,
  }
}

/** What is wrong with a node's own packets, one of `size` bytes due in each slot; empty when nothing is. */
export function findFlaws(
  { sizes, oddBeats, moments }: Cadence,
  size: number,
  significance = 0.01,
): string[] {
  const flaws: string[] = []
  if (sizes.some((each) => each !== size)) flaws.push(`sizes ${sizes}`)
  for (const [count, slots] of oddBeats) flaws.push(`${slots} slots with ${count}`)
  const p = ksUniform(moments)
  if (p < significance) flaws.push(`moments in the slot are not uniform: p = ${p.toExponential(1)}`)
  return flaws
}

/** Whether two samples of moments come from one distribution; empty when nothing speaks against it. */
export function findShift(
  what: string,
  a: readonly number[],
  b: readonly number[],
  significance = 0.01,
): string[] {
  const p = ksTwoSample(a, b)
  return p < significance ? [`${what}: p = ${p.toExponential(1)}`] : []
}
