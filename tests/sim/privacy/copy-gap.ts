import { type NetworkParameters, publishEvery } from '../../../src/directory/index.ts'
import { cycleOf, drawPublishSlot } from '../../../src/mix/schedule.ts'
import { FastRng } from './fast-rng.ts'
import { simulateLatencies } from './latency.ts'

/** `next-cycle`: the second copy leaves in the next cycle. `queued`: behind the boxes that wait by then. */
export type CopyRule = 'next-cycle' | 'queued'

export interface CopyGapOptions {
  readonly seed: string
  readonly rule: CopyRule
  readonly parameters: NetworkParameters
  readonly nodes: number
  readonly linkMs: readonly [number, number]
  /** Boxes per cycle that the user's other conversations queue, when idle and when busy. */
  readonly idle: number
  readonly busy: number
  /** Gaps that the contact learns from, and streams that it then judges. */
  readonly learnt: number
  readonly streams: number
  /** Linked boxes per stream at most. */
  readonly horizon: number
}

export interface CopyGapResult {
  readonly options: CopyGapOptions
  /** Linked boxes until the contact is right with a posterior above 0.9; the horizon when it never is. */
  readonly boxesMedian: number
  readonly censored: boolean
}

const BINS_PER_CYCLE = 6

/**
 * What the time between the two copies of a box tells a contact about the user's *other* conversations: busy or
 * idle. It hears both publications and knows how gaps are distributed in either case.
 */
export function tryCopyGaps(options: CopyGapOptions): CopyGapResult {
  const rng = new FastRng(`${options.seed}/gaps/${options.rule}`)
  const draw = gapSource(rng, options)
  const idle = histogram(options.learnt, () => draw(options.idle))
  const busy = histogram(options.learnt, () => draw(options.busy))
  const boxes: number[] = []
  for (let stream = 0; stream < options.streams; stream++) {
    const load = stream % 2 === 0 ? options.busy : options.idle
    let odds = 0
    let count = 0
    // In favour of the truth: an answer of 0.9 either way ends the stream, a wrong one does not.
    const sign = stream % 2 === 0 ? 1 : -1
    while (count < options.horizon && sign * odds < Math.log(9)) {
      const gap = draw(load)
      odds += Math.log((busy(gap) as number) / (idle(gap) as number))
      count++
    }
    boxes.push(sign * odds < Math.log(9) ? Number.POSITIVE_INFINITY : count)
  }
  const median = boxes.toSorted((a, b) => a - b)[boxes.length >> 1] as number
  const censored = median > options.horizon
  return { options, boxesMedian: censored ? options.horizon : median, censored }
}

/** Gaps between two publications, in bins. */
function gapSource(
  rng: FastRng,
  { rule, parameters, nodes, linkMs }: CopyGapOptions,
): (load: number) => number {
  const every = publishEvery(nodes, parameters)
  const { slotMs, layerEpochMs } = parameters
  const grid = { originMs: 0, slotMs, epochMs: layerEpochMs }
  const { route } = simulateLatencies(rng, { parameters, nodes, linkMs, samples: 20_000 })
  const latency = () => route[Math.floor(rng.float() * route.length)] as number
  const moment = (cycle: number) => {
    const { first, end } = cycleOf(grid, cycle * every, every)
    return (drawPublishSlot(rng, { first, end }, first) + rng.float()) * slotMs
  }
  return (load) => {
    const waiting = rule === 'queued' ? queueLength(rng, load) : 0
    const gap = moment(1 + waiting) + latency() - moment(0) - latency()
    return Math.round((gap / (every * slotMs)) * BINS_PER_CYCLE)
  }
}

/** Boxes that wait when one box leaves per cycle and others come as a Poisson process of `load` per cycle. */
function queueLength(rng: FastRng, load: number): number {
  let waiting = 0
  for (let cycle = 0; cycle < 60; cycle++) {
    waiting = Math.max(0, waiting - 1)
    for (
      let left = load - -Math.log(1 - rng.float());
      left > 0;
      left += Math.log(1 - rng.float())
    ) {
      waiting++
    }
  }
  return waiting
}

function histogram(samples: number, draw: () => number): (gap: number) => number {
  const counts = new Map<number, number>()
  for (let n = 0; n < samples; n++) {
    const gap = draw()
    counts.set(gap, (counts.get(gap) ?? 0) + 1)
  }
  return (gap) => ((counts.get(gap) ?? 0) + 0.5) / (samples + 0.5 * (counts.size + 1))
}
