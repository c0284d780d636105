import { createHash } from 'node:crypto'
import {
  type Clock,
  compareBytes,
  concat,
  HearsayError,
  type NodeId,
  type Rng,
  toHex,
  uniform,
  xorDistance,
} from '../../src/base/index.ts'
import { type Kademlia, type PeerChange, type Peers } from '../../src/net/index.ts'
import { MAX_PENALISED_PEERS, PENALTY_HALF_LIFE_MS } from '../../src/net/constants.ts'
import { Penalties } from '../../src/net/penalties.ts'
import { MemoryPubSub } from './memory-pubsub.ts'
import { MemoryLinks, MemoryRequests } from './memory-streams.ts'

export interface MemoryNetworkOptions {
  /** Latency of each hop: uniform between the two, in milliseconds of the Clock. */
  latencyMs: readonly [number, number]
  /** Replaces the id of a topic's messages: what a badly made network would remember. */
  messageId?: (topic: string, message: Uint8Array) => Uint8Array
  /** Messages of a node whose score fell below GRAYLIST_THRESHOLD are no longer read. */
  graylist?: boolean
  /**
   * Links over which a node sends the messages of a topic, as gossipsub keeps a mesh; whom it has no such link to it
   * tells of them later. Undefined: all links.
   */
  meshDegree?: number
  /** Asked of everything that is sent; what it says true of is lost on its way, and its sender does not know. */
  drop?: (sent: Sent) => boolean
  /** Milliseconds by which each copy comes later than its latency: none for what is lost, two for what comes twice. */
  fate?: (sent: Sent) => readonly number[]
}

/** What one node hands to the link towards another, at the moment it does. */
export interface Sent {
  readonly at: number
  readonly from: NodeId
  readonly to: NodeId
  readonly kind: 'gossip' | 'request' | 'response' | 'frame'
  /** Topic or protocol. */
  readonly name: string
  readonly bytes: Uint8Array
}

// What a rejected message costs with `graylist`: points for the square of their number, as gossipsub counts.
const REJECT_POINTS = 5
const ONE_COPY = [0]

/**
 * A network of virtual nodes in one process, for tests and simulations: every node is linked to every
 * other until a link is cut. Messages take time on the Clock, drawn from the Rng.
 */
export class MemoryNetwork {
  readonly clock: Clock
  readonly rng: Rng
  readonly options: MemoryNetworkOptions
  readonly #nodes = new Map<string, MemoryNode>()
  /** Whom a node has no link to, both ways. */
  readonly #cut = new Map<string, Set<string>>()
  readonly #taps = new Set<(sent: Sent) => void>()

  constructor(
    ports: { clock: Clock; rng: Rng },
    options: MemoryNetworkOptions = { latencyMs: [1, 5] },
  ) {
    this.clock = ports.clock
    this.rng = ports.rng
    this.options = options
  }

  /** Listens on every link. Returns the function that ends it. */
  tap(listener: (sent: Sent) => void): () => void {
    this.#taps.add(listener)
    return () => this.#taps.delete(listener)
  }

  /** Adds a node that is linked to all others as soon as it is online. A node of the same id is replaced. */
  join(nodeId: NodeId, online = true): MemoryNode {
    const node = new MemoryNode(this, nodeId)
    this.setOnline(nodeId, false)
    this.#nodes.set(toHex(nodeId), node)
    node.online = online
    for (const other of this.linkedTo(node)) this.#tell(node, other, true)
    return node
  }

