import type { RequestKind } from '../../../src/mix/ports.ts'
import type { Observation } from './observation.ts'
import type { Observer } from './observer.ts'
import { VectorPool } from './vector-pool.ts'

/** A packet inside a mix. */
interface Held {
  /** Belief over (hops done, origin). */
  readonly vector: number
  /** Probability that it only has its last hop behind it: it will leave for good. */
  readonly isDone: number
  /** Probability that it has not left. */
  inside: number
}

/**
 * The adversary where routes are free and nothing is answered: for every packet the probability of each
 * (hops done, origin). A frame that leaves for another mix is one of those that may still travel, one that leaves for
 * good one of those at their last hop. Whether a packet is still inside is kept as a probability of its own (mean
 * field: what is known of two packets together is not).
 */
export class FreeTracker implements Observer {
  readonly #onObservation: (observation: Observation) => void
  readonly #nodes: number
  readonly #hops: number
  readonly #vectors: VectorPool
  readonly #vectorOf: number[] = []
  readonly #inside: Held[][]
  readonly #counts: Int32Array

  constructor(
    ports: { onObservation: (observation: Observation) => void },
    options: { nodes: number; hops: number },
  ) {
    this.#onObservation = ports.onObservation
    this.#nodes = options.nodes
    this.#hops = options.hops
    this.#vectors = new VectorPool(options.nodes * options.hops)
    this.#inside = Array.from({ length: options.nodes }, () => [])
    this.#counts = new Int32Array(options.nodes)
  }

  emitted(frame: number, origin: number): void {
    const vector = this.#vectors.allocate()
    const begin = vector * this.#vectors.length
    this.#vectors.data.fill(0, begin, begin + this.#vectors.length)
    this.#vectors.data[begin + origin] = 1
    this.#vectorOf[frame] = vector
  }

  arrived(frame: number, mix: number): void {
    const vector = this.#vectorOf[frame] as number
    const end = (vector + 1) * this.#vectors.length
    let isDone = 0
    for (let i = end - this.#nodes; i < end; i++) isDone += this.#vectors.data[i] as number
    this.#inside[mix]?.push({ vector, isDone, inside: 1 })
    this.#counts[mix] = (this.#counts[mix] as number) + 1
  }

  departed(frame: number, mix: number): void {
    const travelling = this.#nodes * (this.#hops - 1)
    const taken = this.#draw(mix, ({ isDone }) => 1 - isDone, 0, travelling)
    const vector = this.#vectors.allocate()
    const begin = vector * this.#vectors.length
    this.#vectors.data.fill(0, begin, begin + this.#nodes)
    // One hop more is behind it.
    this.#vectors.data.set(taken, begin + this.#nodes)
    this.#vectorOf[frame] = vector
  }

  arrivedAtCourier(frame: number, courier: number): void {
    this.arrived(frame, courier)
  }

  arrivedAtLast(): void {}

  acted(
    _frame: number,
    courier: number,
    _at: number,
    _kind: RequestKind,
    publication: number,
  ): void {
    const done = this.#nodes * (this.#hops - 1)
    const path = this.#draw(courier, ({ isDone }) => isDone, done, done + this.#nodes)
    if (publication >= 0) this.#onObservation({ publication, path, reply: undefined })
  }

  replied(): void {}

  delivered(): void {}

  finish(): void {}

  /** A packet leaves as a kind of `weight`: its distribution over the components [from, to). */
  #draw(mix: number, weight: (held: Held) => number, from: number, to: number): Float64Array {
    const taken = new Float64Array(to - from)
    const held = this.#inside[mix] as Held[]
    let total = 0
    for (const one of held) total += one.inside * weight(one)
    let mass = 0
    for (const one of held) {
      const begin = one.vector * this.#vectors.length + from
      for (let i = 0; i < taken.length; i++) {
        const part = one.inside * (this.#vectors.data[begin + i] as number)
        taken[i] = (taken[i] as number) + part
        mass += part
      }
      if (total > 0) one.inside = Math.max(0, one.inside - (one.inside * weight(one)) / total)
    }
    for (let i = 0; i < taken.length; i++) {
      taken[i] = mass > 0 ? (taken[i] as number) / mass : 1 / taken.length
    }
    this.#counts[mix] = (this.#counts[mix] as number) - 1
    const isEmpty = this.#counts[mix] === 0
    this.#inside[mix] = held.filter((one) => {
      if (one.inside > 1e-7 && !isEmpty) return true
      this.#vectors.release(one.vector)
      return false
    })
    return taken
  }
}
