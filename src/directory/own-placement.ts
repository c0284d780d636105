import { type Address, equalBytes, type NodeId } from '../base/index.ts'
import { kadId, type PlacementIndex, placementKey } from './placement.ts'

/**
 * Placement from the point of view of one node, always by the set of the running epoch. `day` is the UTC day of
 * publishing.
 */
export class OwnPlacement {
  readonly #index: () => PlacementIndex
  readonly #networkSize: () => number
  readonly #nodeId: NodeId
  readonly #kadId: Uint8Array
  readonly #keepers: number

  constructor(
    index: () => PlacementIndex,
    networkSize: () => number,
    options: { nodeId: NodeId; keepers: number },
  ) {
    this.#index = index
    this.#networkSize = networkSize
    this.#nodeId = options.nodeId
    this.#kadId = kadId(options.nodeId)
    this.#keepers = options.keepers
  }

  /** Living nodes, this one included. */
  size(): number {
    return this.#networkSize()
  }

  /** The K nodes that keep a box, nearest first. */
  keepers(address: Address, day: number): NodeId[] {
    return this.#index().closest(placementKey(address, day), this.#keepers)
  }

  /** True when this node is among them. */
  isKeeper(address: Address, day: number): boolean {
    return this.keepers(address, day).some((keeper) => equalBytes(keeper, this.#nodeId))
  }

  /** The node that keeps the box when one of its keepers goes. */
  successor(address: Address, day: number): NodeId | undefined {
    return this.#index().closest(placementKey(address, day), this.#keepers + 1)[this.#keepers]
  }

  /** The nodes nearest to this one, twice as many as keep a box: their ranges overlap with this node's. */
  neighbours(): NodeId[] {
    return this.#index()
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
