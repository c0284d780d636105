import {
  type BoxBytes,
  type Clock,
  HearsayError,
  type Logger,
  type NetworkId,
  type NodeId,
} from '../base/index.ts'
import type { PubSub, Verdict } from '../net/index.ts'
import { MAX_RECENT_BOXES } from './constants.ts'
import { CounterSource } from './counters.ts'
import { EpochLedgers } from './epoch-ledger.ts'
import { Exclusion } from './exclusion.ts'
import { IgnoredBudget } from './ignored-budget.ts'
import type {
  BoxPort,
  CounterStore,
  CourierKey,
  Couriers,
  EpochClock,
  KnownBoxes,
  PeerBlame,
} from './ports.ts'
import type { MisbehaviourProof } from './proof.ts'
import { encodeHeader, encodePublication, publicationDigest, publicationId } from './publication.ts'
import { GossipMetrics, REASONS, type Reason } from './reasons.ts'
import { RecentBoxes } from './recent-boxes.ts'
import { gossipTopics } from './topics.ts'
import { type Outcome, PublicationValidator, type ValidPublication } from './validator.ts'
import { Turns } from './turns.ts'
import { TimeWindow } from './window.ts'

export interface GossipPorts {
  pubsub: PubSub
  clock: Clock
  log: Logger
  epochs: EpochClock
  couriers: Couriers
  boxes: BoxPort
  known: KnownBoxes
  store: CounterStore
  key: CourierKey
  peers: PeerBlame
  /** The courier is excluded for the epoch; the node may tell the directory. */
  onMisbehaviour?: (proof: MisbehaviourProof) => void
}

export interface GossipOptions {
  networkId: NetworkId
  ttlDays: number
  /** Expected network-wide rate: boxRate × copies. */
  publicationsPerSecond: number
}

/** A valid publication as it is handed to the node. Its parts are views: copy what is kept. */
export interface ReceivedPublication extends ValidPublication {
  /** The whole publication, for reconciliation. */
  bytes: Uint8Array
  /** Another valid box is known under this address: its writer equivocated. */
  conflict: boolean
}

/** `from` is the neighbour it came from, or our own id for what we published as courier. */
export type PublicationHandler = (publication: ReceivedPublication, from: NodeId) => void

/**
 * Publishes boxes as a courier and hands on every valid publication once, our own included. What others
 * send is judged in order of cost; every outcome has a reason code that is counted.
 */
export class Gossip {
  readonly metrics = new GossipMetrics()
  readonly #ports: GossipPorts
  readonly #options: GossipOptions
  readonly #topic: string
  readonly #window: TimeWindow
  readonly #ledgers = new EpochLedgers()
  readonly #validator: PublicationValidator
  readonly #exclusion: Exclusion
  readonly #counters: CounterSource
  readonly #ignored: IgnoredBudget
  readonly #turns: Turns
  readonly #handlers = new Set<PublicationHandler>()
  /** Accepted by the validator and not yet handed over by the pubsub. */
  readonly #accepted = new WeakMap<Uint8Array, ReceivedPublication>()

