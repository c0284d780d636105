import { type Clock, equalBytes, type NodeId, toHex } from '../base/index.ts'
import { admissionFault } from './admission.ts'
import type { ClockSkew } from './clock-skew.ts'
import {
  CLOCK_HEARD_MS,
  CLOCK_LEAP_MS,
  CLOCK_PEERS_MIN,
  MAX_CLOCK_PEERS,
  STRANGER_BURST,
  STRANGER_REFILL_MS,
} from './constants.ts'
import { type Descriptor, isSignedByNode } from './descriptor.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Network } from './network.ts'
import { NodeBudget } from './node-budget.ts'
import type { NodeTable } from './node-table.ts'

export interface PeerClocksPorts {
  readonly clock: Clock
  readonly connected: () => readonly NodeId[]
  readonly table: Pick<NodeTable, 'get' | 'isAllowed' | 'seatsTaken'>
}

/** The heartbeat of a peer, and when it came: by both clocks of this node, ms. */
interface Heard {
  readonly at: number
  readonly wall: number
  readonly monotonic: number
}

/** A peer that the table lacks for nothing but its dates. */
interface Untimely {
  readonly nodeId: NodeId
  readonly issuedAt: number
  readonly reachable: boolean
  /** Its invitation, in hexadecimal. */
  readonly grant: string | undefined
}

/** What one peer says: by how much this node is ahead of it, ms. */
interface Vote {
  readonly aheadMs: number
  /** By a heartbeat; else its descriptor alone is known, and this node is ahead by so much at most. */
  readonly isHeard: boolean
  /** It says heartbeats, or should. */
  readonly isTalker: boolean
}

/**
 * How far the own clock is from those of the peers, to name a clock that is wrong, and for nothing else: no key, slot, date
 * or expiry follows from it, it is told to nobody and it is in no log.
 *
 * Each admitted peer has one vote, by what it says of itself over its own connection: of two heartbeats with one signature
 * the one that somebody else brings may be of yesterday, and who kept them would speak for all nodes. The connection has
 * proved who it is, so the signature of a heartbeat that is out of time need not be checked.
 */
export class PeerClocks {
  readonly #ports: PeerClocksPorts
  readonly #network: Network
  /** For the signatures of descriptors that are out of time. */
  readonly #budget: NodeBudget
  readonly #heard = new Map<string, Heard>()
  readonly #untimely = new Map<string, Untimely>()

  constructor(ports: PeerClocksPorts, network: Network) {
    this.#ports = ports
    this.#network = network
    const options = { burst: STRANGER_BURST, refillMs: STRANGER_REFILL_MS }
    this.#budget = new NodeBudget(ports.clock, options)
  }

  /** A heartbeat that came by gossip from this peer, whatever became of it. */
  hear(from: NodeId, { nodeId, at, isLeaving }: Heartbeat): void {
    // Farewells are told to those who come later too, minutes afterwards.
    if (isLeaving || !equalBytes(from, nodeId) || !this.#isAdmitted(from)) return
    const { clock } = this.#ports
    const key = toHex(from)
    const wall = clock.now()
    const before = this.#aheadOf(key, wall)
    // On its way, and while this process is halted, a heartbeat grows old; none comes before its time.
    if (before !== undefined && wall - at > before + CLOCK_LEAP_MS) return
    putBounded(this.#heard, key, { at, wall, monotonic: clock.monotonic() })
  }

  /**
   * A descriptor that the table refused for its date alone. To a clock that is far off those of all nodes look like this:
   * the table is empty then, and without them nobody would be there to say so.
   */
  meet(descriptor: Descriptor): void {
    const { nodeId, issuedAt, reachable, admission } = descriptor
    const { connected, table } = this.#ports
    const key = toHex(nodeId)
    // Once is enough: whatever it signs later, it is admitted, and its clock has shown this.
    if (this.#untimely.has(key)) return
    if (!connected().some((peer) => equalBytes(peer, nodeId))) return
    if (!table.isAllowed(descriptor) || !this.#hasSeat(descriptor)) return
    if (!this.#budget.take() || !isSignedByNode(descriptor)) return
    if (admissionFault(admission, nodeId, this.#network) !== undefined) return
    const grant = admission.kind === 'operator' ? toHex(admission.grant.id) : undefined
    putBounded(this.#untimely, key, { nodeId, issuedAt, reachable, grant })
  }

  /**
   * What more than half of the peers say at least: of those whose heartbeats came, when these are `CLOCK_PEERS_MIN` or all
   * that say any; else of all that are admitted, by the dates of their descriptors, of a clock that is behind only.
   * Undefined while they say nothing.
   */
  skew(): ClockSkew | undefined {
    const votes = this.#votes()
    const heard = votes.filter(({ isHeard }) => isHeard)
    const talkers = votes.filter(({ isTalker }) => isTalker)
    if (heard.length > 0 && heard.length >= Math.min(CLOCK_PEERS_MIN, talkers.length)) {
      return { ms: middleOf(heard), atLeast: false }
    }
    const ms = middleOf(votes)
    return ms < 0 ? { ms, atLeast: true } : undefined
  }

  #votes(): Vote[] {
    const { clock, connected, table } = this.#ports
    const now = clock.now()
    return connected().flatMap((nodeId): Vote[] => {
      const key = toHex(nodeId)
      const dated = [table.get(nodeId), this.#untimely.get(key)]
      const known = dated.filter((each) => each !== undefined)
      if (known.length === 0) return []
      const aheadMs = this.#aheadOf(key, now)
      const isHeard = aheadMs !== undefined
      // What it has signed its clock has shown.
      const signedAt = Math.max(...known.map(({ issuedAt }) => issuedAt))
      return [
        {
          aheadMs: aheadMs ?? Math.min(0, now - signedAt),
          isHeard,
          isTalker: isHeard || known.some(({ reachable }) => reachable),
        },
      ]
    })
  }

  /** By the heartbeat of a peer. After a leap of the own clock, or a sleep, only by one that came since. */
  #aheadOf(key: string, now: number): number | undefined {
    const heard = this.#heard.get(key)
    if (heard === undefined) return undefined
    const ageMs = this.#ports.clock.monotonic() - heard.monotonic
    const leapMs = now - heard.wall - ageMs
    if (ageMs > CLOCK_HEARD_MS || Math.abs(leapMs) > CLOCK_LEAP_MS) return undefined
    return heard.wall - heard.at
  }

  #isAdmitted(nodeId: NodeId): boolean {
    return this.#ports.table.get(nodeId) !== undefined || this.#untimely.has(toHex(nodeId))
  }

  /** As in the table, where these are not: one invitation must not bring any number of votes. */
  #hasSeat({ nodeId, admission }: Descriptor): boolean {
    const { table } = this.#ports
    if (admission.kind === 'open' || table.get(nodeId) !== undefined) return true
    const { id, maxUses } = admission.grant
    const grant = toHex(id)
    const others = [...this.#untimely.values()].filter(
      (each) => each.grant === grant && table.get(each.nodeId) === undefined,
    )
    return table.seatsTaken(id) + others.length < maxUses
  }
}

/**
 * The middle one; of two the one nearer to zero, and zero where they are of different minds: it takes more than half to
 * name anything.
 */
function middleOf(votes: readonly Vote[]): number {
  const sorted = votes.map(({ aheadMs }) => aheadMs).toSorted((a, b) => a - b)
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  const high = sorted[Math.floor(sorted.length / 2)] ?? 0
  return low > 0 ? low : Math.min(high, 0)
}

/** The one that was put longest ago goes first. */
function putBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= MAX_CLOCK_PEERS) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
