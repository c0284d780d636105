import {
  type Clock,
  equalBytes,
  type Logger,
  NODE_ID_BYTES,
  type NodeId,
  type Rng,
  TaskGroup,
  toHex,
  uniform,
} from '../base/index.ts'
import type { Links, Peers } from '../net/index.ts'
import {
  createSurb,
  type Geometry,
  type Hop,
  type MixSuite,
  openReply,
  sphinxGeometry,
  type SurbKeys,
  wrapPacket,
} from '../sphinx/index.ts'
import {
  EPOCH_SMEAR_MS,
  QUOTA_BLAME_POINTS,
  REPLY_FLOOR_MS,
  REPLY_SLACK_MS,
  REQUEST_BODY_BYTES,
} from './constants.ts'
import { Courier } from './courier.ts'
import { MixCounts, type MixEvent } from './counts.ts'
import { drawDelay } from './delay.ts'
import { Drain } from './drain.ts'
import { type BuiltPacket, Emitter } from './emitter.ts'
import { decodeMixFrame, encodeMixFrame, frameBytes, type MixFrame } from './frame.ts'
import { KeeperDesk } from './keeper-desk.ts'
import { KeyRing, type KeyRingPorts, type KeyTurn } from './key-ring.ts'
import { MixLinks } from './mix-links.ts'
import { allowanceOf, type FrameAllowance, NeighbourQuota } from './neighbour-quota.ts'
import type { Emission, KeeperPort, MixDirectory, MixNode, PublishPort, SlotWork } from './ports.ts'
import { type NarrowStore, ReplaySet } from './replay-set.ts'
import { Relay } from './relay.ts'
import { ReplyMonitor } from './reply-monitor.ts'
import { decodeReply, encodeRequest, type MixRequest } from './request.ts'
import { drawRoute, type Layers, type MixPlace } from './route.ts'
import type { SlotGrid } from './schedule.ts'
import { SurbBook } from './surb-book.ts'
import { UsableMixes } from './usable-mixes.ts'
import { linksOf } from './wanted-links.ts'

export interface MixPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly store: NarrowStore & KeyRingPorts['store']
  readonly links: Links
  readonly peers: Pick<Peers, 'penalise' | 'connected'>
  readonly directory: MixDirectory
  readonly source: SlotWork
  readonly publish: PublishPort
  readonly keeper: KeeperPort
  /** Slots per publication now; frozen for a directory epoch. */
  readonly publishEvery: () => number
  /** False until a return was noticed, and with it the hold that it asks for: nothing real leaves before. */
  readonly isLinked: () => boolean
  /** The public keys changed: the descriptor must say so. */
  readonly onKeys: (keys: readonly { epoch: number; key: Uint8Array }[]) => void
  /** Hears of every own packet at its write. Tests only: it marks what cover hides. */
  readonly onEmission?: (emission: Emission) => void
}

export interface MixOptions extends SlotGrid {
  readonly suite: MixSuite
  readonly layers: number
  readonly mixDelayMs: number
  readonly copies: number
  readonly keyEpochMs: number
  readonly slack: number | '3sigma'
  /** After `hold`, real boxes wait for a random time up to this, milliseconds. */
  readonly rejoinHoldMs: number
}

export interface MixStatus {
  /** Sizes of the layers of the running epoch, of mixes that are here. */
  readonly layers: readonly number[]
  /** These mixes, each once, in hexadecimal. */
  readonly mixes: readonly string[]
  /** Packets that each mix holds on average, requests and replies. */
  readonly poolPerMix: number
  /** Share of this node's last requests that were answered; undefined until enough is known. */
  readonly replyRate: number | undefined
  readonly state: 'on' | 'hold' | 'few-replies' | 'no-route'
  readonly isMix: boolean
  readonly links: { readonly open: number; readonly wanted: number }
  readonly counts: Readonly<Partial<Record<MixEvent, number>>>
}

/** All nodes that the directory does not know (yet): together they may send what one node may. */
const STRANGERS = new Uint8Array(NODE_ID_BYTES) as NodeId

