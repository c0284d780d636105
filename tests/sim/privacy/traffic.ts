import { uniformInt } from '../../../src/base/index.ts'
import { FETCH_SHARE, REPLY_FLOOR_MS } from '../../../src/mix/constants.ts'
import { drawDelay } from '../../../src/mix/delay.ts'
import type { RequestKind } from '../../../src/mix/ports.ts'
import { drawRoute } from '../../../src/mix/route.ts'
import { cycleOf, drawPublishSlot, type SlotGrid } from '../../../src/mix/schedule.ts'
import { EventQueue } from './event-queue.ts'
import type { FastRng } from './fast-rng.ts'
import type { Observer } from './observer.ts'
import type { SimPlace } from './place.ts'

/** How packets are sent. The first of each is the adopted design; the others show what its rule is worth. */
export interface Rules {
  /** `layered`: one mix per layer. `free`: any different nodes in any order. */
  readonly topology: 'layered' | 'free'
  /** `slotted`: one packet in every slot. `poisson`: at exponential intervals of the same mean. */
  readonly emission: 'slotted' | 'poisson'
  /** `private`: drawn by the node. `public`: everybody can compute which slot of a node publishes. */
  readonly position: 'private' | 'public'
  /** `alike`: every request is answered. `unpublished`: all but publications. `none`: no request is. */
  readonly replies: 'alike' | 'unpublished' | 'none'
  /** `disjoint`: the copies of a box take different mixes. `same`: one route for all copies. */
  readonly copyRoutes: 'disjoint' | 'same'
}

export interface TrafficOptions {
  readonly rules: Rules
  readonly places: readonly SimPlace[]
  readonly layers: readonly (readonly SimPlace[])[]
  readonly slotMs: number
  readonly mixDelayMs: number
  /** Mean of the exponential part of the time between an act and its reply, milliseconds. */
  readonly replyDelayMs: number
  readonly layerEpochMs: number
  readonly publishEvery: number
  readonly copies: number
  /** Shortest and longest latency of a link, milliseconds. */
  readonly linkMs: readonly [number, number]
  /** Nodes whose packets the observer knows anyhow: it is told nothing about them. */
  readonly isCorrupt: Uint8Array
  /** Nodes whose publications belong to a linked stream. */
  readonly isVictim: Uint8Array
  /** Boxes that begin in [0, `linkedUntil`) are told to the observer, milliseconds. */
  readonly linkedUntil: number
}

/** A publication of a linked stream: what the hostile contact knows of it, and who it is from. */
export interface LinkedPublication {
  readonly node: number
  /** 0, 1, … of this node in this epoch. */
  readonly box: number
  readonly copy: number
}

/** Counts over a run, for rates and checks. */
export interface TrafficCounts {
  /** Packets handed to a link, by sending node. */
  readonly sent: Float64Array
  emitted: number
  publications: number
  delivered: number
  /** Routes whose first hop is their own sender: such a packet crosses no link. */
  selfHops: number
}

const KINDS: readonly RequestKind[] = ['publish', 'fetch', 'echo']
const [PUBLISH, FETCH, ECHO] = [0, 1, 2] as const

/** Low bits of an event: what it is. The rest is the node or the packet. */
const [EMIT, ARRIVE, DEPART, REPLY] = [0, 1, 2, 3] as const

/**
 * The traffic of one epoch: every node originates packets over routes of the real `drawRoute`, mixes hold them for
 * the real `drawDelay`, publishing slots come from the real `drawPublishSlot`. Times are milliseconds from the
 * beginning of the epoch; it is started earlier, so that pools are full at 0. No packet is lost.
 */
export class Traffic {
  readonly counts: TrafficCounts
  readonly #rng: FastRng
  readonly #observer: Observer
  readonly #options: TrafficOptions
  readonly #grid: SlotGrid
  readonly #hops: number
  readonly #queue = new EventQueue()
  // Of each node.
  readonly #slot: Int32Array
  readonly #cycleFirst: Int32Array
  readonly #publishSlot: Int32Array
  readonly #publicPosition: Int32Array
  readonly #copy: Int32Array
  readonly #box: Int32Array
  readonly #boxes: Int32Array
  readonly #boxHops: SimPlace[][]
  // Of each packet; a packet is a row, and free rows are reused.
  #origin = new Int32Array(1_024)
  #kind = new Uint8Array(1_024)
  #hop = new Uint8Array(1_024)
  #publication = new Int32Array(1_024)
  readonly #routes: (readonly SimPlace[])[] = []
  readonly #free: number[] = []
  #rows = 0
  readonly #linked: LinkedPublication[] = []

