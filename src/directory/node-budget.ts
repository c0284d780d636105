import { type Clock, type NodeId, toHex } from '../base/index.ts'
import { MAX_BUDGETS } from './constants.ts'

/**
 * What a node may cause: a burst, then one per refill time. Memory is bounded; the node that was quiet for
 * longest is forgotten first.
 */
export class NodeBudget {
  readonly #clock: Clock
  readonly #burst: number
  readonly #refillMs: number
  readonly #entries = new Map<string, { tokens: number; at: number }>()

  constructor(clock: Clock, options: { burst: number; refillMs: number }) {
    this.#clock = clock
    this.#burst = options.burst
    this.#refillMs = options.refillMs
  }

  /** Takes one from the node's budget; false when it is empty. Without a node: one budget for all. */
  take(nodeId?: NodeId): boolean {
    const key = nodeId === undefined ? '' : toHex(nodeId)
    const now = this.#clock.monotonic()
    const entry = this.#entries.get(key) ?? { tokens: this.#burst, at: now }
    const tokens = Math.min(this.#burst, entry.tokens + (now - entry.at) / this.#refillMs)
    this.#entries.delete(key)
    this.#entries.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now })
    if (this.#entries.size > MAX_BUDGETS) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    return tokens >= 1
  }
}