/**
 * The mix stem: this node's own packets, what it relays, and what it does as a courier and a keeper. Own packets
 * and those of others meet on the links only, as frames of one size.
 */
export class Mix {
  readonly geometry: Geometry
  readonly #ports: MixPorts
  readonly #options: MixOptions
  readonly #self: NodeId
  readonly #tasks: TaskGroup
  readonly #counts = new MixCounts()
  readonly #monitor = new ReplyMonitor()
  readonly #keys: KeyRing
  readonly #replays: ReplaySet
  readonly #usable: UsableMixes
  readonly #surbs: SurbBook
  readonly #links: MixLinks
  readonly #quota: NeighbourQuota
  readonly #relay: Relay
  readonly #courier: Courier
  readonly #keeperDesk: KeeperDesk
  readonly #emitter: Emitter
  readonly #drain: Drain
  readonly #allowances = new Map<string, FrameAllowance>()
  readonly #smearMs: number
  /** Layers by which neighbours have their allowances: the running ones, and those that are about to begin. */
  #allowedBy: readonly Layers<MixNode>[] = []
  #allowedUntil = 0
  #heldUntil = 0

  constructor(ports: MixPorts, options: MixOptions) {
    const { clock, rng, store } = ports
    const log = ports.log.child('mix')
    const { mixDelayMs, slotMs, layers } = options
    const geometry = sphinxGeometry({
      suite: options.suite,
      hops: layers,
      bodyBytes: REQUEST_BODY_BYTES,
    })
    this.geometry = geometry
    this.#ports = ports
    this.#options = options
    // Once: where this node stands is found out anew with each question, and every frame asks who it is.
    this.#self = ports.directory.self.nodeId
    this.#tasks = new TaskGroup(log)
    this.#keys = new KeyRing({ clock, rng, log, store }, options)
    this.#replays = new ReplaySet({ store, clock })
    this.#usable = new UsableMixes({ rng }, options)
    this.#drain = new Drain({ clock }, options)
    const trips = 2 * layers + 1
    const patienceMs = REPLY_SLACK_MS + REPLY_FLOOR_MS + 3 * trips * mixDelayMs
    this.#surbs = new SurbBook({ clock }, { patienceMs })
    this.#smearMs = Math.min(EPOCH_SMEAR_MS, options.keyEpochMs / 20)
    this.#links = new MixLinks(
      {
        clock,
        rng,
        log,
        links: ports.links,
        wanted: () => this.#wantedLinks(),
        connected: () => ports.peers.connected(),
        onFrame: (from, frame) => this.#onFrame(from, frame),
      },
      {
        self: this.#self,
        frameBytes: frameBytes(geometry),
        lingerMs: patienceMs + this.#smearMs,
      },
    )
    this.#quota = new NeighbourQuota(
      { clock, allowance: (peer) => this.#allowance(peer) },
      { slotMs, lingerMs: patienceMs + this.#smearMs },
    )
    const shared = {
      clock,
      rng,
      log,
      counts: this.#counts,
      isKnown: (node: NodeId) => ports.directory.isKnown(node),
      deliver: (to: NodeId, frame: MixFrame) => this.#deliver(to, frame),
      spawn: (name: string, task: (signal: AbortSignal) => Promise<void>) =>
        this.#tasks.spawn(name, task),
    }
    const hop = { geometry, mixDelayMs }
    this.#courier = new Courier({ ...shared, publish: ports.publish }, hop)
    this.#keeperDesk = new KeeperDesk({ ...shared, keeper: ports.keeper })
    this.#relay = new Relay(
      {
        ...shared,
        keys: this.#keys,
        replays: this.#replays,
        arrive: (plaintext) => this.#courier.arrive(plaintext),
      },
      hop,
    )
    this.#emitter = new Emitter(
      {
        clock,
        rng,
        log,
        source: ports.source,
        publishEvery: ports.publishEvery,
        mayLeave: () => this.#realMayLeave(),
        build: (request, how) => this.#build(request, how),
        ...(ports.onEmission === undefined ? {} : { onEmission: this.#tap(ports.onEmission) }),
      },
      options,
    )
  }

