import {
  type BoxBytes,
  concat,
  equalBytes,
  type NodeId,
  type Rng,
  silentLogger,
  toHex,
  u32be,
  uniform,
} from '../../../src/base/index.ts'
import {
  EPOCH_SMEAR_MS,
  SEALED_ANSWER_BYTES,
  SEALED_REQUEST_BYTES,
} from '../../../src/mix/constants.ts'
import type { MixEvent } from '../../../src/mix/counts.ts'
import { decodeMixFrame, type MixFrame } from '../../../src/mix/frame.ts'
import {
  type Emission,
  type KeeperAsk,
  type Layers,
  Mix,
  type MixDirectory,
  type MixNode,
  type MixPlace,
} from '../../../src/mix/index.ts'
import { MIX_PROTOCOL } from '../../../src/mix/mix-links.ts'
import type { Links } from '../../../src/net/index.ts'
import type { Store } from '../../../src/store/index.ts'
import { MemoryNetwork, type MemoryNode } from '../../support/memory-net.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { countedStore, nodeAt, paperBox, placeAt, serialOf, streamRng } from './fixtures.ts'

export interface MiniOptions {
  readonly seed: string
  /** Nodes in all; the first mix. */
  readonly nodes: number
  /** Mixes of each layer. */
  readonly sizes: readonly number[]
  readonly copies?: number
  readonly publishEvery?: number
  readonly slack?: number | '3sigma'
  readonly rejoinHoldMs?: number
  /** An hour if left out. */
  readonly keyEpochMs?: number
  /** How old the network is at the start; half a key epoch if left out. */
  readonly ageMs?: number
}

const SLOT_MS = 1_000
const DELAY_MS = 250
type Key = { readonly epoch: number; readonly key: Uint8Array }

/** A network of `Mix`es alone: directory, conversations, gossip and keepers are made of paper. */
export class MiniMix {
  readonly clock = new VirtualClock()
  readonly air: MemoryNetwork
  readonly nodes: MiniNode[] = []
  readonly options: MiniOptions
  readonly originMs: number
  readonly keyEpochMs: number
  /** Share of frames that every link loses. */
  loss = 0
  /** Layers and since when they are, wall clock. */
  #epochs: { readonly from: number; readonly layers: readonly MixPlace[][] }[] = []
  readonly #known = new Set<string>()
  readonly #keys = new Map<string, readonly Key[]>()
  readonly #cached = new Map<string, Layers<MixNode>>()

  constructor(options: MiniOptions) {
    this.options = options
    this.keyEpochMs = options.keyEpochMs ?? 3_600_000
    this.originMs = this.clock.now() - (options.ageMs ?? this.keyEpochMs / 2)
    this.air = new MemoryNetwork({ clock: this.clock, rng: this.rng('air') }, { latencyMs: [2, 8] })
    let next = 0
    const layers = options.sizes.map((size) => Array.from({ length: size }, () => placeAt(next++)))
    this.#epochs = [{ from: Number.NEGATIVE_INFINITY, layers }]
  }

  static async of(options: MiniOptions): Promise<MiniMix> {
    const mini = new MiniMix(options)
    for (let i = 0; i < options.nodes; i++) await mini.add(i)
    for (const node of mini.nodes) node.mix.start()
    // Links first, then whole slots.
    await mini.run(2_000)
    return mini
  }

  async add(index: number): Promise<MiniNode> {
    const node = new MiniNode(this, index)
    this.nodes.push(node)
    this.#known.add(toHex(node.id))
    await node.prepare()
    return node
  }

  rng(purpose: string): Rng {
    return streamRng(`${this.options.seed}/${purpose}`)
  }

  run(ms: number): Promise<void> {
    return this.clock.advance(ms)
  }

  slots(count: number): Promise<void> {
    return this.run(count * SLOT_MS)
  }

  async stop(): Promise<void> {
    const stopped = Promise.all(this.nodes.map((node) => node.mix.stop()))
    await this.run(5_000)
    await stopped
  }

  at(index: number): MiniNode {
    return this.nodes[index] as MiniNode
  }

  /** The mixes of a layer. */
  layer(index: number): MiniNode[] {
    const places = this.#placesAt(this.clock.now()).at(index) ?? []
    return this.nodes.filter(({ id }) => places.some((each) => equalBytes(each.nodeId, id)))
  }

  isKnown(node: NodeId): boolean {
    return this.#known.has(toHex(node))
  }

  /** How long around the beginning of an epoch both sets of mixes are used. */
  get smearMs(): number {
    return Math.min(EPOCH_SMEAR_MS, this.keyEpochMs / 20)
  }

