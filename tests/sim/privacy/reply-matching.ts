import type { TimingKernel } from './timing-kernel.ts'

const ROUNDS_MAX = 100
const CONVERGED = 1e-5
/** Weight of explanations outside the model, so that no delay that was never sampled is impossible. */
const OUTLIER = 1e-7

/** What the times of one node's requests and deliveries say about each of them. */
export interface Matching {
  /**
   * Per request, the scaling of its row: times the scaling of a delivery and the density of a latency it is a
   * probability. Where one request per cycle is not answered, the ratio of the probabilities, with and without the
   * deliveries, that it is this one.
   */
  readonly requests: Float64Array
  /** Per delivery, the scaling of its column. */
  readonly deliveries: Float64Array
}

export interface MatchingOptions {
  readonly roundTrip: TimingKernel
  /** Nothing was seen after it, milliseconds. */
  readonly end: number
  /** Exactly one request of every cycle of this length is not answered, milliseconds; undefined: all are. */
  readonly silentCycleMs: number | undefined
}

/**
 * Which of a node's requests got which of its deliveries, by timing alone, when every request gets exactly one
 * reply: the matrix of latency densities is scaled until its rows and columns sum to 1 (Sinkhorn), which
 * approximates the marginals of a random matching. A request that is not answered takes its cycle's one place for
 * that. Times ascend, milliseconds.
 *
 * The likelihood ratio of "the reply to request i came with density g, not the usual one" is then
 * `a_i · sum over j of g(j) · b_j`.
 */
export function matchReplies(
  sent: readonly number[],
  delivered: readonly number[],
  options: MatchingOptions,
): Matching {
  const { roundTrip, end } = options
  const requests = new Float64Array(sent.length).fill(1)
  const deliveries = new Float64Array(delivered.length)
  const later = Float64Array.from(sent, (at) => roundTrip.after(end - at) + OUTLIER)
  const cycles = new SilentPlaces(sent, options)
  const band = new Band(sent, delivered, roundTrip)
  const sums = new Float64Array(sent.length)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    sums.set(later)
    band.scaleColumns(requests, deliveries, sums)
    cycles.scaleColumns(requests, sums)
    let change = 0
    for (let i = 0; i < sent.length; i++) {
      const scale = 1 / (sums[i] as number)
      change = Math.max(change, Math.abs(scale - (requests[i] as number)) / scale)
      requests[i] = scale
    }
    if (change < CONVERGED) break
  }
  return { requests: cycles.ratios(requests), deliveries }
}

/** The matrix of densities: for every delivery, the requests before it that are not too old. */
class Band {
  readonly #first: Int32Array
  readonly #offset: Int32Array
  readonly #values: Float64Array

  constructor(sent: readonly number[], delivered: readonly number[], roundTrip: TimingKernel) {
    this.#first = new Int32Array(delivered.length)
    this.#offset = new Int32Array(delivered.length + 1)
    const values: number[] = []
    let low = 0
    for (const [j, at] of delivered.entries()) {
      while (low < sent.length && (sent[low] as number) < at - roundTrip.longest) low++
      this.#first[j] = low
      for (let i = low; i < sent.length && (sent[i] as number) < at; i++) {
        values.push(roundTrip.at(at - (sent[i] as number)))
      }
      this.#offset[j + 1] = values.length
    }
    this.#values = Float64Array.from(values)
  }

  /** Makes every column sum to 1, and adds the rows' new sums. */
  scaleColumns(rows: Float64Array, columns: Float64Array, sums: Float64Array): void {
    for (let j = 0; j < columns.length; j++) {
      const [from, to] = [this.#offset[j] as number, this.#offset[j + 1] as number]
      const shift = (this.#first[j] as number) - from
      let sum = OUTLIER
      for (let k = from; k < to; k++) {
        sum += (this.#values[k] as number) * (rows[k + shift] as number)
      }
      const scale = 1 / sum
      columns[j] = scale
      for (let k = from; k < to; k++) {
        sums[k + shift] = (sums[k + shift] as number) + (this.#values[k] as number) * scale
      }
    }
  }
}

/** One place per cycle for the request that is not answered. */
class SilentPlaces {
  /** Cycle of each request; empty where all are answered. */
  readonly #cycleOf: readonly number[]
  readonly #scales: Float64Array
  readonly #sizes: Float64Array

  constructor(sent: readonly number[], { silentCycleMs, end }: MatchingOptions) {
    const first = Math.ceil((sent[0] ?? 0) / (silentCycleMs ?? 1))
    const numberOf = (at: number) => Math.floor(at / (silentCycleMs ?? 1)) - first
    this.#cycleOf = silentCycleMs === undefined ? [] : sent.map(numberOf)
    const cycles = silentCycleMs === undefined ? 0 : Math.max(0, numberOf(end) + 1)
    this.#scales = new Float64Array(cycles)
    this.#sizes = new Float64Array(cycles)
    for (const cycle of this.#cycleOf) {
      // Of a cycle that began before the first request nothing is known: its requests count as answered.
      if (cycle >= 0) this.#sizes[cycle] = (this.#sizes[cycle] as number) + 1
    }
  }

  scaleColumns(rows: Float64Array, sums: Float64Array): void {
    this.#scales.fill(0)
    for (const [i, cycle] of this.#cycleOf.entries()) {
      if (cycle >= 0) this.#scales[cycle] = (this.#scales[cycle] as number) + (rows[i] as number)
    }
    for (const [i, cycle] of this.#cycleOf.entries()) {
      if (cycle >= 0) sums[i] = (sums[i] as number) + 1 / (this.#scales[cycle] as number)
    }
  }

  ratios(rows: Float64Array): Float64Array {
    if (this.#scales.length === 0) return rows
    return rows.map((row, i) => {
      const cycle = this.#cycleOf[i] as number
      if (cycle < 0) return 1
      return ((this.#sizes[cycle] as number) * row) / (this.#scales[cycle] as number)
    })
  }
}
