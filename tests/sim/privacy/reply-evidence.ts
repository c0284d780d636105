import { ReplyMatching } from './reply-matching.ts'
import type { TimingKernel } from './timing-kernel.ts'

export interface ReplyEvidenceOptions {
  readonly nodes: number
  /** Nodes that the observer does not know to be innocent. */
  readonly candidates: number
  readonly slotMs: number
  /** From an origination to the act of the courier. */
  readonly route: TimingKernel
  /** From an origination to the delivery of the reply. */
  readonly roundTrip: TimingKernel
  /** Exactly one request of every cycle of this length is not answered, milliseconds; undefined: all are. */
  readonly silentCycleMs: number | undefined
}

/** A publication and what the tracker found of its reply. */
export interface ReplyTrace {
  readonly at: number
  /** Belief that delivery `firstDelivery + n` is its reply; all 0 where publications are not answered. */
  readonly masses: Float64Array
  readonly firstDelivery: number
}

/** Ratios come from approximations and never exclude a node for certain. */
const LEAST_RATIO = 1e-4

/**
 * What replies, and their absence, say about who published. Every request of a node gets exactly one reply. So if
 * node u's request i made the publication, the reply to i is one of the deliveries where the tracker believes the
 * publication's reply to be, and the deliveries at the usual times of i's reply belong to other requests of u.
 */
export class ReplyEvidence {
  readonly #options: ReplyEvidenceOptions
  readonly #sent: number[][]
  readonly #mayPublish: boolean[][]
  readonly #delivered: number[][]
  /** Number among all deliveries, per node. */
  readonly #numbers: number[][]
  #matchings: ReplyMatching[] = []
  #deliveries = 0

  constructor(options: ReplyEvidenceOptions) {
    this.#options = options
    const lists = <T>() => Array.from({ length: options.nodes }, (): T[] => [])
    this.#sent = lists()
    this.#mayPublish = lists()
    this.#delivered = lists()
    this.#numbers = lists()
  }

  /** Number that the next delivery will have. */
  get nextDelivery(): number {
    return this.#deliveries
  }

  emitted(node: number, at: number, mayPublish: boolean): void {
    this.#sent[node]?.push(at)
    this.#mayPublish[node]?.push(mayPublish)
  }

  delivered(node: number, at: number): void {
    this.#delivered[node]?.push(at)
    this.#numbers[node]?.push(this.#deliveries++)
  }

  /** To be called once, when everything has been seen; `weigh` may be asked after it. */
  settle(end: number): void {
    const { roundTrip, silentCycleMs } = this.#options
    this.#matchings = this.#sent.map(
      (sent, node) =>
        new ReplyMatching(sent, this.#delivered[node] ?? [], { roundTrip, silentCycleMs, end }),
    )
  }

  /** Log-likelihood ratio of every node against "not this one". */
  weigh(trace: ReplyTrace): Float64Array {
    let total = 0
    for (const mass of trace.masses) total += mass
    // Deliveries to a node come at one per slot: a belief is a multiple of that.
    const density = total > 0 ? this.#options.candidates / (total * this.#options.slotMs) : 0
    return Float64Array.from(this.#matchings, (matching, node) =>
      Math.log(Math.max(LEAST_RATIO, this.#ratio(node, matching, trace, density))),
    )
  }

  /** Mean over the requests that can have made the publication, each weighed by how likely its age is. */
  #ratio(node: number, matching: ReplyMatching, trace: ReplyTrace, density: number): number {
    const { route } = this.#options
    const sent = this.#sent[node] as number[]
    const from = lowerBound(sent, trace.at - route.longest)
    const to = lowerBound(sent, trace.at)
    const replies = this.#replies(node, matching, trace, from, to)
    let [weight, sum] = [0, 0]
    for (let i = from; i < to; i++) {
      if (this.#mayPublish[node]?.[i] !== true) continue
      const likely = route.at(trace.at - (sent[i] as number))
      if (likely === 0) continue
      weight += likely
      sum +=
        density > 0
          ? likely * density * matching.request(i) * (replies[i - from] as number)
          : likely * matching.silence(i)
    }
    return weight > 0 ? sum / weight : 1
  }

  /** For each request of a range, the sum over deliveries of the belief that it is the reply times its factor. */
  #replies(
    node: number,
    matching: ReplyMatching,
    { masses, firstDelivery }: ReplyTrace,
    from: number,
    to: number,
  ): Float64Array {
    const numbers = this.#numbers[node] as number[]
    const sums = new Float64Array(to - from)
    for (let j = lowerBound(numbers, firstDelivery); j < numbers.length; j++) {
      const index = (numbers[j] as number) - firstDelivery
      if (index >= masses.length) break
      const mass = masses[index] as number
      if (mass === 0) continue
      const usual = matching.delivery(j)
      for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + mass * usual
      matching.competitors(j, from, to, (i, factor) => {
        sums[i - from] = (sums[i - from] as number) + mass * (factor - usual)
      })
    }
    return sums
  }
}

/** Index of the first value that is not below `value`; the list ascends. */
function lowerBound(list: readonly number[], value: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}