  /** Reads keys and tags back, before anything arrives. @throws the store's codes. */
  async prepare(): Promise<readonly { epoch: number; key: Uint8Array }[]> {
    await this.#keys.start()
    // Of keys that ended while this node was away.
    await this.#replays.dropBefore(this.#keys.oldestHeld)
    await this.#replays.load(() => this.#keys.eraseUsed())
    return this.#keys.announce()
  }

  /** Begins to send. Frames are taken from the moment the net runs. */
  start(): void {
    this.#tasks.spawn('links', (signal) => this.#links.run(signal))
    this.#tasks.spawn('keys', (signal) => this.#keys.run(signal, (turn) => this.#turnKeys(turn)))
    this.#tasks.spawn('replies', (signal) => this.#expireReplies(signal))
    this.#emitter.start()
  }

  /**
   * Sends nothing of its own any more, hands on what it holds for others and what still comes, and ends. `hurried`: at
   * once, where others must not be able to hold up what comes after it.
   */
  async stop({ hurried = false }: { readonly hurried?: boolean } = {}): Promise<void> {
    await this.#emitter.stop()
    if (!hurried) await this.#drain.run(() => this.#relay.pending > 0 || this.#courier.open > 0)
    this.#relay.stop()
    this.#replays.stop()
    await this.#tasks.stop()
    this.#surbs.clear()
    this.#keys.stop()
  }

  /**
   * Begins a rejoin hold: for a random time only cover is published, else coming back names the sender. It never
   * shortens one that is under way. What was known of replies is forgotten: the absence explains it.
   */
  hold(): void {
    const { clock, rng } = this.#ports
    const until = clock.monotonic() + uniform(rng) * this.#options.rejoinHoldMs
    this.#heldUntil = Math.max(this.#heldUntil, until)
    this.#monitor.reset()
  }

  /** Ends the hold at the user's word (`send --now`). */
  releaseHold(): void {
    this.#heldUntil = 0
  }

