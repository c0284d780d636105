import { equalBytes, type Logger, type NetworkId } from '../base/index.ts'
import type { PubSub, Verdict } from '../net/index.ts'
import type { EpochLedgers } from './epoch-ledger.ts'
import type { Couriers } from './ports.ts'
import { decodeProof, encodeProof, type MisbehaviourProof, proofId, verifyProof } from './proof.ts'
import type { TimeWindow } from './window.ts'

export interface ExclusionPorts {
  pubsub: PubSub
  log: Logger
  window: TimeWindow
  ledgers: EpochLedgers
  couriers: Couriers
  /** Called once per courier and epoch. */
  onMisbehaviour(proof: MisbehaviourProof): void
}

/** Excludes couriers that signed two boxes under one counter, and passes the proof on. */
export class Exclusion {
  readonly #ports: ExclusionPorts
  readonly #networkId: NetworkId
  readonly #topic: string

  constructor(ports: ExclusionPorts, options: { networkId: NetworkId; topic: string }) {
    this.#ports = ports
    this.#networkId = options.networkId
    this.#topic = options.topic
  }

  start(): void {
    this.#ports.pubsub.subscribe(this.#topic, {
      messageId: proofId,
      validate: (bytes) => this.validate(bytes),
      handle: (bytes) => this.#exclude(decodeProof(bytes)),
    })
  }

  /** Of a proof that this node found itself. Resolves when it was handed to the neighbours. */
  async report(proof: MisbehaviourProof): Promise<void> {
    if (this.#exclude(proof)) await this.#ports.pubsub.publish(this.#topic, encodeProof(proof))
  }

  validate(bytes: Uint8Array): Verdict {
    let proof: MisbehaviourProof
    try {
      proof = decodeProof(bytes)
    } catch {
      return 'reject'
    }
    if (!equalBytes(proof.networkId, this.#networkId)) return 'reject'
    if (this.#ports.window.ofEpoch(proof.epoch) !== 'in') return 'ignore'
    if (this.#ports.ledgers.of(proof.epoch).isExcluded(proof.courier)) return 'ignore'
    // Anyone can make keys and convict them: only couriers that we would listen to are worth a place.
    if (this.#ports.couriers.isCourier(proof.courier, proof.epoch) !== 'yes') return 'ignore'
    return verifyProof(proof) ? 'accept' : 'reject'
  }

  #exclude(proof: MisbehaviourProof): boolean {
    if (!this.#ports.ledgers.of(proof.epoch).exclude(proof.courier)) return false
    this.#ports.log.warn('a courier signed two boxes under one counter and is excluded')
    this.#ports.onMisbehaviour(proof)
    return true
  }
}
