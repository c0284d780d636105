import type { Address, BoxBytes, Clock, Failpoints, Logger, NetworkId, Rng } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import type { JobRunner } from './jobs.ts'

/** The local box store, as far as conversations see it. */
export interface LocalBoxes {
  /**
   * Boxes under these addresses that are here now; two under one address in conflict. None that only one peer is known to
   * have: it may have been made for this node, to see whether it answers.
   */
  find(addresses: readonly Address[]): Promise<readonly BoxBytes[]>
}

export interface ConversationPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly store: Store
  readonly jobs: JobRunner
  readonly boxes: LocalBoxes
  /** Whether gossip has peers: a box is bound only when it can leave. */
  readonly linked: () => boolean
  readonly failpoints?: Failpoints
}

export interface ConversationOptions {
  readonly networkId: NetworkId
  readonly ttlDays: number
  readonly windowSize: number
  readonly ackSettleMs: number
  readonly ackJitterMs: number
  /** Usual time until an ack is back, milliseconds. Grows with the network: read it when it is needed. */
  readonly ackRoundTripMs: number
}
