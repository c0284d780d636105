/** What one publication of a linked stream told the observer about who made it. */
export interface Observation {
  /** Number that the traffic gave the publication. */
  readonly publication: number
  /** Probability of every node by the way of the request alone; sums to 1. */
  readonly path: Float64Array
  /** Log-likelihood ratio of every node by replies; undefined where nothing is answered. */
  readonly reply: Float64Array | undefined
}
