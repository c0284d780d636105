import type { TimingKernel } from './timing-kernel.ts'

const ROUNDS_MAX = 60
const CONVERGED = 1e-4
/** Weight of explanations outside the model, so that no latency that was never sampled is impossible. */
const OUTLIER = 1e-7

export interface MatchingOptions {
  readonly roundTrip: TimingKernel
  /** Nothing was seen after it, milliseconds. */
  readonly end: number
  /** Exactly one request of every cycle of this length is not answered, milliseconds; undefined: all are. */
  readonly silentCycleMs: number | undefined
}

/**
 * Which of a node's requests got which of its deliveries, by timing alone, when every request gets exactly one
 * reply: the marginals of a random matching, weighed by the density of each latency, by belief propagation
 * (Huang and Jebara 2009). A request that is not answered takes its cycle's one place for that.
 *
 * The ratio of the likelihoods with and without "the reply to request i came with density g, not the usual one" is
 * the sum over j of g(j) · P(i, j) / density(i, j), and P / density is `request(i) · delivery(j, i)`.
 */
export class ReplyMatching {
  readonly #columns: Columns
  readonly #messages: Float64Array
  readonly #rowSums: Float64Array
  readonly #columnSums: Float64Array
  readonly #cycleOf: Int32Array
  readonly #deliveries: number

  /** Times ascend, milliseconds. */
  constructor(sent: readonly number[], delivered: readonly number[], options: MatchingOptions) {
    const cycles = cyclesOf(sent, options)
    this.#cycleOf = cycles.of
    this.#deliveries = delivered.length
    this.#columns = new Columns(sent, delivered, options.roundTrip, cycles.members)
    const { values, rows, offset } = this.#columns
    const later = Float64Array.from(sent, (at) => options.roundTrip.after(options.end - at))
    this.#messages = values.map((value, k) => value / ((rows[k] ?? 0) + 1))
    this.#rowSums = new Float64Array(sent.length)
    this.#columnSums = new Float64Array(offset.length - 1)
    const parts = new Float64Array(values.length)
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.#sumUp(later, parts)
      let change = 0
      for (let k = 0; k < values.length; k++) {
        const others = (this.#rowSums[rows[k] as number] as number) - (parts[k] as number)
        const old = this.#messages[k] as number
        const next = (values[k] as number) / (others + OUTLIER)
        if (next > OUTLIER) change = Math.max(change, Math.abs(next - old) / next)
        this.#messages[k] = next
      }
      if (change < CONVERGED) break
    }
    this.#sumUp(later, parts)
  }

  /** Factor of request `i`. */
  request(i: number): number {
    return 1 / (this.#rowSums[i] as number)
  }

  /** Factor of delivery `j` for a request that does not compete for it by its usual latency. */
  delivery(j: number): number {
    return 1 / (this.#columnSums[j] as number)
  }

  /** Calls `visit` for every request from `from` to before `to` that competes for `j`, with the factor of `j` for it. */
  competitors(
    j: number,
    from: number,
    to: number,
    visit: (i: number, factor: number) => void,
  ): void {
    const { rows, offset } = this.#columns
    const sum = this.#columnSums[j] as number
    for (let k = offset[j] as number; k < (offset[j + 1] as number); k++) {
      const i = rows[k] as number
      if (i >= from && i < to) visit(i, 1 / (sum - (this.#messages[k] as number) + OUTLIER))
    }
  }

  /** How much likelier request `i` is the one without an answer than before the deliveries were seen. */
  silence(i: number): number {
    const cycle = this.#cycleOf[i] as number
    if (cycle < 0) return 1
    const { rows, offset } = this.#columns
    const column = this.#deliveries + cycle
    const [from, to] = [offset[column] as number, offset[column + 1] as number]
    for (let k = from; k < to; k++) {
      if (rows[k] !== i) continue
      const others = (this.#columnSums[column] as number) - (this.#messages[k] as number) + OUTLIER
      return ((to - from) * this.request(i)) / others
    }
    return 1
  }

  /** Column sums of the messages, and row sums of what the columns answer. */
  #sumUp(later: Float64Array, parts: Float64Array): void {
    const { values, rows, offset } = this.#columns
    const sums = this.#rowSums
    for (let i = 0; i < sums.length; i++) sums[i] = (later[i] as number) + OUTLIER
    for (let j = 0; j < this.#columnSums.length; j++) {
      const [from, to] = [offset[j] as number, offset[j + 1] as number]
      let sum = OUTLIER
      for (let k = from; k < to; k++) sum += this.#messages[k] as number
      this.#columnSums[j] = sum
      for (let k = from; k < to; k++) {
        const part = (values[k] as number) / (sum - (this.#messages[k] as number) + OUTLIER)
        parts[k] = part
        const i = rows[k] as number
        sums[i] = (sums[i] as number) + part
      }
    }
  }
}

/**
 * The sparse matrix of densities by columns: for every delivery the requests before it that are not too old, then
 * for every cycle its requests.
 */
class Columns {
  readonly values: Float64Array
  readonly rows: Int32Array
  /** Column `j` is entries `offset[j]` to before `offset[j + 1]`. */
  readonly offset: Int32Array

  constructor(
    sent: readonly number[],
    delivered: readonly number[],
    roundTrip: TimingKernel,
    cycles: readonly (readonly number[])[],
  ) {
    this.offset = new Int32Array(delivered.length + cycles.length + 1)
    const values: number[] = []
    const rows: number[] = []
    let low = 0
    for (const [j, at] of delivered.entries()) {
      while (low < sent.length && (sent[low] as number) < at - roundTrip.longest) low++
      for (let i = low; i < sent.length && (sent[i] as number) < at; i++) {
        const density = roundTrip.at(at - (sent[i] as number))
        if (density === 0) continue
        values.push(density)
        rows.push(i)
      }
      this.offset[j + 1] = values.length
    }
    for (const [cycle, members] of cycles.entries()) {
      for (const i of members) {
        values.push(1)
        rows.push(i)
      }
      this.offset[delivered.length + cycle + 1] = values.length
    }
    this.values = Float64Array.from(values)
    this.rows = Int32Array.from(rows)
  }
}

/** Requests by cycle. Of a cycle that began before the first request nothing is known: its requests have number -1. */
function cyclesOf(
  sent: readonly number[],
  { silentCycleMs }: MatchingOptions,
): { readonly of: Int32Array; readonly members: number[][] } {
  const of = new Int32Array(sent.length).fill(-1)
  const members: number[][] = []
  if (silentCycleMs === undefined) return { of, members }
  const first = Math.ceil((sent[0] ?? 0) / silentCycleMs)
  for (const [i, at] of sent.entries()) {
    const cycle = Math.floor(at / silentCycleMs) - first
    if (cycle < 0) continue
    of[i] = cycle
    const known = members[cycle]
    if (known === undefined) members[cycle] = [i]
    else known.push(i)
  }
  return { of, members }
}
