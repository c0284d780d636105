import { type Clock, type Rng, shuffled, uniform } from '../../src/base/index.ts'
import { HEARTBEAT_MS, MESH_DEGREE_LAZY } from '../../src/net/constants.ts'
import type { MemoryNode } from './memory-net.ts'

export interface MemoryMeshPorts {
  readonly clock: Clock
  readonly rng: Rng
  /** Neighbours that listen to the topic. */
  readonly subscribers: () => readonly MemoryNode[]
  /** Tells one of them of a message. */
  readonly tell: (target: MemoryNode, key: string, message: Uint8Array) => void
}

export interface MemoryMeshOptions {
  readonly node: MemoryNode
  readonly topic: string
  readonly degree: number
}

/** Heartbeats at which others are told of a message: gossipsub's default. */
const TOLD_TIMES = 3

interface Told {
  readonly key: string
  readonly message: Uint8Array
  times: number
}

/**
 * The mesh of one node and topic, as gossipsub keeps it, without its scores: links that are filled up and cut back at
 * heartbeats, and both ends agree on. Below two thirds of its degree it is filled, above five thirds cut.
 */
export class MemoryMesh {
  readonly #ports: MemoryMeshPorts
  readonly #options: MemoryMeshOptions
  readonly #phaseMs: number
  /** By key: what a node refers to is counted as its own. */
  readonly #members = new Set<string>()
  #told: Told[] = []
  #isAwake = false
  /** Who joins a topic fills its mesh, however many have taken it into theirs. */
  #hasJoined = false

  constructor(ports: MemoryMeshPorts, options: MemoryMeshOptions) {
    this.#ports = ports
    this.#options = options
    this.#phaseMs = uniform(ports.rng) * HEARTBEAT_MS
    this.wake()
  }

  /** At the next heartbeat there may be something to do. */
  wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    const { clock } = this.#ports
    const since = (clock.monotonic() + HEARTBEAT_MS - this.#phaseMs) % HEARTBEAT_MS
    clock.setTimer(HEARTBEAT_MS - since, () => {
      this.#isAwake = false
      this.#beat()
    })
  }

  members(): MemoryNode[] {
    return this.#ports.subscribers().filter(({ key }) => this.#members.has(key))
  }

  /** Who gets a message at once: who publishes one finds as many as its mesh should have. */
  targets(isOwn: boolean): MemoryNode[] {
    const members = this.members()
    if (!isOwn || members.length >= this.#options.degree) return members
    const more = this.#shuffled(this.#others()).slice(0, this.#options.degree - members.length)
    return [...members, ...more]
  }

  /** Those outside the mesh are told of it at the next heartbeats. */
  announce(key: string, message: Uint8Array): void {
    this.#told.push({ key, message, times: TOLD_TIMES })
    this.wake()
  }

  /** False when this mesh has enough. */
  graft({ key }: MemoryNode): boolean {
    if (this.#members.size >= this.#high) return false
    this.#members.add(key)
    return true
  }

  prune({ key }: MemoryNode): void {
    this.#members.delete(key)
    this.wake()
  }

  get #low(): number {
    return Math.ceil((2 * this.#options.degree) / 3)
  }

  get #high(): number {
    return Math.ceil((5 * this.#options.degree) / 3)
  }

  /** Neighbours outside the mesh. */
  #others(): MemoryNode[] {
    return this.#ports.subscribers().filter(({ key }) => !this.#members.has(key))
  }

  #shuffled(nodes: readonly MemoryNode[]): MemoryNode[] {
    return shuffled(this.#ports.rng, nodes)
  }

  #beat(): void {
    const { node } = this.#options
    if (!node.online) return
    this.#tend()
    const others = this.#others()
    for (const each of this.#told) {
      each.times--
      // Who has it would not ask for it.
      const lacks = ({ pubsub }: MemoryNode): boolean => !pubsub.hasSeen(each.key)
      if (!others.some(lacks)) continue
      for (const other of this.#shuffled(others).slice(0, MESH_DEGREE_LAZY).filter(lacks)) {
        this.#ports.tell(other, each.key, each.message)
      }
    }
    this.#told = this.#told.filter(({ times }) => times > 0)
    if (this.#told.length > 0) this.wake()
  }

  #tend(): void {
    const { node, topic, degree } = this.#options
    const members = this.members()
    this.#members.clear()
    for (const { key } of members) this.#members.add(key)
    if (!this.#hasJoined || this.#members.size < this.#low) {
      const others = this.#others()
      this.#hasJoined ||= members.length + others.length > 0
      for (const other of this.#shuffled(others)) {
        if (this.#members.size >= degree) break
        if (other.pubsub.mesh(topic)?.graft(node) === true) this.#members.add(other.key)
      }
    } else if (this.#members.size > this.#high) {
      for (const other of this.#shuffled(members).slice(degree)) {
        this.prune(other)
        other.pubsub.mesh(topic)?.prune(node)
      }
    }
  }
}
