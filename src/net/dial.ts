import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { HearsayError } from '../base/index.ts'
import { MAX_ADDRESSES_PER_DIAL } from './constants.ts'
import { withoutNames } from './resolve.ts'

const TRANSPORTS = new Set(['tcp/', 'tcp/ws/', 'tcp/tls/ws/', 'tcp/wss/'])
const HOSTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/**
 * The addresses of a peer that this node can dial, with the peer id appended so that nobody else can answer
 * there. Malformed, foreign and surplus ones are left out: descriptors are written by strangers.
 */
export function dialAddresses(peer: PeerId, addresses: readonly string[]): Multiaddr[] {
  const usable: Multiaddr[] = []
  for (const address of addresses) {
    if (usable.length >= MAX_ADDRESSES_PER_DIAL) break
    try {
      const parsed = multiaddr(address)
      const components = parsed.getComponents()
      const named = components.findLast((component) => component.name === 'p2p')?.value
      const transport = components.slice(1).filter((component) => component.name !== 'p2p')
      const shape = transport.map((component) => `${component.name}/`).join('')
      if (!HOSTS.has(components[0]?.name ?? '') || !TRANSPORTS.has(shape)) continue
      if (named !== undefined && named !== peer.toString()) continue
      usable.push(named === undefined ? parsed.encapsulate(`/p2p/${peer.toString()}`) : parsed)
    } catch {
      // Not a multiaddr.
    }
  }
  return usable
}

/** Names are looked up first. @throws HearsayError `peer-unreachable`, or `network-mismatch` as a hint (SPEC.md §5). */
export async function dialPeer(
  libp2p: Libp2p,
  peer: PeerId,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Connection> {
  const named = dialAddresses(peer, addresses)
  const usable = (await withoutNames(named, signal)).slice(0, MAX_ADDRESSES_PER_DIAL)
  if (usable.length === 0) throw new HearsayError('peer-unreachable', 'no usable address')
  try {
    return await libp2p.dial(usable, { signal })
  } catch (cause) {
    if (signal.aborted) throw signal.reason
    throw dialFailure(cause)
  }
}

function dialFailure(cause: unknown): HearsayError {
  const causes = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause]
  // The socket opened and the private-network nonces were exchanged, yet no common handshake: the other
  // side has another network key, or is not the node we expected.
  const met = causes.some((each) => each instanceof Error && each.name === 'EncryptionFailedError')
  return met
    ? new HearsayError('network-mismatch', 'peer answers with another network key', {}, cause)
    : new HearsayError('peer-unreachable', 'dial failed', {}, cause)
}
