import type { Clock, Logger, NodeId, Rng } from '../base/index.ts'
import type { ConnectorStatus } from './connector.ts'
import type {
  DialTarget,
  Hindrance,
  Kademlia,
  Links,
  Peers,
  PubSub,
  Reachability,
  Requests,
  TopicPlan,
} from './ports.ts'

export interface NetPorts {
  clock: Clock
  rng: Rng
  log: Logger
  /** Nodes that the directory knows; asked whenever connections are missing. */
  dialTargets?: () => readonly DialTarget[]
  /** True for nodes of the directory, also those that cannot be dialled. By default those that can. */
  isKnown?: (nodeId: NodeId) => boolean
  /** False closes connections of excluded nodes as soon as they have proved who they are. */
  allowPeer?: (nodeId: NodeId) => boolean
}

export interface NetOptions {
  /** Ed25519 seed of the node key, 32 bytes. */
  privateKeySeed: Uint8Array
  /** Multiaddrs of TCP (`/ip4/…/tcp/…`) and WebSocket (`…/ws`) listeners. */
  listen: readonly string[]
  /** Told to others in place of the listen addresses. */
  announce?: readonly string[]
  /** Whether others can dial this node. `auto`, the default, finds out; on loopback alone it means `yes`. */
  reachable?: 'auto' | 'yes' | 'no'
  /** Pre-shared key of the network, 32 bytes. */
  pnetKey: Uint8Array
  /** Short hex of the network id, part of every protocol id. */
  networkTag: string
  /** Multiaddrs that end in `/p2p/<peer id>`. */
  bootstraps: readonly string[]
  /** Every gossip topic of the node, with its size limit and scoring. */
  topics: readonly TopicPlan[]
  maxConnections?: number
  targetConnections?: number
  /** Gossip heartbeat; tests shorten it. */
  heartbeatMs?: number
}

export interface NetStatus extends ConnectorStatus {
  connected: number
  /** No connection, and every node that was reached has another network key. */
  networkMismatch: boolean
  /** Why others cannot dial this node; undefined unless it is unreachable. */
  hindrance: Hindrance | undefined
}

export interface Net {
  readonly nodeId: NodeId
  readonly peerId: string
  readonly pubsub: PubSub
  readonly requests: Requests
  readonly links: Links
  readonly peers: Peers
  readonly kademlia: Kademlia
  /**
   * Listens and begins to connect. A failed start leaves nothing running.
   * @throws HearsayError `address-in-use` or `listen-failed`, with `details.address`.
   */
  start(): Promise<void>
  /** Closes everything and waits for it. Safe to call twice. A stopped net is not started again. */
  stop(): Promise<void>
  /** Multiaddrs with `/p2p/` under which others can dial; empty before the start. */
  addresses(): string[]
  /**
   * What others are to be told, once this node is reachable: up to MAX_ADDRESSES_PER_DIAL multiaddrs without a peer id,
   * none on this machine where there is any other.
   */
  dialable(): string[]
  status(): NetStatus
  /** Whether others can dial this node: told, or found out by asking them (SPEC.md §6). */
  reachability(): Reachability
  /** Called after each change. Returns the function that ends it. */
  onReachability(listener: (reachability: Reachability) => void): () => void
  /** Gossip score of a node: below 0 it has no mesh place, below GRAYLIST_THRESHOLD it is not heard. */
  score(nodeId: NodeId): number
}
