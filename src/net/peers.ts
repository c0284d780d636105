import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { type Clock, HearsayError, type NodeId, toHex } from '../base/index.ts'
import { DIAL_TIMEOUT_MS } from './constants.ts'
import { deadline } from './deadline.ts'
import { dialPeer } from './dial.ts'
import { nodeIdOf, peerIdOf } from './node-id.ts'
import type { Penalties } from './penalties.ts'
import type { DialTarget, PeerChange, Peers } from './ports.ts'

export interface LivePeersPorts {
  clock: Clock
  penalties: Penalties
  libp2p(): Libp2p | undefined
  dialTargets(): readonly DialTarget[]
}

/** Connected nodes, as libp2p sees them. A node with several connections counts once. */
export class LivePeers implements Peers {
  readonly #ports: LivePeersPorts
  readonly #listeners = new Set<(change: PeerChange) => void>()

  constructor(ports: LivePeersPorts) {
    this.#ports = ports
  }

  attach(libp2p: Libp2p): void {
    const tell = (up: boolean) => (event: CustomEvent<PeerId>) => {
      const nodeId = nodeIdOf(event.detail)
      if (nodeId === undefined) return
      for (const listener of this.#listeners) listener({ nodeId, up })
    }
    libp2p.addEventListener('peer:connect', tell(true))
    libp2p.addEventListener('peer:disconnect', tell(false))
  }

  connected(): NodeId[] {
    return this.#nodesAt(() => true)
  }

  /** Nodes to which we opened a connection ourselves. */
  outbound(): NodeId[] {
    return this.#nodesAt(({ direction }) => direction === 'outbound')
  }

  /** Asked often: libp2p's own list of peers decodes each peer id from its text every time. */
  #nodesAt(matches: (connection: Connection) => boolean): NodeId[] {
    const nodes = new Map<string, NodeId>()
    for (const connection of this.#ports.libp2p()?.getConnections() ?? []) {
      const nodeId = matches(connection) ? nodeIdOf(connection.remotePeer) : undefined
      if (nodeId !== undefined) nodes.set(toHex(nodeId), nodeId)
    }
    return [...nodes.values()]
  }

  onChange(listener: (change: PeerChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async dial(nodeId: NodeId, addresses: readonly string[], signal?: AbortSignal): Promise<void> {
    const limit = deadline(this.#ports.clock, DIAL_TIMEOUT_MS, signal)
    try {
      await dialPeer(this.#running(), reachablePeerId(nodeId), addresses, limit.signal)
    } finally {
      limit.clear()
    }
  }

  /** An open connection, or a new one over the addresses that the directory knows. */
  async connect(nodeId: NodeId, signal: AbortSignal): Promise<Connection> {
    const libp2p = this.#running()
    const peerId = reachablePeerId(nodeId)
    const open = libp2p.getConnections(peerId).find((connection) => connection.status === 'open')
    if (open !== undefined) return open
    const hex = toHex(nodeId)
    const target = this.#ports.dialTargets().find((each) => toHex(each.nodeId) === hex)
    return await dialPeer(libp2p, peerId, target?.addresses ?? [], signal)
  }

  async disconnect(nodeId: NodeId): Promise<void> {
    await this.#ports.libp2p()?.hangUp(reachablePeerId(nodeId))
  }

  penalise(nodeId: NodeId, points: number): void {
    this.#ports.penalties.add(reachablePeerId(nodeId).toString(), points)
  }

  #running(): Libp2p {
    const libp2p = this.#ports.libp2p()
    if (libp2p === undefined) throw new HearsayError('not-running', 'net is not running')
    return libp2p
  }
}

function reachablePeerId(nodeId: NodeId): PeerId {
  try {
    return peerIdOf(nodeId)
  } catch (cause) {
    throw new HearsayError('peer-unreachable', 'node id is not a key', {}, cause)
  }
}
