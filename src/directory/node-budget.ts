import { type Clock, type NodeId, toHex } from '../base/index.ts'
import { DESCRIPTOR_BURST, DESCRIPTOR_REFILL_MS, MAX_BUDGETS } from './constants.ts'

/**
 * How many descriptors of one node gossip may bring: a burst, then one per refill time. Memory is bounded; the
 * node that was quiet for longest is forgotten first.
 */
export class NodeBudget {
  readonly #clock: Clock
  readonly #entries = new Map<string, { tokens: number; at: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes one from the node's budget; false when it is empty. */
  take(nodeId: NodeId): boolean {
    const key = toHex(nodeId)
    const now = this.#clock.monotonic()
    const entry = this.#entries.get(key) ?? { tokens: DESCRIPTOR_BURST, at: now }
    const tokens = Math.min(
      DESCRIPTOR_BURST,
      entry.tokens + (now - entry.at) / DESCRIPTOR_REFILL_MS,
    )
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
