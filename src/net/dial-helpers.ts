import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../base/index.ts'
import { nodeIdOf } from './node-id.ts'
import type { Helper } from './reachability.ts'

/** A helper and the connection over which it is asked. */
type ConnectedHelper<C> = Helper & { readonly connection: C }

type Candidate = Pick<Connection, 'direction' | 'remoteAddr' | 'remotePeer' | 'status'>

/**
 * One connection for each known peer, best one of our own making: over it the peer sees where we come from. Peers that
 * are connected by an IP version of which we have no address are left out, for they could only answer `elsewhere`.
 */
export function connectedHelpers<C extends Candidate>(
  connections: readonly C[],
  o: { isKnown(nodeId: NodeId): boolean; addresses: readonly string[] },
): ConnectedHelper<C>[] {
  const versions = new Set(o.addresses.flatMap((address) => versionsOf(multiaddr(address))))
  const helpers = new Map<string, ConnectedHelper<C>>()
  for (const connection of connections) {
    const peerId = connection.remotePeer.toString()
    const nodeId = nodeIdOf(connection.remotePeer)
    if (nodeId === undefined || connection.status !== 'open' || !o.isKnown(nodeId)) continue
    if (!versionsOf(connection.remoteAddr).some((version) => versions.has(version))) continue
    if (helpers.has(peerId) && connection.direction !== 'outbound') continue
    helpers.set(peerId, { nodeId, group: groupOf(connection.remoteAddr), connection })
  }
  return [...helpers.values()]
}

const VERSIONS: Readonly<Record<string, readonly number[]>> = {
  ip4: [4],
  dns4: [4],
  ip6: [6],
  dns6: [6],
  dns: [4, 6],
}

function versionsOf(address: Multiaddr): readonly number[] {
  return VERSIONS[address.getComponents()[0]?.name ?? ''] ?? []
}

/** The /16 of an IPv4 address, the /32 of an IPv6 one, a name as it is. */
function groupOf(address: Multiaddr): string {
  const [host] = address.getComponents()
  const value = host?.value ?? ''
  if (host?.name === 'ip4') return value.split('.', 2).join('.')
  if (host?.name === 'ip6') return value.split(':', 2).join(':')
  return value
}
