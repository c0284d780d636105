import { ksTwoSample } from '../../support/statistics.ts'
import { type Emission, type Grid, type Phase, slotsInside } from './trace.ts'

/** What the nodes' own packets look like in the slots of some phases. */
export interface Cadence {
  readonly nodeSlots: number
  /** Slots in which a node originated nothing. */
  readonly missing: number
  /** Packets beyond the first of a slot. */
  readonly extra: number
  /** Packets that left before or after the slot they belong to: a timer that is late at its end. */
  readonly strayed: number
  /** Moments within the slot: 0 to 1, outside of it for those that strayed. */
  readonly moments: readonly number[]
}

/** Counts the packets of `nodes` nodes in every slot that lies wholly inside one of the phases. */
export function measureCadence(
  emissions: readonly Emission[],
  phases: readonly Phase[],
  options: { readonly grid: Grid; readonly nodes: number },
): Cadence {
  const { grid, nodes } = options
  const ranges = phases.map((phase) => slotsInside(grid, phase))
  const counts = new Map<number, number>()
  const moments: number[] = []
  for (const { node, slot, at } of emissions) {
    if (!ranges.some(({ first, end }) => slot >= first && slot < end)) continue
    const key = slot * nodes + node
    counts.set(key, (counts.get(key) ?? 0) + 1)
    moments.push((at - grid.originMs) / grid.slotMs - slot)
  }
  const slots = ranges.reduce((sum, { first, end }) => sum + Math.max(0, end - first), 0)
  const strayed = moments.filter((moment) => moment < 0 || moment >= 1).length
  let extra = 0
  for (const count of counts.values()) extra += count - 1
  return { nodeSlots: nodes * slots, missing: nodes * slots - counts.size, extra, strayed, moments }
}

/** Two-sample KS of the moments within the slot. `detectableMs`: a delay of all packets that p < 0.01 would show. */
export function compareMoments(
  idle: Pick<Cadence, 'moments'>,
  busy: Pick<Cadence, 'moments'>,
  grid: Grid,
): { readonly p: number; readonly detectableMs: number } {
  const [n, m] = [idle.moments.length, busy.moments.length]
  // 1.63: the 1 % point of the Kolmogorov distribution.
  const distance = 1.63 * Math.sqrt((n + m) / (n * m))
  return { p: ksTwoSample(idle.moments, busy.moments), detectableMs: distance * grid.slotMs }
}
