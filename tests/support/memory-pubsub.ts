import { HearsayError, type NodeId, toHex } from '../../src/base/index.ts'
import {
  GRAYLIST_THRESHOLD,
  type PubSub,
  type TopicHandler,
  type Verdict,
} from '../../src/net/index.ts'
import { SEEN_TTL_MS } from '../../src/net/constants.ts'
import { MemoryMesh } from './memory-mesh.ts'
import type { MemoryNetwork, MemoryNode } from './memory-net.ts'

/**
 * Sends each accepted message to all neighbours, or to those of a mesh; remembers ids before validation, as gossipsub
 * does.
 */
export class MemoryPubSub implements PubSub {
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #handlers = new Map<string, TopicHandler>()
  /** By topic, with `meshDegree`. */
  readonly #meshes = new Map<string, MemoryMesh>()
  /** Ids of messages and when they are forgotten, oldest first. */
  readonly #seen = new Map<string, number>()
  /** Largest message by topic; longer ones are rejected unread. */
  limits: ReadonlyMap<string, number> = new Map()

  constructor(network: MemoryNetwork, node: MemoryNode) {
    this.#network = network
    this.#node = node
  }

  subscribe(topic: string, handler: TopicHandler): void {
    if (this.#handlers.has(topic)) throw new HearsayError('bug', 'topic already has a handler')
    this.#handlers.set(topic, handler)
    const { clock, rng, options } = this.#network
    const { meshDegree: degree } = options
    if (degree === undefined) return
    const ports = {
      clock,
      rng,
      subscribers: () => this.#subscribers(topic),
      tell: (target: MemoryNode, key: string, message: Uint8Array) =>
        this.#tell(target, topic, key, message),
    }
    this.#meshes.set(topic, new MemoryMesh(ports, { node: this.#node, topic, degree }))
  }

  async publish(topic: string, message: Uint8Array): Promise<number> {
    return this.#spread(topic, message)
  }

  /** Topics that are listened to. */
  get topics(): readonly string[] {
    return [...this.#handlers.keys()]
  }

  /** Sends bytes to one neighbour without validating them here: what an attacker does. */
  inject(to: NodeId, topic: string, message: Uint8Array): void {
    const target = this.#network.find(to)
    if (target !== undefined) this.#send(target, topic, message)
  }

  meshPeers(topic: string): number {
    return (this.#meshes.get(topic)?.members() ?? this.#subscribers(topic)).length
  }

  /** Undefined for a topic that it does not listen to. */
  mesh(topic: string): MemoryMesh | undefined {
    return this.#meshes.get(topic)
  }

  hasSeen(key: string): boolean {
    return (this.#seen.get(key) ?? 0) > this.#network.clock.monotonic()
  }

  /** A link came or went. */
  onLink(other: MemoryNode, up: boolean): void {
    for (const mesh of this.#meshes.values()) {
      if (up) mesh.wake()
      else mesh.prune(other)
    }
  }

  receive(topic: string, message: Uint8Array, from: NodeId): void {
    const handler = this.#handlers.get(topic)
    const key = this.#key(topic, message)
    if (handler === undefined || key === undefined || this.hasSeen(key)) return
    if (this.#network.options.graylist === true && this.#isGraylisted(from)) return
    this.#note(key)
    void this.#judge(handler, topic, message, from).then(
      (verdict) => {
        if (verdict === 'reject') this.#node.peers.rejected(from)
        if (verdict !== 'accept') return
        handler.handle(message, from)
        this.#spread(topic, message, from)
      },
      () => undefined,
    )
  }

  async #judge(
    handler: TopicHandler,
    topic: string,
    message: Uint8Array,
    from: NodeId,
  ): Promise<Verdict> {
    if (message.length > (this.limits.get(topic) ?? Number.POSITIVE_INFINITY)) return 'reject'
    return handler.validate(message, from)
  }

  #note(key: string): void {
    const now = this.#network.clock.monotonic()
    for (const [oldest, until] of this.#seen) {
      if (until > now) break
      this.#seen.delete(oldest)
    }
    if (!this.#seen.has(key)) this.#seen.set(key, now + SEEN_TTL_MS)
  }

  #isGraylisted(from: NodeId): boolean {
    return this.#node.peers.score(from) < GRAYLIST_THRESHOLD
  }

  #spread(topic: string, message: Uint8Array, from?: NodeId): number {
    const key = this.#key(topic, message) ?? ''
    if (key !== '') this.#note(key)
    const mesh = this.#meshes.get(topic)
    const origin = from === undefined ? '' : toHex(from)
    const all = mesh?.targets(from === undefined) ?? this.#subscribers(topic)
    // All nodes compute the same id, so a copy that its receiver would drop is not sent.
    const targets = all.filter((other) => other.key !== origin && !other.pubsub.hasSeen(key))
    const copy = message.slice()
    for (const target of targets) this.#send(target, topic, copy)
    mesh?.announce(key, copy)
    return targets.length
  }

  #send(target: MemoryNode, topic: string, message: Uint8Array): void {
    this.#network.send(this.#node, target, { kind: 'gossip', name: topic, bytes: message }, () =>
      target.pubsub.receive(topic, message, this.#node.nodeId),
    )
  }

  /** That there is a message; who lacks it asks for it. */
  #tell(target: MemoryNode, topic: string, key: string, message: Uint8Array): void {
    this.#network.deliver(this.#node, target, () => {
      if (target.pubsub.hasSeen(key)) return
      this.#network.deliver(target, this.#node, () => this.#send(target, topic, message))
    })
  }

  #subscribers(topic: string): MemoryNode[] {
    return this.#network.linkedTo(this.#node).filter(({ pubsub }) => pubsub.#handlers.has(topic))
  }

  #key(topic: string, message: Uint8Array): string | undefined {
    const handler = this.#handlers.get(topic)
    const id =
      handler && (this.#network.options.messageId?.(topic, message) ?? handler.messageId(message))
    return id === undefined ? undefined : `${topic} ${toHex(id)}`
  }
}