  /** In `inMs` an epoch begins with these layers, given by the numbers of their nodes. */
  turn(layers: readonly (readonly number[])[], inMs = 0): void {
    const places = layers.map((layer) => layer.map((index) => placeAt(index)))
    this.#epochs = [...this.#epochs, { from: this.clock.now() + inMs, layers: places }]
  }

  #placesAt(time: number): readonly MixPlace[][] {
    return this.#epochs.findLast(({ from }) => from <= time)?.layers ?? []
  }

  setKeys(node: NodeId, keys: readonly Key[]): void {
    this.#keys.set(toHex(node), keys)
    this.#cached.clear()
  }

  layers(time: number): Layers<MixNode> | undefined {
    const keyEpoch = Math.floor((time - this.originMs) / this.keyEpochMs)
    const places = this.#placesAt(time)
    const name = `${this.#epochs.findLastIndex(({ from }) => from <= time)} ${keyEpoch}`
    const known = this.#cached.get(name)
    if (known !== undefined) return known
    const found = places.map((layer) =>
      layer.flatMap((place) => {
        const keys = this.#keys.get(toHex(place.nodeId))
        const publicKey = keys?.find(({ epoch }) => epoch === keyEpoch)?.key
        return publicKey === undefined ? [] : [{ ...place, publicKey }]
      }),
    )
    if (found.length === 0 || found.some((layer) => layer.length === 0)) return undefined
    this.#cached.set(name, found)
    return found
  }

  nextMixes(): readonly (readonly NodeId[])[] {
    return (this.#epochs.at(-1)?.layers ?? []).map((layer) => layer.map(({ nodeId }) => nodeId))
  }

  /** What all nodes have counted. */
  get counted(): Partial<Record<MixEvent, number>> {
    const sum: Partial<Record<MixEvent, number>> = {}
    for (const { counted } of this.nodes) {
      for (const [event, count] of Object.entries(counted)) {
        sum[event as MixEvent] = (sum[event as MixEvent] ?? 0) + count
      }
    }
    return sum
  }
}

/** One node; what its links do can be bent. */
export class MiniNode {
  readonly id: NodeId
  readonly index: number
  readonly memory: MemoryNode
  readonly emissions: Emission[] = []
  /** Boxes that this node brought into gossip as a courier. */
  readonly published: BoxBytes[] = []
  readonly fates: { readonly serial: number; readonly hasLeft: boolean }[] = []
  /** Serials of the real boxes that were given to the mix. */
  readonly filled: number[] = []
  readonly answers: (Uint8Array | undefined)[] = []
  /** Whether a real question might be asked, for each that was. */
  readonly asked: boolean[] = []
  /** Frames from neighbours, as they came. */
  readonly heard: { readonly from: NodeId; readonly frame: Uint8Array }[] = []
  waiting = 0
  /** False while its return has not been noticed. */
  isLinked = true
  /** Keeper of the next question. */
  keeper: NodeId | undefined
  /** What goes over the link for a frame; its own frames and those of others alike. */
  bend: (frame: MixFrame, bytes: Uint8Array, to: NodeId) => readonly Uint8Array[] = (_f, bytes) => [
    bytes,
  ]
  /** False: the link towards `to` takes nothing. */
  takes: (to: NodeId) => boolean = () => true
  mix!: Mix
  store!: Store
  inject: (from: NodeId, frame: Uint8Array) => void = () => undefined
  readonly #mini: MiniMix
  #restarts = 0
  #serial: number

  constructor(mini: MiniMix, index: number) {
    this.#mini = mini
    this.index = index
    this.id = nodeAt(index)
    this.memory = mini.air.join(this.id)
    this.#serial = index * 10_000
  }

