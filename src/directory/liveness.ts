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
  FAREWELL_TURNS,
  HEARTBEAT_MIN_MS,
  HEARTBEAT_PER_NODE_MS,
  HEARTBEAT_TURN_MS,
  HEARTBEATS_MISSED,
  MAX_FAREWELLS,
  MAX_NODES,
} from './constants.ts'
import { encodeHeartbeat, type Heartbeat, isHeartbeatSigned, readHeartbeat } from './heartbeat.ts'
import { encodeMessage, MESSAGE_TYPES } from './messages.ts'

export interface LivenessPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly pubsub: Pick<PubSub, 'publish'>
  /** True for nodes that this epoch or the next counts on to mix: the only ones that are heard here. */
  readonly isCandidate: (node: NodeId) => boolean
  /** Their number in this epoch. */
  readonly candidates: () => number
  /** False while others cannot dial this node: it sends no heartbeats then. */
  readonly isReachable: () => boolean
  /** The node key's Ed25519 signature of a 32-byte digest. */
  readonly sign: (digest: Uint8Array) => Uint8Array
}

interface Heard extends Said {
  /** When it came, monotonic; earlier for one that was late. */
  readonly heardAt: number
  /** Of a farewell, as it was signed: those who come later want to know. */
  readonly bytes: Uint8Array | undefined
}

