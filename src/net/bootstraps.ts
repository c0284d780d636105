import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { HearsayError, toHex } from '../base/index.ts'
import { nodeIdOf } from './node-id.ts'
import type { DialTarget } from './ports.ts'

/**
 * Bootstraps by node, in the order of their first address.
 * @throws HearsayError `network-file-invalid` for an address without an Ed25519 peer id.
 */
export function bootstrapTargets(addresses: readonly string[]): DialTarget[] {
  const targets = new Map<string, DialTarget>()
  for (const address of addresses) {
    const nodeId = nodeIdIn(address)
    const key = toHex(nodeId)
    const earlier = targets.get(key)?.addresses ?? []
    targets.set(key, { nodeId, addresses: [...earlier, address] })
  }
  return [...targets.values()]
}

function nodeIdIn(address: string): DialTarget['nodeId'] {
  let cause: unknown
  try {
    const components = multiaddr(address).getComponents()
    const peerId = components.findLast((component) => component.name === 'p2p')?.value
    const nodeId = peerId === undefined ? undefined : nodeIdOf(peerIdFromString(peerId))
    if (nodeId !== undefined) return nodeId
  } catch (error) {
    cause = error
  }
  throw new HearsayError('network-file-invalid', 'bootstrap without a node id', { address }, cause)
}
