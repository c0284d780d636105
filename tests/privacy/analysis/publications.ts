import { ksTwoSample } from '../../support/statistics.ts'
import type { Cycles, Phase } from './trace.ts'

/** A box that a courier published, as everybody hears it. */
export interface Publication {
  readonly at: number
  /** Names the box. */
  readonly box: number | string
}

/**
 * Rayleigh's test: probability that the times of publications are spread over the cycle at least this unevenly by chance. A
 * position of the publishing slot that is fixed for all shows here to anybody who only listens.
 */
export function cycleUniformity(
  times: readonly number[],
  { originMs, slotMs, slotsPerEpoch, publishEvery }: Cycles,
): number {
  const epochMs = slotMs * slotsPerEpoch
  const cycleMs = slotMs * publishEvery
  let [x, y] = [0, 0]
  for (const at of times) {
    const angle = (2 * Math.PI * ((at - originMs) % epochMs)) / cycleMs
    x += Math.cos(angle)
    y += Math.sin(angle)
  }
  const n = times.length
  const z = (x * x + y * y) / n
  // Second-order correction, Zar 1999, equation 27.4.
  return Math.min(
    1,
    Math.max(0, Math.exp(Math.sqrt(1 + 4 * n + 4 * (n * n - n * z)) - (1 + 2 * n))),
  )
}

/** Times between the first two copies of each box whose first copy came inside one of the phases. */
export function copyGaps(publications: readonly Publication[], phases: readonly Phase[]): number[] {
  const first = new Map<number | string, number>()
  const second = new Map<number | string, number>()
  for (const { at, box } of publications) {
    if (!first.has(box)) first.set(box, at)
    else if (!second.has(box)) second.set(box, at)
  }
  const gaps: number[] = []
  for (const [box, at] of first) {
    const next = second.get(box)
    const inside = phases.some(({ from, to }) => at >= from && at < to)
    if (inside && next !== undefined) gaps.push(next - at)
  }
  return gaps
}

/** KS of the gaps between copies: a contact who hears both must not learn how long the queue was. */
export function compareGaps(
  publications: readonly Publication[],
  idle: readonly Phase[],
  busy: readonly Phase[],
): number {
  return ksTwoSample(copyGaps(publications, idle), copyGaps(publications, busy))
}
