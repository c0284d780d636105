import { type NodeId, toHex } from '../base/index.ts'
import {
  addressGroups,
  type Descriptor,
  type Directory,
  epochAt,
  keyEpochAt,
  type MixLayers,
  type Network,
} from '../directory/index.ts'
import type { Layers, MixDirectory, MixNode, MixPlace } from '../mix/index.ts'

export interface MixViewOptions {
  readonly network: Network
  readonly nodeId: NodeId
  /** Own addresses, for the rule that a first hop stands elsewhere. */
  readonly addresses: () => readonly string[]
}

interface Cached {
  readonly seats: MixLayers
  readonly nodes: readonly Descriptor[]
  readonly layers: Layers<MixNode> | undefined
}

/** The directory as the mix sees it: who mixes comes from the frozen set, keys from the descriptors that named them first. */
export class MixView implements MixDirectory {
  readonly #directory: Directory
  readonly #options: MixViewOptions
  /** By key epoch: two of them around the beginning of one. */
  readonly #cached = new Map<number, Cached>()

  constructor(directory: Directory, options: MixViewOptions) {
    this.#directory = directory
    this.#options = options
  }

  get self(): MixPlace {
    return placeOf(this.#options.nodeId, this.#options.addresses())
  }

  layers(time: number): Layers<MixNode> | undefined {
    const directory = this.#directory
    const { network } = this.#options
    const keyEpoch = keyEpochAt(network, time)
    const seats = directory.mixes(epochAt(network, time))
    const nodes = directory.nodes()
    const known = this.#cached.get(keyEpoch)
    if (known?.seats === seats && known.nodes === nodes) return known.layers
    const found = seats.layers.map((layer) => layer.flatMap((mix) => this.#mix(mix, keyEpoch)))
    const layers = found.every((layer) => layer.length > 0) ? found : undefined
    this.#cached.set(keyEpoch, { seats, nodes, layers })
    for (const old of this.#cached.keys()) {
      if (Math.abs(old - keyEpoch) > 1) this.#cached.delete(old)
    }
    return layers
  }

  nextMixes(): readonly (readonly NodeId[])[] {
    const directory = this.#directory
    const next = directory.mixes(directory.epoch + 1)
    return next.layers.map((layer) => layer.map(({ nodeId }) => nodeId))
  }

  nodes(): readonly NodeId[] {
    return this.#directory.nodes().map(({ nodeId }) => nodeId)
  }

  isKnown(node: NodeId): boolean {
    return this.#directory.get(node) !== undefined
  }

  /** The mix with its key; nothing when it has said none for that epoch. */
  #mix({ nodeId, addresses }: Descriptor, keyEpoch: number): MixNode[] {
    const publicKey = this.#directory.mixKey(nodeId, keyEpoch)
    return publicKey === undefined ? [] : [{ ...placeOf(nodeId, addresses), publicKey }]
  }
}

function placeOf(nodeId: NodeId, addresses: readonly string[]): MixPlace {
  const { nets } = addressGroups(addresses)
  // A node without a known place shares its network with nobody.
  return { nodeId, nets: nets.length > 0 ? nets : [toHex(nodeId)] }
}