  async prepare(): Promise<void> {
    const counted = await countedStore(this.#mini.clock, {
      rng: this.#mini.rng(`${this.index} disk`),
    })
    this.store = counted.store
    await this.#assemble()
  }

  /** Stops hard, and comes back on the same disk. */
  async restart(): Promise<void> {
    const stopped = this.mix.stop()
    await this.#mini.run(3_000)
    await stopped
    this.#restarts++
    await this.#assemble()
  }

  get counted(): Partial<Record<MixEvent, number>> {
    return this.mix.status().counts
  }

  get #place(): MixPlace {
    return placeAt(this.index)
  }

  async #assemble(): Promise<void> {
    const mini = this.#mini
    const { copies = 1, publishEvery = 4, slack = 4, rejoinHoldMs = 0, sizes } = mini.options
    const { clock } = mini
    const directory: MixDirectory = {
      self: this.#place,
      layers: (time) => mini.layers(time),
      nextMixes: () => mini.nextMixes(),
      nodes: () => mini.nodes.map(({ id }) => id),
      isKnown: (node) => mini.isKnown(node),
    }
    this.mix = new Mix(
      {
        clock,
        rng: mini.rng(`${this.index} mix ${this.#restarts}`),
        log: silentLogger,
        store: this.store,
        links: this.#links(),
        peers: this.memory.peers,
        directory,
        source: {
          work: async () => undefined,
          nextBox: async () => this.#nextBox(),
          published: async (box, hasLeft) =>
            void this.fates.push({ serial: serialOf(box), hasLeft }),
          coverBox: () => paperBox(clock, 'cover', this.#serial++),
          nextAsk: (mayBeReal) => this.#nextAsk(mayBeReal),
        },
        publish: { publish: async (box) => this.published.push(box.slice() as BoxBytes) },
        keeper: { answer: async (sealed) => answerTo(sealed) },
        isLinked: () => this.isLinked,
        publishEvery: () => publishEvery,
        onKeys: (keys) => mini.setKeys(this.id, keys),
        onEmission: (emission) => void this.emissions.push(emission),
      },
      {
        suite: 'x25519',
        layers: sizes.length,
        mixDelayMs: DELAY_MS,
        copies,
        slotMs: SLOT_MS,
        epochMs: 240 * SLOT_MS,
        keyEpochMs: mini.keyEpochMs,
        originMs: mini.originMs,
        slack,
        rejoinHoldMs,
      },
    )
    mini.setKeys(this.id, await this.mix.prepare())
  }

  #nextBox(): BoxBytes | undefined {
    if (this.waiting === 0) return undefined
    this.waiting--
    const box = paperBox(this.#mini.clock, 'real', this.#serial++)
    this.filled.push(serialOf(box))
    return box
  }

  #nextAsk(mayBeReal: boolean): KeeperAsk | undefined {
    this.asked.push(mayBeReal)
    if (this.keeper === undefined) return undefined
    const sealed = new Uint8Array(SEALED_REQUEST_BYTES).fill(this.asked.length)
    // No question is asked twice.
    sealed.set(concat(u32be(this.index), u32be(this.asked.length)))
    const wanted = toHex(answerTo(sealed))
    return {
      keeper: this.keeper,
      sealed,
      settle: (answer) => {
        if (answer !== undefined && toHex(answer) !== wanted) throw new Error('another answer')
        this.answers.push(answer)
      },
    }
  }

  /** The node's links, with everything that can happen to a frame. */
  #links(): Links {
    const links = this.memory.links
    const random = this.#mini.rng(`${this.index} loss ${this.#restarts}`)
    const isFirst = this.#restarts === 0
    return {
      accept: (protocol, options, onFrame) => {
        this.inject = onFrame
        const hear = (from: NodeId, frame: Uint8Array) => {
          this.heard.push({ from, frame: frame.slice() })
          this.inject(from, frame)
        }
        if (isFirst) links.accept(protocol, options, hear)
      },
      isOpen: (peer, protocol) => links.isOpen(peer, protocol),
      open: (peer, protocol) => links.open(peer, protocol),
      close: (peer, protocol) => links.close(peer, protocol),
      send: (peer, protocol, bytes) => {
        if (!this.takes(peer)) return false
        if (!links.isOpen(peer, protocol)) return false
        for (const each of this.bend(decodeMixFrame(this.mix.geometry, bytes), bytes, peer)) {
          if (uniform(random) >= this.#mini.loss) links.send(peer, protocol, each)
        }
        return true
      },
    }
  }

  /** Sends any bytes to a neighbour, past its own mix. */
  async throwAt(to: MiniNode, bytes: Uint8Array): Promise<void> {
    if (!this.memory.links.isOpen(to.id, MIX_PROTOCOL)) {
      await this.memory.links.open(to.id, MIX_PROTOCOL)
    }
    this.memory.links.send(to.id, MIX_PROTOCOL, bytes)
  }

  /** True when no slot went without a packet and none had two. */
  get sendsInEverySlot(): boolean {
    const [first] = this.emissions
    return this.emissions.every(({ slot }, i) => slot === (first?.slot ?? 0) + i)
  }
}

/** What a keeper says to a question. */
export function answerTo(sealed: Uint8Array): Uint8Array {
  const answer = new Uint8Array(SEALED_ANSWER_BYTES)
  answer.set(sealed.map((byte) => byte ^ 0x5a))
  return answer
}
