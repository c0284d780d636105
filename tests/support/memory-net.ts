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
import type { Kademlia, PeerChange, Peers, PubSub, TopicHandler } from '../../src/net/index.ts'
import { MemoryLinks, MemoryRequests } from './memory-streams.ts'

export interface MemoryNetworkOptions {
  /** Latency of each hop: uniform between the two, in milliseconds of the Clock. */
  latencyMs: readonly [number, number]
}

/**
 * A network of virtual nodes in one process, for tests and simulations: every node is linked to every
 * other until a link is cut. Messages take time on the Clock, drawn from the Rng.
 */
export class MemoryNetwork {
  readonly clock: Clock
  readonly #rng: Rng
  readonly #latencyMs: readonly [number, number]
  readonly #nodes = new Map<string, MemoryNode>()
  readonly #cut = new Set<string>()

  constructor(
    ports: { clock: Clock; rng: Rng },
    options: MemoryNetworkOptions = { latencyMs: [1, 5] },
  ) {
    this.clock = ports.clock
    this.#rng = ports.rng
    this.#latencyMs = options.latencyMs
  }

  /** Adds a node that is online and linked to all others. */
  join(nodeId: NodeId): MemoryNode {
    const node = new MemoryNode(this, nodeId)
    this.#nodes.set(toHex(nodeId), node)
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
    if (up) this.#cut.delete(linkKey(a, b))
    else this.#cut.add(linkKey(a, b))
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
    return a !== b && a.online && b.online && !this.#cut.has(linkKey(a.nodeId, b.nodeId))
  }

  linkedTo(node: MemoryNode): MemoryNode[] {
    return this.nodes.filter((other) => this.isLinked(node, other))
  }

  /** Runs `fn` one latency later if the link still stands then. */
  deliver(from: MemoryNode, to: MemoryNode, fn: () => void): void {
    const [min, max] = this.#latencyMs
    const latency = min + uniform(this.#rng) * (max - min)
    this.clock.setTimer(latency, () => {
      if (this.isLinked(from, to)) fn()
    })
  }

  #tell(a: MemoryNode, b: MemoryNode, up: boolean): void {
    a.peers.tell({ nodeId: b.nodeId, up })
    b.peers.tell({ nodeId: a.nodeId, up })
  }
}

export class MemoryNode {
  readonly nodeId: NodeId
  readonly pubsub: MemoryPubSub
  readonly requests: MemoryRequests
  readonly links: MemoryLinks
  readonly peers: MemoryPeers
  readonly kademlia: Kademlia
  online = true

  constructor(network: MemoryNetwork, nodeId: NodeId) {
    this.nodeId = nodeId
    this.pubsub = new MemoryPubSub(network, this)
    this.requests = new MemoryRequests(network, this)
    this.links = new MemoryLinks(network, this)
    this.peers = new MemoryPeers(network, this)
    this.kademlia = { closest: async (key) => closest(network, this, key) }
  }
}

/** Floods each accepted message to all neighbours; remembers ids before validation, as gossipsub does. */
export class MemoryPubSub implements PubSub {
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #handlers = new Map<string, TopicHandler>()
  readonly #seen = new Set<string>()

  constructor(network: MemoryNetwork, node: MemoryNode) {
    this.#network = network
    this.#node = node
  }

  subscribe(topic: string, handler: TopicHandler): void {
    if (this.#handlers.has(topic)) throw new HearsayError('bug', 'topic already has a handler')
    this.#handlers.set(topic, handler)
  }

  async publish(topic: string, message: Uint8Array): Promise<number> {
    return this.#spread(topic, message)
  }

  /** Sends bytes to one neighbour without validating them here: what an attacker does. */
  inject(to: NodeId, topic: string, message: Uint8Array): void {
    const target = this.#network.find(to)
    if (target === undefined) return
    this.#network.deliver(this.#node, target, () =>
      target.pubsub.receive(topic, message, this.#node.nodeId),
    )
  }

  meshPeers(topic: string): number {
    return this.#subscribers(topic).length
  }

  receive(topic: string, message: Uint8Array, from: NodeId): void {
    const handler = this.#handlers.get(topic)
    const key = this.#key(topic, message)
    if (handler === undefined || key === undefined || this.#seen.has(key)) return
    this.#seen.add(key)
    void Promise.resolve(handler.validate(message, from)).then(
      (verdict) => {
        if (verdict !== 'accept') return
        handler.handle(message, from)
        this.#spread(topic, message, from)
      },
      () => undefined,
    )
  }

  #spread(topic: string, message: Uint8Array, from?: NodeId): number {
    const key = this.#key(topic, message)
    if (key !== undefined) this.#seen.add(key)
    const origin = from === undefined ? '' : toHex(from)
    // All nodes compute the same id, so a copy that its receiver would drop is not sent.
    const targets = this.#subscribers(topic).filter(
      (other) => toHex(other.nodeId) !== origin && !other.pubsub.#seen.has(key ?? ''),
    )
    const copy = message.slice()
    for (const target of targets) {
      this.#network.deliver(this.#node, target, () =>
        target.pubsub.receive(topic, copy, this.#node.nodeId),
      )
    }
    return targets.length
  }

  #subscribers(topic: string): MemoryNode[] {
    return this.#network.linkedTo(this.#node).filter((other) => other.pubsub.#handlers.has(topic))
  }

  #key(topic: string, message: Uint8Array): string | undefined {
    const id = this.#handlers.get(topic)?.messageId(message)
    return id === undefined ? undefined : `${topic} ${toHex(id)}`
  }
}

export class MemoryPeers implements Peers {
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #listeners = new Set<(change: PeerChange) => void>()
  /** Points by node in hex, never fading: a test reads what was imposed. */
  readonly penalties = new Map<string, number>()

  constructor(network: MemoryNetwork, node: MemoryNode) {
    this.#network = network
    this.#node = node
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

function linkKey(a: NodeId, b: NodeId): string {
  return [toHex(a), toHex(b)].toSorted().join(' ')
}
