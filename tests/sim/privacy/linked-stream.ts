import { softmax } from './rehearsal.ts'

/** Posterior of the true sender at which it counts as named. */
export const NAMED_ABOVE = 0.9

/** What the adversary learnt about one victim from its linked stream. */
export interface StreamVerdict {
  /** Linked boxes until the true sender's posterior exceeded NAMED_ABOVE; undefined within `boxes`. */
  readonly namedAfter: number | undefined
  /** Another node's posterior exceeds it at the end. */
  readonly isWrong: boolean
  readonly boxes: number
}

/** Adds up the evidence about one victim, box by box. All boxes are known to be one sender's. */
export class LinkedStream {
  readonly #truth: number
  readonly #logs: Float64Array
  #boxes = 0
  #namedAfter: number | undefined

  /** `truth`: index of the sender among `candidates` equally likely ones. */
  constructor(truth: number, candidates: number) {
    this.#truth = truth
    this.#logs = new Float64Array(candidates)
  }

  get boxes(): number {
    return this.#boxes
  }

  get isNamed(): boolean {
    return this.#namedAfter !== undefined
  }

  /** The log-probabilities of all copies of one box. */
  addBox(copies: readonly Float64Array[]): void {
    for (const logs of copies) {
      for (let i = 0; i < logs.length; i++) {
        this.#logs[i] = (this.#logs[i] as number) + (logs[i] as number)
      }
    }
    this.#boxes++
    if (this.#namedAfter === undefined && (this.#posterior()[this.#truth] ?? 0) > NAMED_ABOVE) {
      this.#namedAfter = this.#boxes
    }
  }

  verdict(): StreamVerdict {
    const now = this.#posterior()
    const isWrong = now.some((p, i) => i !== this.#truth && p > NAMED_ABOVE)
    return { namedAfter: this.#namedAfter, isWrong, boxes: this.#boxes }
  }

  #posterior(): Float64Array {
    return softmax(Float64Array.from(this.#logs))
  }
}

/** A value, or that it lies beyond what was simulated: then `value` is where the simulation ended. */
export interface Bound {
  readonly value: number
  readonly censored: boolean
}

/** The value that `share` of the victims do not exceed, within `horizon`. `0 < share < 1`; not for an empty list. */
export function namedAfterQuantile(
  verdicts: readonly StreamVerdict[],
  share: number,
  horizon: number,
): Bound {
  const sorted = verdicts
    .map(({ namedAfter }) => namedAfter ?? Number.POSITIVE_INFINITY)
    .toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number
  return value <= horizon ? { value, censored: false } : { value: horizon, censored: true }
}

/** Sums over publications of single-publication posteriors. */
export class Calibration {
  #count = 0
  #truth = 0
  #squares = 0
  #bits = 0
  #maxBits = 0
  readonly #entropies: number[] = []

  /** `posterior` of one publication and the index of its true origin. */
  add(truth: number, probabilities: Float64Array): void {
    let entropy = 0
    let squares = 0
    for (const p of probabilities) {
      squares += p * p
      if (p > 0) entropy -= p * Math.log2(p)
    }
    const p = probabilities[truth] as number
    this.#count++
    this.#truth += p
    this.#squares += squares
    this.#bits += Math.log2(Math.max(p, 1e-300) * probabilities.length)
    this.#maxBits += Math.log2(probabilities.length)
    this.#entropies.push(entropy)
  }

  get publications(): number {
    return this.#count
  }

  /** Mean probability given to the true origin; equals `meanSquares` for a calibrated adversary. */
  get meanTruth(): number {
    return this.#truth / this.#count
  }

  get meanSquares(): number {
    return this.#squares / this.#count
  }

  /** Entropy of somebody who knows nothing: candidates differ from network to network. */
  get maxBits(): number {
    return this.#maxBits / this.#count
  }

  /** Mean of log2(p(truth) · candidates): what a publication really tells. */
  get meanBits(): number {
    return this.#bits / this.#count
  }

  get entropies(): readonly number[] {
    return this.#entropies
  }
}
