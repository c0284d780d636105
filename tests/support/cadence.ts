import { PUBLICATION_BYTES } from '../../src/gossip/constants.ts'
import { cycleOf, type SlotGrid, slotAt, slotStart } from '../../src/mix/index.ts'
import { ksTwoSample, ksUniform } from './statistics.ts'

/** What an observer next to a node sees of one of its publications. */
export interface Sighting {
  /** Wall clock, milliseconds, fractional. */
  readonly at: number
  /** Bytes on the topic. */
  readonly size: number
}

export interface CadenceRules extends SlotGrid {
  readonly publishEvery: number
}

/** A stretch of time of one node, measured. */
export interface Cadence {
  readonly publications: number
  readonly cycles: number
  readonly sizes: readonly number[]
  /** Whole cycles that hold another number than one, by that number. */
  readonly oddCycles: ReadonlyMap<number, number>
  readonly perMinute: number
  /** Moments within the cycle, 0 to 1. */
  readonly inCycle: readonly number[]
  /** Moments within the slot, 0 to 1. */
  readonly inSlot: readonly number[]
}

/** Measures the whole cycles in `[from, to)`. */
export function measureCadence(
  sightings: readonly Sighting[],
  rules: CadenceRules,
  from: number,
  to: number,
): Cadence {
  const cycles = wholeCycles(rules, from, to)
  const counts = cycles.map(() => 0)
  const inside: Sighting[] = []
  for (const sighting of sightings) {
    const at = cycles.findIndex((c) => sighting.at >= c.start && sighting.at < c.end)
    if (at < 0) continue
    counts[at] = (counts[at] ?? 0) + 1
    inside.push(sighting)
  }
  const oddCycles = new Map<number, number>()
  for (const count of counts) {
    if (count !== 1) oddCycles.set(count, (oddCycles.get(count) ?? 0) + 1)
  }
  const first = cycles[0]
  const last = cycles.at(-1)
  const minutes = first && last ? (last.end - first.start) / 60_000 : 0
  const cycleMs = rules.publishEvery * rules.slotMs
  return {
    publications: inside.length,
    cycles: cycles.length,
    sizes: [...new Set(sightings.map(({ size }) => size))],
    oddCycles,
    perMinute: minutes > 0 ? inside.length / minutes : 0,
    inCycle: inside.map(({ at }) => phase(at - rules.originMs, cycleMs)),
    inSlot: inside.map(({ at }) => phase(at - rules.originMs, rules.slotMs)),
  }
}

/** What tells a node with work from one without; empty when nothing does. */
export function findLeaks(idle: Cadence, busy: Cadence, significance = 0.01): string[] {
  const leaks: string[] = []
  for (const [name, { sizes, oddCycles }] of Object.entries({ idle, busy })) {
    if (sizes.some((size) => size !== PUBLICATION_BYTES)) leaks.push(`${name}: sizes ${sizes}`)
    for (const [count, cycles] of oddCycles) leaks.push(`${name}: ${cycles} cycles with ${count}`)
  }
  const compare = (what: string, p: number) => {
    if (p < significance) leaks.push(`${what}: p = ${p.toExponential(1)}`)
  }
  compare('idle and busy moments in the cycle differ', ksTwoSample(idle.inCycle, busy.inCycle))
  compare('idle and busy moments in the slot differ', ksTwoSample(idle.inSlot, busy.inSlot))
  compare('idle moments in the slot are not uniform', ksUniform(idle.inSlot))
  compare('busy moments in the slot are not uniform', ksUniform(busy.inSlot))
  compare('idle moments in the cycle are not uniform', ksUniform(idle.inCycle))
  compare('busy moments in the cycle are not uniform', ksUniform(busy.inCycle))
  return leaks
}

function wholeCycles(
  rules: CadenceRules,
  from: number,
  to: number,
): { start: number; end: number }[] {
  const cycles: { start: number; end: number }[] = []
  let { end: slot } = cycleOf(rules, slotAt(rules, from), rules.publishEvery)
  for (;;) {
    const { end } = cycleOf(rules, slot, rules.publishEvery)
    if (slotStart(rules, end) > to) return cycles
    cycles.push({ start: slotStart(rules, slot), end: slotStart(rules, end) })
    slot = end
  }
}

function phase(ms: number, period: number): number {
  return (((ms % period) + period) % period) / period
}
