import { type Rng, uniform } from '../../../src/base/index.ts'

const ARRIVES = [0]
const LOST: readonly number[] = []

const PAIR = 256

/** What the network does to packets at the moment: everything that is in force at once. Nodes by number, below 256. */
export class Weather {
  readonly #rng: Rng
  readonly losses = new Set<number>()
  readonly doubles = new Set<number>()
  readonly delays = new Set<number>()
  /** How many faults cut off the way from one node to another. */
  readonly #cut = new Map<number, number>()
  /** Milliseconds by node. */
  readonly #slow = new Map<number, number>()

  constructor(rng: Rng) {
    this.#rng = rng
  }

  cut(from: number, to: number, by: 1 | -1): void {
    const pair = from * PAIR + to
    this.#cut.set(pair, (this.#cut.get(pair) ?? 0) + by)
  }

  slow(node: number, byMs: number): void {
    this.#slow.set(node, (this.#slow.get(node) ?? 0) + byMs)
  }

  /** As `MemoryNetworkOptions.fate`. */
  fate(from: number, to: number): readonly number[] {
    if ((this.#cut.get(from * PAIR + to) ?? 0) > 0) return LOST
    for (const share of this.losses) if (uniform(this.#rng) < share) return LOST
    const slow = (this.#slow.get(from) ?? 0) + (this.#slow.get(to) ?? 0)
    if (slow === 0 && this.doubles.size === 0 && this.delays.size === 0) return ARRIVES
    const late = (): number => {
      let ms = slow
      for (const by of this.delays) ms += uniform(this.#rng) * by
      return ms
    }
    const copies = [late()]
    for (const share of this.doubles) if (uniform(this.#rng) < share) copies.push(late() + 50)
    return copies
  }
}