/**
 * Which candidates are here, by heartbeats that everybody hears. Routes leave out a mix that is away, else each
 * laptop that closes would cost its share of all packets for two epochs. This may decide about routes because it
 * is the same for all nodes; what a node alone has measured may not (a courier that it never uses would name it).
 *
 * A mix that some see and others do not learns of each packet which of them sent it. So what counts of the
 * heartbeats that a node signed must depend neither on their order nor, beyond the time that gossip takes, on when
 * they came: whatever one node takes and passes on, the others take too.
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
  #hasLeft = false

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

  /**
   * False when the node said that it leaves, or missed `HEARTBEATS_MISSED` heartbeats. Asked for every mix at every
   * packet, so by the hexadecimal form of the id, which the caller keeps.
   */
  isAlive(node: string): boolean {
    const now = this.#ports.clock.monotonic()
    const heard = this.#heard.get(node)
    if (heard?.isLeaving === true) return false
    const patience = this.#patienceMs
    // Who hears nobody is away itself, and knows nothing of the others.
    if (now - this.#lastHeardAt > patience) return true
    return now - Math.max(this.#since, heard?.heardAt ?? 0) <= patience
  }

  /**
   * True for a heartbeat that is dated too far ahead to be taken. Gossip must not remember it: whoever had sent it
   * to some before its time could then be here for the others alone.
   */
  isEarly(bytes: Uint8Array): boolean {
    try {
      return this.#isAhead(readHeartbeat(bytes))
    } catch (error) {
      if (!isHearsayError(error)) throw error
      return false
    }
  }

  /** Judges a heartbeat from gossip. @throws HearsayError of the class `peer`. */
  hear(bytes: Uint8Array): Verdict {
    const { clock, isCandidate } = this.#ports
    const beat = readHeartbeat(bytes)
    const key = toHex(beat.nodeId)
    const last = this.#heard.get(key)
    if (last !== undefined && placeOf(beat) <= placeOf(last)) return 'ignore'
    const lateMs = clock.now() - endOf(beat)
    // As long as it outranks a heartbeat that may still be worth something.
    const latestMs = this.#latestMs + (beat.isLeaving ? FAREWELL_TURNS * HEARTBEAT_TURN_MS : 0)
    const isInTime = lateMs <= latestMs && !this.#isAhead(beat)
    if (!isInTime || !isCandidate(beat.nodeId)) return 'ignore'
    if (!isHeartbeatSigned(this.#networkId, beat, bytes)) return 'reject'
    const now = clock.monotonic()
    if (now - this.#lastHeardAt > this.#patienceMs) this.#since = now
    this.#lastHeardAt = now
    this.#heard.delete(key)
    const { at, isLeaving } = beat
    const heardAt = now - this.#discountMs(lateMs)
    this.#heard.set(key, { at, isLeaving, heardAt, bytes: isLeaving ? bytes.slice() : undefined })
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= MAX_NODES) break
      this.#heard.delete(oldest)
    }
    return 'accept'
  }

  /** True while this node has not listened for long enough to know who is away. */
  get isNew(): boolean {
    return this.#ports.clock.monotonic() - this.#since <= this.#patienceMs
  }

  /** Farewells that somebody who comes now would still take, the latest first, at most `MAX_FAREWELLS`. */
  farewells(): Uint8Array[] {
    const from = this.#ports.clock.now() - this.#latestMs
    const found: { at: number; bytes: Uint8Array }[] = []
    for (const { at, bytes } of this.#heard.values()) {
      if (bytes !== undefined && at > from) found.push({ at, bytes })
    }
    // By date, not by arrival: of more than there is room for all peers hand on the same ones.
    const latest = found.toSorted((a, b) => b.at - a.at).slice(0, MAX_FAREWELLS)
    return latest.map(({ bytes }) => bytes)
  }

  /** Sends a heartbeat now and then, at irregular times, while this node is a candidate. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, isCandidate, isReachable, rng } = this.#ports
    let hasBegun = false
    while (!signal.aborted && !this.#hasLeft) {
      const sent = isReachable() && isCandidate(this.#nodeId) && (await this.#send(false))
      let pause = sent ? this.periodMs : HEARTBEAT_MIN_MS / 4
      // The farewell of the run before may still hold.
      if (sent && !hasBegun) pause = Math.min(pause, (4 / 3) * FAREWELL_TURNS * HEARTBEAT_TURN_MS)
      hasBegun ||= sent
      await clock.sleep(pause * (0.75 + uniform(rng) / 2), signal)
    }
  }

  /** Tells the others that this node goes, so that nothing is routed over it any more. The last heartbeat. */
  async leave(): Promise<void> {
    this.#hasLeft = true
    if (this.#ports.isCandidate(this.#nodeId)) await this.#send(true)
  }

  #isAhead({ at }: Said): boolean {
    return at - this.#ports.clock.now() > CLOCK_TOLERANCE_MS
  }

  get #patienceMs(): number {
    return HEARTBEATS_MISSED * this.periodMs
  }

  /** How long after its turn a heartbeat is taken, whatever the clocks. */
  get #latestMs(): number {
    return Math.max(CLOCK_TOLERANCE_MS, this.#patienceMs)
  }

  /**
   * By how much earlier a late one counts as heard: when it is not taken any more it and all before it are worth
   * nothing. Else a date at that edge would make a node be here for those who got it a moment before the others.
   */
  #discountMs(lateMs: number): number {
    return Math.max(0, lateMs - (this.#latestMs - this.#patienceMs))
  }

  /**
   * A clock that steps back must not make what this node says older than what others have heard from it; but a date
   * that nobody would take says nothing at all, so after a large step they have to forget first.
   */
  #nextDate(isLeaving: boolean): number {
    const now = this.#ports.clock.now()
    const after = this.#lastSent + (isLeaving ? 0 : HEARTBEAT_TURN_MS)
    return after - now > CLOCK_TOLERANCE_MS ? now : Math.max(now, after)
  }

  /**
   * Nobody hears itself, and a node that counted itself out would see other layers than everybody else. So would one that
   * counted itself in while the farewell of its former run holds, which it has heard from others.
   */
  #hearOwn(own: Heard): void {
    const key = toHex(this.#nodeId)
    const last = this.#heard.get(key)
    if (last?.isLeaving === true && placeOf(own) <= placeOf(last)) return
    this.#heard.set(key, own)
  }

  /** True when a neighbour took it. */
  async #send(isLeaving: boolean): Promise<boolean> {
    const { clock, log, pubsub, sign } = this.#ports
    const at = this.#nextDate(isLeaving)
    const bytes = encodeHeartbeat(this.#networkId, { nodeId: this.#nodeId, isLeaving, at }, sign)
    try {
      const message = encodeMessage(MESSAGE_TYPES.heartbeat, bytes)
      if ((await pubsub.publish(DIRECTORY_TOPIC, message)) === 0) return false
      this.#lastSent = at
      const own = { at, isLeaving, heardAt: clock.monotonic(), bytes: undefined }
      this.#hearOwn(own)
      return true
    } catch (error) {
      if (!isHearsayError(error)) throw error
      log.debug('heartbeat not gossiped', { code: error.code })
      return false
    }
  }
}

type Said = Pick<Heartbeat, 'at' | 'isLeaving'>

const turnOf = ({ at }: Said) => Math.floor(at / HEARTBEAT_TURN_MS)

/** First ms after the turn of a heartbeat. */
const endOf = (said: Said) => (turnOf(said) + 1) * HEARTBEAT_TURN_MS

/**
 * What counts is the last by this number: one heartbeat of each turn, whichever came first. A farewell holds for
 * its turn and the next ones: who goes and comes many times a minute could be met by some alone each time.
 */
function placeOf(said: Said): number {
  return turnOf(said) + (said.isLeaving ? FAREWELL_TURNS - 0.5 : 0)
}
