import { type Address, DAY_MS, equalBytes, HOUR_MS, type NodeId, toHex } from '../base/index.ts'
import { CLOCK_TOLERANCE_MS } from './constants.ts'
import { epochStart } from './epochs.ts'
import type { Network } from './network.ts'
import { kadId, type PlacementIndex, placementKey } from './placement.ts'
import { courierCeiling, quotaOf } from './publish-rate.ts'

/** What of the directory placement looks at, at any moment. */
export interface PlacementView {
  index(): PlacementIndex
  /** Living nodes, this one included. */
  size(): number
  isKnown(node: NodeId): boolean
  /** The key for what is sealed to a node. */
  requestKey(node: NodeId): Uint8Array | undefined
}

/** Whose share of the network's publications a box counts against. */
export interface PublicationShare {
  readonly pool: string
  /** Publications of the pool in one epoch, at most. */
  readonly limit: number
  /** ms: no honest clock shows the epoch after it. */
  readonly until: number
}

/**
 * Placement from the point of view of one node, always by the set of the running epoch. `day` is the UTC day of
 * publishing.
 */
export class OwnPlacement {
  readonly #view: PlacementView
  readonly #network: Pick<Network, 'createdAt' | 'parameters'>
  readonly #nodeId: NodeId
  readonly #kadId: Uint8Array
  readonly #keepers: number

  constructor(
    view: PlacementView,
    options: { nodeId: NodeId; network: Pick<Network, 'createdAt' | 'parameters'> },
  ) {
    this.#view = view
    this.#network = options.network
    this.#nodeId = options.nodeId
    this.#kadId = kadId(options.nodeId)
    this.#keepers = options.network.parameters.keepers
  }

  /** Living nodes, this one included. */
  size(): number {
    return this.#view.size()
  }

  /** True for a node whose descriptor is known. */
  isKnown(node: NodeId): boolean {
    return this.#view.isKnown(node)
  }

  /** X25519, 32 bytes; undefined for a node that is not known. */
  requestKey(node: NodeId): Uint8Array | undefined {
    return this.#view.requestKey(node)
  }

  /**
   * The share of a box of `day` that `courier` published in `epoch`: of one node what a courier can publish at all, of all
   * nodes that are not known (they left, or made themselves a key) together what the whole network can. Undefined
   * when no honest clock shows that day in that epoch.
   */
  share(courier: NodeId, epoch: number, day: number): PublicationShare | undefined {
    const { parameters } = this.#network
    const from = epochStart(this.#network, epoch) - 2 * CLOCK_TOLERANCE_MS
    const until = epochStart(this.#network, epoch + 1) + 2 * CLOCK_TOLERANCE_MS
    // A box is under way for up to an hour; before the first epoch it is the first epoch.
    const isEarly = epoch > 0 && (day + 1) * DAY_MS + HOUR_MS <= from
    if (isEarly || day * DAY_MS >= until) return undefined
    if (this.#view.isKnown(courier)) {
      return { pool: toHex(courier), limit: courierCeiling(parameters), until }
    }
    const { boxRate, copies, layerEpochMs, slack } = parameters
    const limit = quotaOf((boxRate * copies * layerEpochMs) / 1_000, slack)
    return { pool: '', limit, until }
  }

  /** The K nodes that keep a box, nearest first. */
  keepers(address: Address, day: number): NodeId[] {
    return this.#view.index().closest(placementKey(address, day), this.#keepers)
  }

  /** True when this node is among them. */
  isKeeper(address: Address, day: number): boolean {
    return this.keepers(address, day).some((keeper) => equalBytes(keeper, this.#nodeId))
  }

  /** The node that keeps the box when one of its keepers goes. */
  successor(address: Address, day: number): NodeId | undefined {
    return this.#view.index().closest(placementKey(address, day), this.#keepers + 1)[this.#keepers]
  }

  /** The nodes nearest to this one, twice as many as keep a box: their ranges overlap with this node's. */
  neighbours(): NodeId[] {
    return this.#view
      .index()
      .closest(this.#kadId, 2 * this.#keepers + 1)
      .filter((node) => !equalBytes(node, this.#nodeId))
  }

  /** 0 (near) to 65535: the first two bytes of the XOR distance between this node and the box. */
  distance(address: Address, day: number): number {
    const key = placementKey(address, day)
    const high = (key[0] ?? 0) ^ (this.#kadId[0] ?? 0)
    const low = (key[1] ?? 0) ^ (this.#kadId[1] ?? 0)
    return high * 256 + low
  }
}
