import type { TimingKernel } from './timing-kernel.ts'

const ROUNDS_MAX = 60
const CONVERGED = 1e-5
/** Weight of explanations outside the model, so that no delay that was never sampled is impossible. */
const OUTLIER = 1e-7

/** Scalings of one node's requests and deliveries. `a · kernel · b` is the probability that they belong together. */
export interface Matching {
  readonly requests: Float64Array
  readonly deliveries: Float64Array
}

export interface MatchingOptions {
  readonly roundTrip: TimingKernel
  /** Share of the requests that are never answered. */
  readonly unanswered: number
  /** Nothing was seen after it, milliseconds. */
  readonly end: number
}

/**
 * Which of a node's requests got which of its deliveries, by timing alone, when every request gets at most one
 * reply and every delivery answers one request: the kernel matrix is scaled until its rows and columns sum to 1
 * (Sinkhorn), an approximation of the marginals of a random matching. Times in ascending order, milliseconds.
 *
 * The ratio of the likelihoods with and without "the reply to request i has density g instead of the kernel" is then
 * `a_i · sum over j of g(j) · b_j`, and of "request i is not answered" `a_i`.
 */
export function matchReplies(
  sent: readonly number[],
  delivered: readonly number[],
  { roundTrip, unanswered, end }: MatchingOptions,
): Matching {
  const requests = new Float64Array(sent.length).fill(1)
  const deliveries = new Float64Array(delivered.length)
  const missing = Float64Array.from(
    sent,
    (at) => unanswered + (1 - unanswered) * roundTrip.after(end - at) + OUTLIER,
  )
  // The band of the matrix: per delivery the requests that may explain it.
  const first = new Int32Array(delivered.length + 1)
  const offset = new Int32Array(delivered.length + 1)
  const values: number[] = []
  let low = 0
  for (const [j, at] of delivered.entries()) {
    while (low < sent.length && (sent[low] as number) < at - roundTrip.longest) low++
    first[j] = low
    for (let i = low; i < sent.length && (sent[i] as number) < at; i++) {
      values.push((1 - unanswered) * roundTrip.at(at - (sent[i] as number)))
    }
    offset[j + 1] = values.length
  }
  const sums = new Float64Array(sent.length)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    sums.set(missing)
    for (let j = 0; j < delivered.length; j++) {
      const [from, to, row] = [offset[j] as number, offset[j + 1] as number, first[j] as number]
      let sum = OUTLIER
      for (let k = from; k < to; k++) {
        sum += (values[k] as number) * (requests[row + k - from] as number)
      }
      const scale = 1 / sum
      deliveries[j] = scale
      for (let k = from; k < to; k++) {
        const i = row + k - from
        sums[i] = (sums[i] as number) + (values[k] as number) * scale
      }
    }
    let change = 0
    for (let i = 0; i < sent.length; i++) {
      const scale = 1 / (sums[i] as number)
      change = Math.max(change, Math.abs(scale - (requests[i] as number)) / scale)
      requests[i] = scale
    }
    if (change < CONVERGED) break
  }
  return { requests, deliveries }
}