  get nodes(): MemoryNode[] {
    return [...this.#nodes.values()]
  }

  find(nodeId: NodeId): MemoryNode | undefined {
    return this.#nodes.get(toHex(nodeId))
  }

  /** Cuts or restores one link. What is on its way over it is lost. */
  setLink(a: NodeId, b: NodeId, up: boolean): void {
    const [one, two] = [this.find(a), this.find(b)]
    if (one === undefined || two === undefined || one === two) return
    const before = this.isLinked(one, two)
    this.#setCut(one.key, two.key, !up)
    this.#setCut(two.key, one.key, !up)
    if (before !== this.isLinked(one, two)) this.#tell(one, two, up)
  }

  /** Cuts every link between two groups, or restores them. */
  setPartition(left: readonly NodeId[], right: readonly NodeId[], up: boolean): void {
    for (const a of left) for (const b of right) this.setLink(a, b, up)
  }

  /** Takes a node off the network or brings it back; its handlers stay. */
  setOnline(nodeId: NodeId, online: boolean): void {
    const node = this.find(nodeId)
    if (node === undefined || node.online === online) return
    const before = online ? [] : this.linkedTo(node)
    node.online = online
    for (const other of online ? this.linkedTo(node) : before) this.#tell(node, other, online)
  }

  isLinked(a: MemoryNode, b: MemoryNode): boolean {
    if (a === b || !a.online || !b.online) return false
    if (this.#cut.get(a.key)?.has(b.key) === true) return false
    return a.allows(b.nodeId) && b.allows(a.nodeId)
  }

  linkedTo(node: MemoryNode): MemoryNode[] {
    const linked: MemoryNode[] = []
    for (const other of this.#nodes.values()) if (this.isLinked(node, other)) linked.push(other)
    return linked
  }

  /** Runs `arrive` one latency later if the link still stands then. */
  send(
    from: MemoryNode,
    to: MemoryNode,
    what: Pick<Sent, 'kind' | 'name' | 'bytes'>,
    arrive: () => void,
  ): void {
    const sent = { ...what, at: this.clock.monotonic(), from: from.nodeId, to: to.nodeId }
    for (const tap of this.#taps) tap(sent)
    if (this.options.drop?.(sent) === true) return
    for (const late of this.options.fate?.(sent) ?? ONE_COPY) this.deliver(from, to, arrive, late)
  }

  /** As `send`, for what carries no bytes. */
  deliver(from: MemoryNode, to: MemoryNode, fn: () => void, lateMs = 0): void {
    const [min, max] = this.options.latencyMs
    const latency = min + uniform(this.rng) * (max - min) + lateMs
    this.clock.setTimer(latency, () => {
      if (this.isLinked(from, to)) fn()
    })
  }

  #setCut(from: string, to: string, isCut: boolean): void {
    const cut = this.#cut.get(from) ?? new Set()
    this.#cut.set(from, cut)
    if (isCut) cut.add(to)
    else cut.delete(to)
  }

  #tell(a: MemoryNode, b: MemoryNode, up: boolean): void {
    a.pubsub.onLink(b, up)
    b.pubsub.onLink(a, up)
    a.peers.tell({ nodeId: b.nodeId, up })
    b.peers.tell({ nodeId: a.nodeId, up })
  }
}

export class MemoryNode {
  readonly nodeId: NodeId
  /** The id in hexadecimal. */
  readonly key: string
  readonly pubsub: MemoryPubSub
  readonly requests: MemoryRequests
  readonly links: MemoryLinks
  readonly peers: MemoryPeers
  readonly kademlia: Kademlia
  online = true
  /** False: this node keeps no link to the other. */
  allows: (other: NodeId) => boolean = () => true

  constructor(network: MemoryNetwork, nodeId: NodeId) {
    this.nodeId = nodeId
    this.key = toHex(nodeId)
    this.pubsub = new MemoryPubSub(network, this)
    this.requests = new MemoryRequests(network, this)
    this.links = new MemoryLinks(network, this)
    this.peers = new MemoryPeers(network, this)
    this.kademlia = { closest: async (key) => closest(network, this, key) }
  }
}

export class MemoryPeers implements Peers {
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #listeners = new Set<(change: PeerChange) => void>()
  /** Points by node in hex, never fading: a test reads what was imposed. */
  readonly penalties = new Map<string, number>()
  readonly #rejects = new Map<string, number>()
  readonly #fading: Penalties

  constructor(network: MemoryNetwork, node: MemoryNode) {
    this.#network = network
    this.#node = node
    const options = { halfLifeMs: PENALTY_HALF_LIFE_MS, maxPeers: MAX_PENALISED_PEERS }
    this.#fading = new Penalties({ clock: network.clock }, options)
  }

  connected(): NodeId[] {
    return this.#network.linkedTo(this.#node).map((other) => other.nodeId)
  }

  onChange(listener: (change: PeerChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async dial(nodeId: NodeId): Promise<void> {
    const target = this.#network.find(nodeId)
    if (target === undefined || !this.#network.isLinked(this.#node, target)) {
      throw new HearsayError('peer-unreachable', 'no link')
    }
  }

  async disconnect(nodeId: NodeId): Promise<void> {
    this.#network.setLink(this.#node.nodeId, nodeId, false)
  }

  penalise(nodeId: NodeId, points: number): void {
    const key = toHex(nodeId)
    this.penalties.set(key, (this.penalties.get(key) ?? 0) + points)
    this.#fading.add(key, points)
  }

  /** A message of this node was rejected. */
  rejected(nodeId: NodeId): void {
    const key = toHex(nodeId)
    this.#rejects.set(key, (this.#rejects.get(key) ?? 0) + 1)
  }

  /** 0 or below: rejected messages, which are not forgotten here, and penalties, which fade as with libp2p. */
  score(nodeId: NodeId): number {
    const key = toHex(nodeId)
    const lost = REJECT_POINTS * (this.#rejects.get(key) ?? 0) ** 2
    return -lost - this.#fading.of(key)
  }

  tell(change: PeerChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}

/** Like kad-dht in a healthy network: at most 20, nearest first, never the caller. */
function closest(network: MemoryNetwork, self: MemoryNode, key: Uint8Array): NodeId[] {
  const target = sha256(key)
  return network
    .linkedTo(self)
    .map(({ nodeId }) => ({ nodeId, distance: xorDistance(kadId(nodeId), target) }))
    .toSorted((a, b) => compareBytes(a.distance, b.distance))
    .slice(0, 20)
    .map(({ nodeId }) => nodeId)
}

/** SHA-256 of the peer id: an identity multihash of the protobuf-encoded Ed25519 key. */
function kadId(nodeId: NodeId): Uint8Array {
  return sha256(concat(Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20), nodeId))
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}
