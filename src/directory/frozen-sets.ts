import { compareBytes, type NodeId, toHex } from '../base/index.ts'
import { FREEZE_LAG_EPOCHS } from './constants.ts'
import type { Descriptor } from './descriptor.ts'
import { epochAt, epochStart } from './epochs.ts'
import type { Network } from './network.ts'
import type { NodeTable } from './node-table.ts'

/** The nodes that an epoch counts on: what every computation over "the network" takes. */
export interface FrozenSet {
  readonly epoch: number
  /** False while the set still is what the table holds: the first epochs, or too few nodes. */
  readonly frozen: boolean
  /** In the order of their ids. */
  readonly nodes: readonly Descriptor[]
  /** Changes whenever `nodes` does. */
  readonly version: number
}

const NONE: readonly Descriptor[] = []
/** Epochs that anything is computed for: the running one, those beside it, and one more for clocks. */
const NEAR_EPOCHS = 2

/** Most changes of the table change no set: elections and placements then hold, which take 10 ms at 1,000 nodes. */
function areSame(before: readonly Descriptor[], nodes: readonly Descriptor[]): boolean {
  return before.length === nodes.length && nodes.every((node, index) => node === before[index])
}

/**
 * The sets of the running epoch, the one before and the next. Set e holds, for every node, the last descriptor
 * issued before the cut-off, the end of epoch e - 2. It closes when epoch e begins: the epoch between is the time
 * in which all nodes come to know the same descriptors.
 */
export class FrozenSets {
  readonly #network: Network
  readonly #table: NodeTable
  readonly #sets = new Map<number, Map<string, Descriptor>>()
  readonly #cache = new Map<number, FrozenSet>()
  /** What they were before the last change, of the epochs that count. */
  #before = new Map<number, FrozenSet>()
  readonly #stored = new Map<number, readonly Descriptor[]>()
  #epoch = 0
  #version = 0

  constructor(network: Network, table: NodeTable) {
    this.#network = network
    this.#table = table
  }

  /** The epoch that was last rolled to. */
  get epoch(): number {
    return this.#epoch
  }

  /** First ms that is too late for the set of `epoch`. */
  cutOff(epoch: number): number {
    return epochStart(this.#network, epoch - FREEZE_LAG_EPOCHS + 1)
  }

  /** Moves to the epoch of `now`; freezes the next one's set. Returns the sets that were dropped. */
  roll(now: number): number[] {
    const epoch = epochAt(this.#network, now)
    this.#epoch = epoch
    const next = epoch + 1
    if (next >= FREEZE_LAG_EPOCHS && !this.#sets.has(next)) {
      for (const descriptor of this.#table.all()) this.#take(next, descriptor)
      if (!this.#sets.has(next)) this.#sets.set(next, new Map())
    }
    const dropped = [...this.#sets.keys()].filter((each) => each < epoch - 1)
    for (const each of dropped) this.#sets.delete(each)
    this.touch()
    return dropped
  }

  /** Offers a checked descriptor to the set of `epoch`. True when it changed the set. */
  offer(epoch: number, descriptor: Descriptor): boolean {
    const changed = this.#take(epoch, descriptor)
    if (changed) this.touch()
    return changed
  }

  /** The stored set of an epoch, without fallback. The same array until something changes. */
  stored(epoch: number): readonly Descriptor[] {
    const cached = this.#stored.get(epoch)
    if (cached !== undefined) return cached
    const set = this.#sets.get(epoch)
    // Peers name epochs: one that is not held must not leave anything behind.
    if (set === undefined) return NONE
    const stored = [...set.values()]
    this.#stored.set(epoch, stored)
    return stored
  }

  /** Forget what was derived: the table, an exclusion or a revocation changed. */
  touch(): void {
    const near = [...this.#before, ...this.#cache].filter(
      ([epoch]) => Math.abs(epoch - this.#epoch) <= NEAR_EPOCHS,
    )
    this.#before = new Map(near)
    this.#cache.clear()
    this.#stored.clear()
  }

  /**
   * The set of an epoch. In the first two epochs of the network, and while the frozen set has fewer nodes than a
   * route has layers (a network that was founded long before its nodes came), the nodes of the table as it stands.
   */
  get(epoch: number): FrozenSet {
    const cached = this.#cache.get(epoch)
    if (cached !== undefined) return cached
    const stored = this.stored(epoch).filter((descriptor) => this.#table.isAllowed(descriptor))
    const frozen = epoch >= FREEZE_LAG_EPOCHS && stored.length >= this.#network.parameters.layers
    const nodes = (frozen ? stored : this.#table.all()).toSorted((a, b) =>
      compareBytes(a.nodeId, b.nodeId),
    )
    const before = this.#before.get(epoch)
    const isSame = before?.frozen === frozen && areSame(before.nodes, nodes)
    const set = isSame ? before : { epoch, frozen, nodes, version: ++this.#version }
    this.#cache.set(epoch, set)
    return set
  }

  /** The descriptor of a node in the set of an epoch. */
  find(epoch: number, nodeId: NodeId): Descriptor | undefined {
    const { nodes } = this.get(epoch)
    let low = 0
    let high = nodes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = nodes[middle] as Descriptor
      const order = compareBytes(found.nodeId, nodeId)
      if (order === 0) return found
      if (order < 0) low = middle + 1
      else high = middle
    }
    return undefined
  }

  #take(epoch: number, descriptor: Descriptor): boolean {
    const cutOff = this.cutOff(epoch)
    if (epoch < FREEZE_LAG_EPOCHS || epoch < this.#epoch - 1 || epoch > this.#epoch + 2)
      return false
    if (descriptor.issuedAt >= cutOff || this.#table.expiryOf(descriptor) <= cutOff) return false
    const set = this.#sets.get(epoch) ?? new Map<string, Descriptor>()
    this.#sets.set(epoch, set)
    const key = toHex(descriptor.nodeId)
    const known = set.get(key)
    if (known !== undefined && known.sequence >= descriptor.sequence) return false
    set.set(key, descriptor)
    return true
  }
}
