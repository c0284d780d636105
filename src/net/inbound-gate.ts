import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Clock, equalBytes, type NodeId } from '../base/index.ts'
import {
  INBOUND_PER_HOST_BURST,
  INBOUND_PER_HOST_PER_SECOND,
  MAX_CONNECTIONS_PER_PEER,
  MAX_COUNTED_HOSTS,
  MAX_STRANGERS_PER_HOST,
} from './constants.ts'
import { isLoopbackHost } from './dial-guard.ts'
import { nodeIdOf } from './node-id.ts'
import { TokenBuckets } from './token-buckets.ts'

type Open = Pick<Connection, 'remotePeer' | 'remoteAddr'>

export interface InboundGatePorts {
  clock: Clock
  /** Open connections. */
  connections(): readonly Open[]
  /** A node of the directory, or a bootstrap. */
  isKnown(node: NodeId): boolean
}

/**
 * Who may come in: of one peer a few connections, of peers that the directory does not know a few of one host and half
 * of all places. The network key is shared by all members, and keys of nodes cost nothing: without this one stranger
 * could hold every place, and no honest node could reach us. On the loopback interface every node has the same host,
 * so hosts are not counted there.
 */
export class InboundGate {
  readonly #ports: InboundGatePorts
  readonly #maxStrangers: number
  readonly #rate: TokenBuckets

  constructor(ports: InboundGatePorts, options: { maxConnections: number }) {
    this.#ports = ports
    this.#maxStrangers = Math.max(1, Math.floor(options.maxConnections / 2))
    this.#rate = new TokenBuckets(ports, {
      burst: INBOUND_PER_HOST_BURST,
      perSecond: INBOUND_PER_HOST_PER_SECOND,
      maxWaitMs: 0,
      maxKeys: MAX_COUNTED_HOSTS,
    })
  }

  /**
   * Asked before a byte was read: whoever opens sockets and says nothing holds a place for the length of the handshake,
   * and one host must not hold them all.
   */
  refusesHost(address: Multiaddr): boolean {
    return !isLoopbackHost(address) && this.#rate.take(groupOf(address)) === undefined
  }

  refuses(node: NodeId, address: Multiaddr): boolean {
    const isKnown = this.#ports.isKnown(node)
    const group = isLoopbackHost(address) ? undefined : groupOf(address)
    let [own, strangers, ofHost] = [0, 0, 0]
    for (const { remotePeer, remoteAddr } of this.#ports.connections()) {
      const other = nodeIdOf(remotePeer)
      if (other === undefined) continue
      if (equalBytes(other, node)) own++
      if (isKnown || this.#ports.isKnown(other)) continue
      strangers++
      if (group !== undefined && groupOf(remoteAddr) === group) ofHost++
    }
    if (own >= MAX_CONNECTIONS_PER_PEER) return true
    return !isKnown && (strangers >= this.#maxStrangers || ofHost >= MAX_STRANGERS_PER_HOST)
  }
}

/** The address; of IPv6 its /64, which whoever has one address has whole. */
function groupOf(address: Multiaddr): string {
  const [host] = address.getComponents()
  const value = host?.value ?? ''
  if (host?.name !== 'ip6') return value
  const [head = '', tail] = value.split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  return [...left, ...Array.from({ length: gap }, () => '0'), ...right].slice(0, 4).join(':')
}