  constructor(ports: GossipPorts, options: GossipOptions) {
    const topics = gossipTopics(options.networkId)
    const window = new TimeWindow(ports, options)
    const ledgers = this.#ledgers
    const recent = new RecentBoxes({ maxAddresses: MAX_RECENT_BOXES })
    this.#ports = ports
    this.#options = options
    this.#topic = topics.publications
    this.#window = window
    this.#validator = new PublicationValidator({ ...ports, window, ledgers, recent }, options)
    this.#exclusion = new Exclusion(
      {
        ...ports,
        log: ports.log.child('gossip'),
        window,
        ledgers,
        onMisbehaviour: (proof) => ports.onMisbehaviour?.(proof),
      },
      { networkId: options.networkId, topic: topics.proofs },
    )
    this.#counters = new CounterSource(ports)
    this.#ignored = new IgnoredBudget({ clock: ports.clock, blame: ports.peers }, options)
    this.#turns = new Turns(ports)
  }

  /** Subscribes to both topics. Call it once. */
  start(): void {
    this.#ports.pubsub.subscribe(this.#topic, {
      messageId: publicationId,
      validate: (bytes, from) => this.#validate(bytes, from),
      handle: (bytes, from) => {
        const publication = this.#accepted.get(bytes)
        if (publication !== undefined) this.#handOver(publication, from)
      },
    })
    this.#exclusion.start()
  }

  /** Returns the function that ends the subscription. Handlers must not throw. */
  onPublication(handler: PublicationHandler): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  /**
   * Publishes a box as courier under a fresh counter, and hears it as everyone else does. Resolves with the
   * number of neighbours it was sent to; 0 means it has not left this node.
   * @throws HearsayError `not-courier` when no current epoch or quota lets this node publish, `bad-value`
   * for a box that nobody would accept, or what the counter store throws.
   */
  async publish(box: BoxBytes): Promise<{ peers: number }> {
    const epoch = this.#courierEpoch()
    const counter = await this.#counters.take(epoch)
    const { networkId } = this.#options
    const courier = this.#ports.key.nodeId
    const header = encodeHeader({ networkId, epoch, courier, counter })
    const digest = publicationDigest(header, this.#ports.boxes.hash(box))
    const signature = this.#ports.key.sign(digest)
    const bytes = encodePublication({ networkId, epoch, courier, counter, box, signature })
    const outcome = await this.#judge(bytes)
    if (!PUBLISHABLE.has(outcome.reason)) {
      const code = REASONS[outcome.reason] === 'reject' ? 'bad-value' : 'not-courier'
      throw new HearsayError(code, 'box cannot be published', { reason: outcome.reason })
    }
    if ('publication' in outcome) this.#handOver(received(bytes, outcome), courier)
    const peers = await this.#ports.pubsub.publish(this.#topic, bytes)
    await this.#prepareCounters()
    return { peers }
  }

  meshPeers(): number {
    return this.#ports.pubsub.meshPeers(this.#topic)
  }

  async #validate(bytes: Uint8Array, from: NodeId): Promise<Verdict> {
    await this.#turns.take()
    const outcome = await this.#judge(bytes)
    if ('publication' in outcome) this.#accepted.set(bytes, received(bytes, outcome))
    if ('proof' in outcome) await this.#exclusion.report(outcome.proof)
    const verdict = REASONS[outcome.reason]
    if (verdict === 'ignore') this.#ignored.charge(from)
    return verdict
  }

  async #judge(bytes: Uint8Array): Promise<Outcome> {
    const [first, last] = this.#window.epochs
    this.#ledgers.trim(first, last)
    const outcome = await this.#validator.judge(bytes)
    this.metrics.count(outcome.reason)
    return outcome
  }

  /** This epoch's, or that before or behind it while honest clocks may show it: a packet crosses boundaries. */
  #courierEpoch(): number {
    const { nodeId } = this.#ports.key
    const [first, last] = this.#window.epochs
    for (const epoch of new Set([this.#window.epoch, first, last])) {
      if (this.#ports.couriers.isCourier(nodeId, epoch) !== 'no') return epoch
    }
    throw new HearsayError('not-courier', 'this node publishes in no current epoch')
  }

  /** For the next publication, also when it falls into the next epoch. */
  async #prepareCounters(): Promise<void> {
    for (const epoch of new Set(this.#window.epochs)) {
      if (epoch < this.#window.epoch) continue
      try {
        await this.#counters.prepare(epoch)
      } catch {
        // The publication that needs the counter will say so.
      }
    }
  }

  #handOver(publication: ReceivedPublication, from: NodeId): void {
    for (const handler of this.#handlers) handler(publication, from)
  }
}

/** A box that we know already is published all the same: our neighbours may not have it. */
const PUBLISHABLE: ReadonlySet<Reason> = new Set<Reason>([
  'accepted',
  'accepted-conflict',
  'known',
  'third-box',
])

function received(
  bytes: Uint8Array,
  outcome: Extract<Outcome, { publication: ValidPublication }>,
): ReceivedPublication {
  const conflict = outcome.reason === 'accepted-conflict'
  return { ...outcome.publication, bytes, conflict }
}