  constructor(ports: { rng: FastRng; observer: Observer }, options: TrafficOptions) {
    const nodes = options.places.length
    this.#rng = ports.rng
    this.#observer = ports.observer
    this.#options = options
    this.#hops = options.layers.length
    this.#grid = { originMs: 0, slotMs: options.slotMs, epochMs: options.layerEpochMs }
    this.#slot = new Int32Array(nodes)
    this.#cycleFirst = new Int32Array(nodes).fill(-(2 ** 31))
    this.#publishSlot = new Int32Array(nodes)
    this.#publicPosition = Int32Array.from({ length: nodes }, () =>
      uniformInt(ports.rng, options.publishEvery),
    )
    this.#copy = new Int32Array(nodes).fill(-1)
    this.#box = new Int32Array(nodes).fill(-1)
    this.#boxes = new Int32Array(nodes)
    this.#boxHops = Array.from({ length: nodes }, () => [])
    const sent = new Float64Array(nodes)
    this.counts = { sent, emitted: 0, publications: 0, delivered: 0, selfHops: 0 }
  }

  /** Fills the queue with the first emission of every node. `from` ≤ 0. Called once. */
  begin(from: number): void {
    const first = Math.floor(from / this.#options.slotMs)
    for (let node = 0; node < this.#options.places.length; node++) {
      this.#slot[node] = first - 1
      this.#scheduleEmission(node, from)
    }
  }

  /** Runs all events before `until`. */
  run(until: number): void {
    while (this.#queue.nextTime < until) {
      const at = this.#queue.nextTime
      const event = this.#queue.pop()
      const subject = event >> 2
      const type = event & 3
      if (type === EMIT) this.#emit(subject, at)
      else if (type === ARRIVE) this.#arrive(subject, at)
      else if (type === DEPART) this.#depart(subject, at)
      else this.#reply(subject, at)
    }
  }

  /** The publication that the observer was told this number of. */
  linked(publication: number): LinkedPublication {
    return this.#linked[publication] as LinkedPublication
  }

  #scheduleEmission(node: number, now: number): void {
    const { slotMs, rules } = this.#options
    if (rules.emission === 'slotted') {
      const slot = (this.#slot[node] as number) + 1
      this.#slot[node] = slot
      this.#queue.push((slot + this.#rng.float()) * slotMs, (node << 2) | EMIT)
    } else {
      const at = now - slotMs * Math.log(1 - this.#rng.float())
      this.#queue.push(at, (node << 2) | EMIT)
    }
  }

  #emit(node: number, at: number): void {
    const { rules, isCorrupt } = this.#options
    const kind = this.#drawKind(node, at)
    const packet = this.#allocate()
    this.#origin[packet] = node
    this.#kind[packet] = kind
    this.#hop[packet] = 0
    this.#publication[packet] = -1
    if (kind === PUBLISH) {
      this.counts.publications++
      this.#beginCopy(packet, node, at)
    }
    this.#routes[packet] = this.#drawRoute(node, kind)
    this.counts.emitted++
    const mayPublish = rules.position === 'private' || kind === PUBLISH
    if (isCorrupt[node] === 0) this.#observer.emitted(packet, node, at, mayPublish)
    this.#cross(packet, node, at)
    this.#scheduleEmission(node, at)
  }

  #drawKind(node: number, at: number): number {
    const { rules, publishEvery, copies } = this.#options
    if (rules.emission === 'poisson') {
      if (this.#rng.float() * publishEvery >= 1) return this.#otherKind()
      this.#copy[node] = ((this.#copy[node] as number) + 1) % copies
      return PUBLISH
    }
    const slot = Math.floor(at / this.#grid.slotMs)
    const cycle = cycleOf(this.#grid, slot, publishEvery)
    if (cycle.first !== this.#cycleFirst[node]) {
      // The rounds of copies begin anew with the epoch, as its cycles do.
      const isFirst = (this.#cycleFirst[node] as number) < 0 && cycle.first >= 0
      this.#copy[node] = isFirst ? 0 : ((this.#copy[node] as number) + 1) % copies
      this.#cycleFirst[node] = cycle.first
      const fixed = cycle.first + (this.#publicPosition[node] as number)
      this.#publishSlot[node] =
        rules.position === 'private'
          ? drawPublishSlot(this.#rng, cycle, cycle.first)
          : Math.min(fixed, cycle.end - 1)
    }
    return slot === this.#publishSlot[node] ? PUBLISH : this.#otherKind()
  }

  #otherKind(): number {
    return this.#rng.float() < FETCH_SHARE ? FETCH : ECHO
  }

  /** The hops of a request, then those of its reply. */
  #drawRoute(node: number, kind: number): readonly SimPlace[] {
    const { rules, places, layers } = this.#options
    const self = places[node] as SimPlace
    if (rules.topology === 'free') return this.#drawFree(node)
    const avoid = kind === PUBLISH ? (this.#boxHops[node] as SimPlace[]) : []
    const request =
      rules.copyRoutes === 'same' && avoid.length > 0
        ? avoid.slice(0, this.#hops)
        : drawRoute(this.#rng, layers, { self, direction: 'request', avoid })
    if (kind === PUBLISH) avoid.push(...request)
    if (request[0] === self) this.counts.selfHops++
    if (rules.replies === 'none') return request
    return [...request, ...drawRoute(this.#rng, layers, { self, direction: 'reply' })]
  }

  #beginCopy(packet: number, node: number, at: number): void {
    const copy = this.#copy[node] as number
    if (copy === 0) {
      this.#boxHops[node] = []
      const isLinked = at >= 0 && at < this.#options.linkedUntil
      this.#box[node] = isLinked ? (this.#boxes[node] as number) : -1
      if (isLinked) this.#boxes[node] = (this.#boxes[node] as number) + 1
    }
    const box = this.#box[node] as number
    if (box < 0 || this.#options.isVictim[node] === 0) return
    this.#publication[packet] = this.#linked.push({ node, box, copy }) - 1
  }

  #drawFree(node: number): SimPlace[] {
    const { places } = this.#options
    const route: SimPlace[] = []
    while (route.length < this.#hops) {
      const hop = places[uniformInt(this.#rng, places.length)] as SimPlace
      if (hop.index !== node && !route.includes(hop)) route.push(hop)
    }
    return route
  }

  /** Puts a packet on the link to its next hop. */
  #cross(packet: number, from: number, at: number): void {
    const [shortest, longest] = this.#options.linkMs
    const arrival = at + shortest + (longest - shortest) * this.#rng.float()
    this.counts.sent[from] = (this.counts.sent[from] as number) + 1
    this.#queue.push(arrival, (packet << 2) | ARRIVE)
  }

  #arrive(packet: number, at: number): void {
    const route = this.#routes[packet] as readonly SimPlace[]
    const hop = this.#hop[packet] as number
    const mix = (route[hop] as SimPlace).index
    if (this.#isSeen(packet)) {
      if (hop === this.#hops - 1) this.#observer.arrivedAtCourier(packet, mix, at)
      else if (hop === route.length - 1) this.#observer.arrivedAtLast(packet, mix, at)
      else this.#observer.arrived(packet, mix, at)
    }
    const delay = drawDelay(this.#rng, this.#options.mixDelayMs)
    this.#queue.push(at + delay, (packet << 2) | DEPART)
  }

  #depart(packet: number, at: number): void {
    const route = this.#routes[packet] as readonly SimPlace[]
    const hop = this.#hop[packet] as number
    const mix = (route[hop] as SimPlace).index
    if (hop === this.#hops - 1) {
      this.#act(packet, mix, at)
    } else if (hop === route.length - 1) {
      const node = this.#origin[packet] as number
      this.counts.sent[mix] = (this.counts.sent[mix] as number) + 1
      this.counts.delivered++
      if (this.#isSeen(packet)) this.#observer.delivered(packet, mix, node, at)
      this.#release(packet)
    } else {
      if (this.#isSeen(packet)) this.#observer.departed(packet, mix, at)
      this.#hop[packet] = hop + 1
      this.#cross(packet, mix, at)
    }
  }

  #act(packet: number, courier: number, at: number): void {
    const { replies } = this.#options.rules
    const kind = this.#kind[packet] as number
    if (this.#isSeen(packet)) {
      const publication = this.#publication[packet] as number
      this.#observer.acted(packet, courier, at, KINDS[kind] as RequestKind, publication)
    }
    if (replies === 'none' || (replies === 'unpublished' && kind === PUBLISH)) {
      this.#release(packet)
      return
    }
    const delay = REPLY_FLOOR_MS + drawDelay(this.#rng, this.#options.replyDelayMs)
    this.#queue.push(at + delay, (packet << 2) | REPLY)
  }

  #reply(packet: number, at: number): void {
    const courier = this.#routes[packet]?.[this.#hops - 1] as SimPlace
    if (this.#isSeen(packet)) this.#observer.replied(packet, courier.index, at)
    this.#hop[packet] = this.#hops
    this.#cross(packet, courier.index, at)
  }

  #isSeen(packet: number): boolean {
    return this.#options.isCorrupt[this.#origin[packet] as number] === 0
  }

  #allocate(): number {
    const reused = this.#free.pop()
    if (reused !== undefined) return reused
    if (this.#rows === this.#origin.length) this.#grow()
    return this.#rows++
  }

  #release(packet: number): void {
    this.#free.push(packet)
  }

  #grow(): void {
    const length = 2 * this.#origin.length
    const grown = { origin: new Int32Array(length), publication: new Int32Array(length) }
    grown.origin.set(this.#origin)
    grown.publication.set(this.#publication)
    this.#origin = grown.origin
    this.#publication = grown.publication
    const [kind, hop] = [new Uint8Array(length), new Uint8Array(length)]
    kind.set(this.#kind)
    hop.set(this.#hop)
    this.#kind = kind
    this.#hop = hop
  }
}
