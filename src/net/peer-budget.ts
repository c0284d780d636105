import { type Clock, HearsayError, type NodeId, toHex } from '../base/index.ts'
import { MAX_BUDGET_WAIT_MS, MAX_BUDGETED_PEERS } from './constants.ts'

/**
 * What each peer may ask of this node: a burst, then so many units per second. Who asks for more waits, and is
 * refused when the wait would be long. Memory is bounded; the peer that was quiet for longest is forgotten first.
 */
export class PeerBudget {
  readonly #clock: Clock
  readonly #burst: number
  readonly #perSecond: number
  readonly #entries = new Map<string, { units: number; at: number }>()

  constructor(clock: Clock, options: { burst: number; perSecond: number }) {
    this.#clock = clock
    this.#burst = options.burst
    this.#perSecond = options.perSecond
  }

  /** Resolves when the peer may have `units` more. @throws HearsayError `overloaded`. */
  async spend(peer: NodeId, units: number): Promise<void> {
    const waitMs = this.#take(peer, units)
    if (waitMs > 0) await this.#clock.sleep(waitMs)
  }

  #take(peer: NodeId, units: number): number {
    const key = toHex(peer)
    const now = this.#clock.monotonic()
    const last = this.#entries.get(key) ?? { units: this.#burst, at: now }
    const refilled = last.units + ((now - last.at) * this.#perSecond) / 1_000
    const left = Math.min(this.#burst, refilled) - units
    const waitMs = left >= 0 ? 0 : (-left * 1_000) / this.#perSecond
    if (waitMs > MAX_BUDGET_WAIT_MS) {
      throw new HearsayError('overloaded', 'the peer has used up its budget')
    }
    this.#entries.delete(key)
    this.#entries.set(key, { units: left, at: now })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_BUDGETED_PEERS) break
      this.#entries.delete(oldest)
    }
    return waitMs
  }
}
