import {
  type Clock,
  isHearsayError,
  type Logger,
  type NetworkId,
  type NodeId,
  type Rng,
  toHex,
  uniform,
} from '../base/index.ts'
import type { PubSub, Verdict } from '../net/index.ts'
import {
  CLOCK_TOLERANCE_MS,
  DIRECTORY_TOPIC,
  HEARTBEAT_MIN_MS,
  HEARTBEAT_PER_NODE_MS,
  HEARTBEATS_MISSED,
  MAX_NODES,
} from './constants.ts'
import { encodeHeartbeat, isHeartbeatSigned, readHeartbeat } from './heartbeat.ts'
import { encodeMessage, MESSAGE_TYPES } from './messages.ts'

export interface LivenessPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly pubsub: Pick<PubSub, 'publish'>
  /** True for nodes that may mix: the only ones that are heard here. */
  readonly isCandidate: (node: NodeId) => boolean
  /** Their number. */
  readonly candidates: () => number
  /** The node key's Ed25519 signature of a 32-byte digest. */
  readonly sign: (digest: Uint8Array) => Uint8Array
}

interface Heard {
  /** The node's own date of its last heartbeat. */
  readonly at: number
  /** When it came, monotonic; undefined when it said that it leaves. */
  readonly heardAt: number | undefined
}

/**
 * Which candidates are here, by heartbeats that everybody hears. Routes leave out a mix that is away, else each
 * laptop that closes would cost its share of all packets for two epochs. This may decide about routes because it
 * is the same for all nodes; what a node alone has measured may not (a courier that it never uses would name it).
 */
export class Liveness {
  readonly #ports: LivenessPorts
  readonly #networkId: NetworkId
  readonly #nodeId: NodeId
  readonly #heard = new Map<string, Heard>()
  /** Silence counts from here: nobody is away for a node that has just begun to listen. */
  #since: number
  #lastHeardAt: number
  #lastSent = 0

  constructor(ports: LivenessPorts, options: { networkId: NetworkId; nodeId: NodeId }) {
    this.#ports = ports
    this.#networkId = options.networkId
    this.#nodeId = options.nodeId
    this.#since = ports.clock.monotonic()
    this.#lastHeardAt = this.#since
  }

  /** Mean time between two heartbeats of one node: a constant rate for the network from some size on. */
  get periodMs(): number {
    return Math.max(HEARTBEAT_MIN_MS, HEARTBEAT_PER_NODE_MS * this.#ports.candidates())
  }

  /** False when the node said that it leaves, or missed `HEARTBEATS_MISSED` heartbeats. */
  isAlive(node: NodeId): boolean {
    const now = this.#ports.clock.monotonic()
    const patience = HEARTBEATS_MISSED * this.periodMs
    const heard = this.#heard.get(toHex(node))
    if (heard !== undefined && heard.heardAt === undefined) return false
    // Who hears nobody is away itself, and knows nothing of the others.
    if (now - this.#lastHeardAt > patience) return true
    return now - Math.max(this.#since, heard?.heardAt ?? 0) <= patience
  }

  /** Judges a heartbeat from gossip. @throws HearsayError of the class `peer`. */
  hear(bytes: Uint8Array): Verdict {
    const { clock } = this.#ports
    const beat = readHeartbeat(bytes)
    const key = toHex(beat.nodeId)
    const last = this.#heard.get(key)
    if (last !== undefined && beat.at <= last.at) return 'ignore'
    if (Math.abs(beat.at - clock.now()) > CLOCK_TOLERANCE_MS) return 'ignore'
    // A leaving node says so at once; others may not flood.
    const tooSoon = last?.heardAt !== undefined && beat.at - last.at < HEARTBEAT_MIN_MS / 4
    if ((tooSoon && !beat.isLeaving) || !this.#ports.isCandidate(beat.nodeId)) return 'ignore'
    if (!isHeartbeatSigned(this.#networkId, beat, bytes)) return 'reject'
    const now = clock.monotonic()
    if (now - this.#lastHeardAt > HEARTBEATS_MISSED * this.periodMs) this.#since = now
    this.#lastHeardAt = now
    this.#heard.delete(key)
    this.#heard.set(key, { at: beat.at, heardAt: beat.isLeaving ? undefined : now })
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= MAX_NODES) break
      this.#heard.delete(oldest)
    }
    return 'accept'
  }

  /** Sends a heartbeat now and then, at irregular times, while this node is a candidate. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, rng } = this.#ports
    while (!signal.aborted) {
      const sent = this.#ports.isCandidate(this.#nodeId) && (await this.#send(false))
      const pause = sent ? this.periodMs : HEARTBEAT_MIN_MS / 4
      await clock.sleep(pause * (0.75 + uniform(rng) / 2), signal)
    }
  }

  /** Tells the others that this node goes, so that nothing is routed over it any more. */
  async leave(): Promise<void> {
    if (this.#ports.isCandidate(this.#nodeId)) await this.#send(true)
  }

  /** True when a neighbour took it. */
  async #send(isLeaving: boolean): Promise<boolean> {
    const { clock, log, pubsub, sign } = this.#ports
    const at = Math.max(clock.now(), this.#lastSent + 1)
    this.#lastSent = at
    const bytes = encodeHeartbeat(this.#networkId, { nodeId: this.#nodeId, isLeaving, at }, sign)
    try {
      const message = encodeMessage(MESSAGE_TYPES.heartbeat, bytes)
      if ((await pubsub.publish(DIRECTORY_TOPIC, message)) === 0) return false
      // Nobody hears itself, and a node that counted itself out would see other layers than everybody else.
      const heardAt = isLeaving ? undefined : clock.monotonic()
      this.#heard.set(toHex(this.#nodeId), { at, heardAt })
      return true
    } catch (error) {
      if (!isHearsayError(error)) throw error
      log.debug('heartbeat not gossiped', { code: error.code })
      return false
    }
  }
}
