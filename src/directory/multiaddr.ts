import { peerIdFromString } from '@libp2p/peer-id'
import { asNodeId, type NodeId } from '../base/index.ts'
import { MAX_ADDRESS_BYTES, MAX_BOOTSTRAP_BYTES } from './constants.ts'

// A private network runs over TCP and WebSockets only (its cipher wraps the socket), so these are all the
// address forms there are. A closed grammar keeps exotic multiaddrs out of dialling code.
const HOST = String.raw`(?:ip4/(?:\d{1,3}\.){3}\d{1,3}|ip6/[0-9a-f:.]{2,45}|dns[46]?/[a-z0-9.-]{1,100})`
const ADDRESS = new RegExp(
  `^/(?<host>${HOST})/tcp/(?<port>\\d{1,5})(?:/ws|/wss|/tls/ws)?(?:/p2p/(?<peer>[1-9A-HJ-NP-Za-km-z]{40,60}))?$`,
)

interface Parts {
  readonly host: string
  readonly peer: string | undefined
}

function parse(text: string): Parts | undefined {
  const groups = ADDRESS.exec(text)?.groups
  const host = groups?.['host']
  if (groups === undefined || host === undefined || Number(groups['port']) > 65_535)
    return undefined
  if (
    host.startsWith('ip4/') &&
    host
      .slice(4)
      .split('.')
      .some((octet) => Number(octet) > 255)
  ) {
    return undefined
  }
  return { host, peer: groups['peer'] }
}

/** True for a dialable address without a peer id, at most `MAX_ADDRESS_BYTES` of ASCII. */
export function isNodeAddress(text: string): boolean {
  if (text.length > MAX_ADDRESS_BYTES) return false
  const parts = parse(text)
  return parts !== undefined && parts.peer === undefined
}

/** The node behind a bootstrap address, which must end in `/p2p/<Ed25519 peer id>`; undefined otherwise. */
export function bootstrapTarget(text: string): { nodeId: NodeId; address: string } | undefined {
  if (text.length > MAX_BOOTSTRAP_BYTES) return undefined
  const peer = parse(text)?.peer
  if (peer === undefined) return undefined
  try {
    const id = peerIdFromString(peer)
    if (id.type !== 'Ed25519' || id.toString() !== peer) return undefined
    return { nodeId: asNodeId(id.publicKey.raw), address: text.slice(0, text.lastIndexOf('/p2p/')) }
  } catch {
    return undefined
  }
}

/** All names are one net: whoever has a domain has any number of them, on one machine. */
const NAMES = 'names'

/**
 * The groups of a node for diversity rules, of all its addresses: whoever is dialled at one address and judged by
 * another would stand wherever it likes. Hosts are addresses, nets their /16 (/32 for IPv6); names count when there is
 * nothing else.
 */
export function addressGroups(addresses: readonly string[]): {
  readonly hosts: readonly string[]
  readonly nets: readonly string[]
} {
  const hosts = new Set<string>()
  const nets = new Set<string>()
  for (const address of addresses) {
    const host = parse(address)?.host
    if (host === undefined) continue
    hosts.add(host)
    if (host.startsWith('ip4/')) nets.add(host.split('.').slice(0, 2).join('.'))
    if (host.startsWith('ip6/')) nets.add(host.split(':').slice(0, 2).join(':'))
  }
  if (nets.size === 0 && hosts.size > 0) nets.add(NAMES)
  return { hosts: [...hosts], nets: [...nets] }
}
