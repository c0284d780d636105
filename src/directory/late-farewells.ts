import { HearsayError, isHearsayError, type Logger, type NodeId, toHex } from '../base/index.ts'
import type { PubSub } from '../net/index.ts'
import { DIRECTORY_TOPIC, MAX_VOUCHED_FAREWELLS } from './constants.ts'
import { readHeartbeat } from './heartbeat.ts'
import type { Liveness } from './liveness.ts'
import { encodeMessage, MESSAGE_TYPES } from './messages.ts'

export interface LateFarewellsPorts {
  readonly log: Logger
  readonly pubsub: Pick<PubSub, 'publish'>
  readonly liveness: Pick<Liveness, 'hear'>
  /** Peers that must hand on a farewell before it is judged, 1 or more. */
  readonly vouchersNeeded: () => number
}

/**
 * The farewells that peers kept, for a node that has just come. One counts when several peers handed it on: one alone
 * could hand on that of a node which is here again, or one that was kept back, and this node would be the only one that
 * leaves this mix out.
 */
export class LateFarewells {
  readonly #ports: LateFarewellsPorts
  /** Who handed it on, by the farewell, the one that was named first before the others. */
  readonly #vouchers = new Map<string, Set<string>>()

  constructor(ports: LateFarewellsPorts) {
    this.#ports = ports
  }

  /**
   * Counts a farewell that `from` kept, and takes it when enough did. What is taken is gossiped, as if it had come that
   * way. @throws HearsayError of the class `peer` for what no honest node keeps.
   */
  async hear(bytes: Uint8Array, from: NodeId): Promise<void> {
    // Of a node that is away a heartbeat could say to this node alone that it is here.
    if (!readHeartbeat(bytes).isLeaving) throw new HearsayError('bad-value', 'not a farewell')
    if (this.#vouch(bytes, from) < this.#ports.vouchersNeeded()) return
    const verdict = this.#ports.liveness.hear(bytes)
    if (verdict === 'reject') throw new HearsayError('bad-value', 'not a farewell')
    if (verdict === 'accept') await this.#pass(bytes)
  }

  /** Peers that have handed it on. */
  #vouch(bytes: Uint8Array, from: NodeId): number {
    const key = toHex(bytes)
    const peers = this.#vouchers.get(key) ?? new Set<string>()
    this.#vouchers.set(key, peers.add(toHex(from)))
    for (const oldest of this.#vouchers.keys()) {
      if (this.#vouchers.size <= MAX_VOUCHED_FAREWELLS) break
      this.#vouchers.delete(oldest)
    }
    return peers.size
  }

  async #pass(bytes: Uint8Array): Promise<void> {
    const { log, pubsub } = this.#ports
    try {
      await pubsub.publish(DIRECTORY_TOPIC, encodeMessage(MESSAGE_TYPES.heartbeat, bytes))
    } catch (error) {
      if (!isHearsayError(error)) throw error
      log.debug('farewell not passed on', { code: error.code })
    }
  }
}
