import { type Clock, HearsayError, type NodeId, toHex } from '../base/index.ts'
import { MAX_BUDGET_WAIT_MS, MAX_BUDGETED_PEERS } from './constants.ts'
import { TokenBuckets } from './token-buckets.ts'

/** What each peer may ask of this node. Who asks for more waits, and is refused when the wait would be long. */
export class PeerBudget {
  readonly #clock: Clock
  readonly #buckets: TokenBuckets

  constructor(clock: Clock, options: { burst: number; perSecond: number }) {
    this.#clock = clock
    const limits = { maxWaitMs: MAX_BUDGET_WAIT_MS, maxKeys: MAX_BUDGETED_PEERS }
    this.#buckets = new TokenBuckets({ clock }, { ...options, ...limits })
  }

  /** Resolves when the peer may have `units` more. @throws HearsayError `overloaded`. */
  async spend(peer: NodeId, units: number): Promise<void> {
    const waitMs = this.#buckets.take(toHex(peer), units)
    if (waitMs === undefined) {
      throw new HearsayError('overloaded', 'the peer has used up its budget')
    }
    if (waitMs > 0) await this.#clock.sleep(waitMs)
  }
}