  /** Milliseconds until real boxes leave again; 0 without a hold. */
  holdLeftMs(): number {
    return Math.max(0, this.#heldUntil - this.#ports.clock.monotonic())
  }

  /** A connection to this node stands (again): its link is opened with the next tick. */
  connected(node: NodeId): void {
    this.#links.connected(node)
  }

  /** False while this node can open no packet: for some key epochs after its home was restored. */
  get hasKey(): boolean {
    return this.#keys.isUsable
  }

  /** True when a route exists and its first links stand. */
  get isReady(): boolean {
    const layers = this.#layers()
    return layers?.[0]?.some((mix) => this.#isOpenTo(mix)) === true
  }

  status(): MixStatus {
    const layers = this.#layers() ?? []
    const { layers: hops, mixDelayMs, slotMs } = this.#options
    const nodes = this.#ports.directory.nodes().length
    const mixes = new Set(layers.flat().map((mix) => toHex(mix.nodeId)))
    const wanted = this.#wantedLinks()
    return {
      layers: layers.map((layer) => layer.length),
      mixes: [...mixes],
      poolPerMix: mixes.size === 0 ? 0 : (2 * nodes * hops * mixDelayMs) / (slotMs * mixes.size),
      replyRate: this.#monitor.rate,
      state: this.#state(layers),
      isMix: mixes.has(toHex(this.#self)),
      links: {
        open: wanted.filter((node) => this.#links.isOpen(node)).length,
        wanted: wanted.length,
      },
      counts: this.#counts.snapshot(),
    }
  }

  #state(layers: Layers): MixStatus['state'] {
    if (layers.length === 0) return 'no-route'
    if (this.holdLeftMs() > 0) return 'hold'
    return this.#isAlarmed() ? 'few-replies' : 'on'
  }

  /** Nothing tells the network that real boxes wait: cover leaves in their place. */
  #realMayLeave(): boolean {
    if (!this.#ports.isLinked() || this.#layers() === undefined) return false
    return this.holdLeftMs() === 0 && !this.#isAlarmed()
  }

  #isAlarmed(): boolean {
    const sizes = (this.#layers() ?? []).map((layer) => layer.length)
    return this.#monitor.isAlarmed(sizes)
  }

  #layers(time = this.#ports.clock.now()): Layers<MixNode> | undefined {
    return this.#usable.of(this.#ports.directory.layers(time))
  }

  #isOpenTo(mix: MixPlace): boolean {
    return this.#links.isOpen(mix.nodeId)
  }

  #wantedLinks(): readonly NodeId[] {
    const { directory } = this.#ports
    const running = (this.#layers() ?? []).map((layer) => layer.map((mix) => mix.nodeId))
    const sets = [running, directory.nextMixes()]
    return linksOf(sets, { self: this.#self, everybody: directory.nodes() })
  }

  #build(
    request: MixRequest,
    how: {
      readonly avoid: readonly MixPlace[]
      readonly settle: (answer: Uint8Array | undefined) => void
    },
  ): BuiltPacket | undefined {
    const { directory, rng } = this.#ports
    const here = { self: directory.self, isLinked: (mix: MixPlace) => this.#isOpenTo(mix) }
    const time = this.#ports.clock.now() + (2 * uniform(rng) - 1) * this.#smearMs
    for (;;) {
      const layers = this.#layers(time) ?? this.#layers()
      if (layers === undefined) {
        this.#counts.count('no-route')
        return undefined
      }
      const route = drawRoute(rng, layers, { ...here, direction: 'request', avoid: how.avoid })
      const back = drawRoute(rng, layers, { ...here, direction: 'reply' })
      try {
        return this.#wrap(request, { route, back }, how.settle)
      } catch (error) {
        if (!this.#usable.refuse([...route, ...back])) throw error
      }
    }
  }

  #wrap(
    request: MixRequest,
    { route, back }: { readonly route: readonly MixNode[]; readonly back: readonly MixNode[] },
    settle: (answer: Uint8Array | undefined) => void,
  ): BuiltPacket {
    const { rng } = this.#ports
    const surb = createSurb(rng, this.geometry, this.#hops(back), this.#self)
    const plaintext = new Uint8Array(this.geometry.plaintextBytes)
    plaintext.set(surb.bytes)
    plaintext.set(encodeRequest(rng, request), this.geometry.surbBytes)
    const packet = wrapPacket(rng, this.geometry, this.#hops(route), plaintext)
    plaintext.fill(0)
    surb.bytes.fill(0)
    const frame = encodeMixFrame(this.geometry, { kind: 'packet', packet })
    return { route, send: () => this.#send(route[0] as MixNode, frame, surb, settle) }
  }

  #hops(route: readonly MixNode[]): Hop[] {
    const { rng } = this.#ports
    const { mixDelayMs } = this.#options
    return route.map(({ nodeId, publicKey }) => ({
      nodeId,
      publicKey,
      delayMs: drawDelay(rng, mixDelayMs),
    }))
  }

  #send(
    first: MixNode,
    frame: Uint8Array,
    surb: { readonly id: Uint8Array; readonly keys: SurbKeys },
    settle: (answer: Uint8Array | undefined) => void,
  ): boolean {
    const hasLeft = this.#links.send(first.nodeId, frame)
    this.#counts.count(hasLeft ? 'sent' : 'not-sent')
    if (!hasLeft) {
      surb.keys.fill(0)
      return false
    }
    this.#surbs.add(surb.id, {
      keys: surb.keys,
      settle: (payload) => {
        const reply = payload && openReply(this.geometry, surb.keys, payload)
        surb.keys.fill(0)
        if (payload !== undefined && reply === undefined) this.#counts.count('tagged')
        this.#monitor.note(reply !== undefined)
        settle(reply && decodeReply(reply))
      },
    })
    return true
  }

  #deliver(to: NodeId, frame: MixFrame): boolean {
    return this.#links.send(to, encodeMixFrame(this.geometry, frame))
  }

  /** Never throws: a throw would end the neighbour's link, and tell that something about the frame was wrong. */
  #onFrame(from: NodeId, bytes: Uint8Array): void {
    let frame: MixFrame
    try {
      frame = decodeMixFrame(this.geometry, bytes)
    } catch {
      if (this.#isAllowed(from)) this.#counts.count('bad-frame')
      return
    }
    // What was waited for is as much as was asked; all else counts.
    if (frame.kind === 'reply' && this.#surbs.settle(frame.surbId, frame.payload)) return
    if (frame.kind === 'answer' && this.#courier.answered(from, frame.ref, frame.sealed)) return
    if (!this.#isAllowed(from)) return
    this.#drain.took()
    if (frame.kind === 'packet') this.#relay.take(frame.packet)
    else if (frame.kind === 'ask') this.#keeperDesk.asked(from, frame.ref, frame.sealed)
    else this.#counts.count(frame.kind === 'reply' ? 'unknown-reply' : 'unknown-answer')
  }

  #isAllowed(from: NodeId): boolean {
    if (equalBytes(from, this.#self)) return true
    // Ids cost nothing: with an allowance for each, a stranger would take a new one whenever the old is used up.
    const payer = this.#ports.directory.isKnown(from) ? from : STRANGERS
    if (this.#quota.take(payer)) return true
    this.#counts.count('quota')
    // A mix cannot see what others send over it, and strangers pay for each other: the fault may be somebody else's.
    const isAtFault = payer === from && !this.#isMix(from)
    if (isAtFault) this.#ports.peers.penalise(from, QUOTA_BLAME_POINTS)
    return false
  }

  #isMix(node: NodeId): boolean {
    const isIn = (layer: readonly MixNode[]) => layer.some((mix) => equalBytes(mix.nodeId, node))
    return this.#allowedBy.some((layers) => layers.some(isIn))
  }

  /** Asked with every frame, those of a flood too: who mixes is looked up a few times a slot only. */
  #allowance(peer: NodeId): FrameAllowance {
    const { clock, directory } = this.#ports
    const now = clock.monotonic()
    if (now >= this.#allowedUntil) {
      const running = this.#layers() ?? []
      // The first packets of an epoch come before it does: by the smear, and from clocks that are fast.
      const coming = this.#layers(clock.now() + 2 * this.#smearMs) ?? running
      const [first, second] = this.#allowedBy
      if (first !== running || second !== coming) this.#allowances.clear()
      this.#allowedBy = [running, coming]
      this.#allowedUntil = now + this.#options.slotMs / 4
    }
    const key = toHex(peer)
    const known = this.#allowances.get(key)
    if (known !== undefined) return known
    const nodes = directory.nodes().length
    const { slack } = this.#options
    const fresh = this.#allowedBy
      .map((layers) => allowanceOf(peer, this.#self, layers, { nodes, slack }))
      .reduce((a, b) => (a.burst >= b.burst ? a : b))
    this.#allowances.set(key, fresh)
    return fresh
  }

  async #turnKeys({ isOther }: KeyTurn): Promise<void> {
    if (isOther) this.#ports.onKeys(this.#keys.announce())
    await this.#replays.dropBefore(this.#keys.oldestHeld)
  }

  async #expireReplies(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#ports.clock.sleep(this.#options.slotMs, signal)
      this.#surbs.expire()
    }
  }

  #tap(listener: (emission: Emission) => void) {
    return (moment: {
      readonly slot: number
      readonly kind: Emission['kind']
      readonly dueAt: number
      readonly route: readonly { readonly nodeId: NodeId }[]
    }): void => {
      const to = moment.route[0]?.nodeId
      if (to === undefined) return
      const { slot, kind, dueAt } = moment
      listener({ slot, kind, dueAt, sentAt: this.#ports.clock.monotonic(), to })
    }
  }
}
