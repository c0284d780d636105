import { asNetworkId, asNodeId, type NetworkId } from '../../../src/base/index.ts'
import { electMixes, type NetworkParameters } from '../../../src/directory/index.ts'
import type { MixPlace } from '../../../src/mix/route.ts'
import type { FastRng } from './fast-rng.ts'

/** A simulated node. */
export interface SimPlace extends MixPlace {
  /** 0 to nodes - 1. */
  readonly index: number
}

/** The nodes of one simulated network. */
export interface World {
  readonly networkId: NetworkId
  readonly places: readonly SimPlace[]
}

/** `nodesPerNet` nodes share each /16. */
export function drawWorld(rng: FastRng, nodes: number, nodesPerNet = 1): World {
  const networkId = asNetworkId(rng.bytes(32))
  const places = Array.from({ length: nodes }, (_, index) => {
    const nets = [`net-${Math.floor(index / nodesPerNet)}`]
    return { index, nodeId: asNodeId(rng.bytes(32)), nets }
  })
  return { networkId, places }
}

/** Who mixes in an epoch: `elected` is the rule of the product; `everybody` puts every node into a layer. */
export type Election = 'elected' | 'everybody' | { readonly mixes: number }

/** The mixes of an epoch, one list per layer. */
export function seat(
  rng: FastRng,
  { networkId, places }: World,
  epoch: number,
  election: Election,
  parameters: Pick<NetworkParameters, 'layers' | 'mixDelayMs' | 'slotMs'>,
): SimPlace[][] {
  const { layers, mixDelayMs, slotMs } = parameters
  if (election === 'elected') {
    return electMixes(places, epoch, { networkId, layers, mixDelayMs, slotMs })
  }
  const order = places
    .map((place) => ({ place, key: rng.float() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ place }) => place)
    .slice(0, election === 'everybody' ? places.length : election.mixes)
  return Array.from({ length: layers }, (_, layer) => order.filter((__, i) => i % layers === layer))
}
