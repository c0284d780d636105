import { type NodeId, toHex } from '../base/index.ts'
import type { Descriptor } from './descriptor.ts'
import { drawTickets, type ElectionOptions, seatMixes, type Ticket } from './election.ts'
import type { FrozenSet } from './frozen-sets.ts'
import type { Liveness } from './liveness.ts'
import type { Network } from './network.ts'

/** The mixes of an epoch, one list per layer, by the descriptors of the frozen set. */
export interface MixLayers {
  readonly epoch: number
  readonly layers: readonly (readonly Descriptor[])[]
}

/** The nodes that may bring boxes into gossip in an epoch, as far as this node has seen. */
export interface Couriers {
  /** How few shared the work at any time. */
  readonly fewest: number
  has(node: NodeId): boolean
}

interface Drawn {
  readonly version: number
  readonly tickets: Ticket<Descriptor>[]
  /** The ids of their nodes, lower-case hexadecimal. */
  readonly ids: readonly string[]
}

interface Seated {
  readonly isHere: readonly boolean[]
  readonly version: number
  readonly seats: MixLayers
}

export interface MixElectionPorts {
  readonly liveness: Pick<Liveness, 'isAlive'>
  readonly frozen: (epoch: number) => FrozenSet
  /** The running one. */
  readonly epoch: () => number
}

/** Epochs before and behind the running one that are answered for: clocks differ. */
const NEAR_EPOCHS = 2
const NOBODY: Couriers = { fewest: 0, has: () => false }

/**
 * Tickets are drawn once per set; only who is away is looked up with every question. Peers name epochs: one that is
 * not near the running one has no mixes, and leaves nothing behind.
 */
export class MixElection {
  readonly #options: ElectionOptions
  readonly #ports: MixElectionPorts
  readonly #drawn = new Map<number, Drawn>()
  readonly #seated = new Map<number, Seated>()
  readonly #couriers = new Map<number, { fewest: number; ids: Set<string> }>()

  constructor(ports: MixElectionPorts, network: Network) {
    const { layers, mixDelayMs, slotMs } = network.parameters
    this.#options = { networkId: network.id, layers, mixDelayMs, slotMs }
    this.#ports = ports
  }

  /** The same object until the set or who is here changes. Layers are empty only if nobody can mix. */
  get(epoch: number): MixLayers {
    if (!this.#isNear(epoch)) return { epoch, layers: seatMixes([], this.#options.layers) }
    const { version, tickets, ids } = this.#tickets(epoch)
    const { liveness } = this.#ports
    const known = this.#seated.get(epoch)
    // Asked for with every packet: nothing is made for the usual answer.
    const isSame =
      known?.version === version && ids.every((id, i) => liveness.isAlive(id) === known.isHere[i])
    if (isSame) return known.seats
    const isHere = ids.map((id) => liveness.isAlive(id))
    const alive = tickets.filter((_, index) => isHere[index])
    const seats = { epoch, layers: seatMixes(alive, this.#options.layers) }
    this.#seated.set(epoch, { isHere, version, seats })
    this.#note(epoch, seats.layers)
    this.#forget()
    return seats
  }

  /**
   * Everybody who was in the last layer at some time in the epoch: who is away is noticed at different moments by
   * different nodes, and a box must not be lost over it.
   */
  couriers(epoch: number): Couriers {
    this.get(epoch)
    const known = this.#couriers.get(epoch)
    if (known === undefined) return NOBODY
    return { fewest: known.fewest, has: (node) => known.ids.has(toHex(node)) }
  }

  #isNear(epoch: number): boolean {
    return Math.abs(epoch - this.#ports.epoch()) <= NEAR_EPOCHS
  }

  #note(epoch: number, layers: readonly (readonly Descriptor[])[]): void {
    const last = layers.at(-1) ?? []
    const known = this.#couriers.get(epoch)
    const all = seatMixes(this.#tickets(epoch).tickets, this.#options.layers).at(-1) ?? []
    const ids = known?.ids ?? new Set<string>()
    for (const { nodeId } of [...last, ...all]) ids.add(toHex(nodeId))
    const fewest = Math.min(known?.fewest ?? all.length, last.length || 1)
    this.#couriers.set(epoch, { fewest, ids })
  }

  #tickets(epoch: number): Drawn {
    const { version, nodes } = this.#ports.frozen(epoch)
    const known = this.#drawn.get(epoch)
    if (known?.version === version) return known
    const candidates = nodes.filter((node) => node.reachable)
    const tickets = drawTickets(candidates, epoch, this.#options)
    const drawn = { version, tickets, ids: tickets.map(({ node }) => toHex(node.nodeId)) }
    this.#drawn.set(epoch, drawn)
    return drawn
  }

  #forget(): void {
    for (const kept of [this.#drawn, this.#seated, this.#couriers]) {
      for (const epoch of kept.keys()) if (!this.#isNear(epoch)) kept.delete(epoch)
    }
  }
}
