import { ksUniform } from '../../support/statistics.ts'

/** What decides how long a message takes when nothing else waits. Times in milliseconds. */
export interface LatencyModel {
  /** Between the boundaries of two publishing cycles. */
  readonly cycleMs: number
  readonly slotMs: number
  readonly layers: number
  readonly mixDelayMs: number
  /** How long before its moment a publication takes its box. */
  readonly prepareMs: number
  /** One link, with what its two ends do to a frame. */
  readonly linkMs: number
  /** From the courier to the reader. */
  readonly gossipMs: number
  /** What both ends do: writes to the disk, sealing, opening, the event. */
  readonly workMs: number
}

/** A distribution of times as probabilities of whole milliseconds. */
export class Distribution {
  readonly #shares: Float64Array

  constructor(shares: Float64Array) {
    this.#shares = shares
  }

  /** Probability of at most `ms`; linear inside a millisecond. */
  cdf(ms: number): number {
    let sum = 0
    const whole = Math.floor(ms)
    for (let i = 0; i < Math.min(whole, this.#shares.length); i++) sum += this.#shares[i]!
    return Math.min(1, sum + (ms - whole) * (this.#shares[whole] ?? 0))
  }

  /** The time that `share` of the messages do not exceed. `0 < share < 1`. */
  quantile(share: number): number {
    let sum = 0
    for (const [ms, probability] of this.#shares.entries()) {
      if (sum + probability >= share) return ms + (share - sum) / probability
      sum += probability
    }
    return this.#shares.length
  }
}

/**
 * Time from sending to reading, for a message that comes at any moment and finds no other: the wait for the next
 * publication that can still take it, one exponential delay per layer, the way through gossip, and the wait for the
 * reader's next slot, at which it opens what it heard.
 */
export function predictLatency(model: LatencyModel): Distribution {
  const { cycleMs, slotMs, layers, mixDelayMs, prepareMs, linkMs, gossipMs, workMs } = model
  let shares = waitShares(cycleMs)
  for (let layer = 0; layer < layers; layer++) shares = convolve(shares, exponential(mixDelayMs))
  shares = convolve(shares, flat(slotMs))
  return new Distribution(shifted(shares, prepareMs + layers * linkMs + gossipMs + workMs))
}

/** KS of a sample against a distribution. */
export function ksAgainst(distribution: Distribution, sample: readonly number[]): number {
  return ksUniform(sample.map((ms) => distribution.cdf(ms)))
}

export function median(sample: readonly number[]): number {
  const sorted = sample.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2
}

/** Wait from any moment to the next publication, of which there is one at a uniform moment of each cycle. */
function waitShares(cycleMs: number): Float64Array {
  const cycle = Math.round(cycleMs)
  const shares = new Float64Array(2 * cycle)
  for (let arrival = 0; arrival < cycle; arrival++) {
    // Still to come in this cycle: at each of its later milliseconds with 1/cycle.
    for (let wait = 0; wait < cycle - arrival; wait++) shares[wait]! += 1 / cycle / cycle
    // Over already: at each millisecond of the next cycle.
    const over = arrival / cycle
    for (let wait = cycle - arrival; wait < 2 * cycle - arrival; wait++) {
      shares[wait]! += over / cycle / cycle
    }
  }
  return shares
}

function exponential(meanMs: number): Float64Array {
  const shares = new Float64Array(Math.ceil(12 * meanMs))
  for (let ms = 0; ms < shares.length; ms++) {
    shares[ms] = Math.exp(-ms / meanMs) - Math.exp(-(ms + 1) / meanMs)
  }
  return shares
}

function flat(lengthMs: number): Float64Array {
  return new Float64Array(Math.round(lengthMs)).fill(1 / Math.round(lengthMs))
}

function shifted(shares: Float64Array, ms: number): Float64Array {
  const moved = new Float64Array(shares.length + Math.round(ms))
  moved.set(shares, Math.round(ms))
  return moved
}

function convolve(a: Float64Array, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length + b.length)
  for (let i = 0; i < a.length; i++) {
    const share = a[i]!
    if (share < 1e-12) continue
    for (let j = 0; j < b.length; j++) out[i + j]! += share * b[j]!
  }
  return out
}
