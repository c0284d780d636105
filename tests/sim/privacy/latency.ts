import type { Rng } from '../../../src/base/index.ts'
import { uniform } from '../../../src/base/index.ts'
import { type NetworkParameters, publishEvery } from '../../../src/directory/index.ts'
import { REPLY_FLOOR_MS } from '../../../src/mix/constants.ts'
import { drawDelay } from '../../../src/mix/delay.ts'
import { cycleOf, drawPublishSlot } from '../../../src/mix/schedule.ts'

export interface LatencyOptions {
  readonly parameters: Pick<
    NetworkParameters,
    'layers' | 'mixDelayMs' | 'slotMs' | 'boxRate' | 'copies' | 'layerEpochMs'
  >
  readonly nodes: number
  /** Shortest and longest latency of a link, milliseconds. */
  readonly linkMs: readonly [number, number]
  readonly samples: number
  /** Mean of the exponential part of the time between an act and its reply; `mixDelayMs` in the product. */
  readonly replyDelayMs?: number
}

/** One value per sample, milliseconds. The same index is the same packet. */
export interface Latencies {
  /** From the moment a packet leaves its sender to the courier's publication. */
  readonly route: Float64Array
  /** From that moment until the reply is back. */
  readonly roundTrip: Float64Array
  /** From the publication until the reply is back. */
  readonly reply: Float64Array
  /** From the moment a box waits, at any time of a cycle, with nothing before it, to its first publication. */
  readonly withWait: Float64Array
}

/**
 * What latencies the protocol predicts, without loss, queues or processing: sums of the real `drawDelay` and of
 * uniform link latencies, and the wait for a slot of the real `drawPublishSlot`.
 */
export function simulateLatencies(rng: Rng, options: LatencyOptions): Latencies {
  const { parameters, nodes, linkMs, samples } = options
  const { layers, mixDelayMs } = parameters
  const { replyDelayMs = mixDelayMs } = options
  const link = () => linkMs[0] + (linkMs[1] - linkMs[0]) * uniform(rng)
  const every = publishEvery(nodes, parameters)
  const out: Latencies = {
    route: new Float64Array(samples),
    roundTrip: new Float64Array(samples),
    reply: new Float64Array(samples),
    withWait: new Float64Array(samples),
  }
  for (let i = 0; i < samples; i++) {
    let route = 0
    for (let hop = 0; hop < layers; hop++) route += link() + drawDelay(rng, mixDelayMs)
    let reply = REPLY_FLOOR_MS + drawDelay(rng, replyDelayMs)
    for (let hop = 0; hop < layers; hop++) reply += link() + drawDelay(rng, mixDelayMs)
    reply += link()
    out.route[i] = route
    out.reply[i] = reply
    out.roundTrip[i] = route + reply
    out.withWait[i] = route + publishWait(rng, parameters, every)
  }
  return out
}

/** From a random moment of a cycle to the next publication, which may be in the next cycle. */
function publishWait(
  rng: Rng,
  { slotMs, layerEpochMs }: LatencyOptions['parameters'],
  every: number,
): number {
  const grid = { originMs: 0, slotMs, epochMs: layerEpochMs }
  const moment = (slot: number) => {
    const cycle = cycleOf(grid, slot, every)
    const at = (drawPublishSlot(rng, cycle, cycle.first) + uniform(rng)) * slotMs
    return { at, next: cycle.end }
  }
  const now = uniform(rng) * every * slotMs
  const first = moment(0)
  return (first.at >= now ? first.at : moment(first.next).at) - now
}

/** The value below which `share` of the sample lies. `0 ≤ share ≤ 1`; not for an empty sample. */
export function quantile(sample: Float64Array | readonly number[], share: number): number {
  const sorted = Float64Array.from(sample).sort()
  const at = share * (sorted.length - 1)
  const low = sorted[Math.floor(at)] as number
  return low + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] as number) - low)
}
