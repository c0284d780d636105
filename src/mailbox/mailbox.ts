import {
  type Address,
  type BoxBytes,
  type Clock,
  DAY_MS,
  dayOf,
  HOUR_MS,
  isHearsayError,
  type Logger,
  type NetworkId,
  type NodeId,
  type Rng,
  shuffled,
  TaskGroup,
  toHex,
  uniformInt,
} from '../base/index.ts'
import type { PeerChange, Peers, Requests } from '../net/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'
import type { NarrowStore } from './box-rows.ts'
import { quotaBoxes, type SpaceMarks } from './allowance.ts'
import { BoxRoom, type SpaceStore } from './box-room.ts'
import { BoxShelf } from './box-shelf.ts'
import { BoxSync, type SessionResult } from './box-sync.ts'
import { Confirmations } from './confirmations.ts'
import {
  BLAME_POINTS,
  CATCH_UP_PEERS,
  CONFIRM_SESSIONS,
  CONFIRM_INTERVAL_MS,
  DEFAULT_QUOTA_BYTES,
  MAX_BACK,
  NEIGHBOUR_INTERVAL_MS,
  RECONCILE_INTERVAL_MS,
  STORED_BOX_BYTES,
  SWEEP_INTERVAL_MS,
} from './constants.ts'
import { BoxFetch, type FetchResult, type KeeperQuestion } from './fetch.ts'
import { Handoff } from './handoff.ts'
import { retentionMs } from './intake.ts'
import type { DropReason, PlacementPort, PublicationPort } from './ports.ts'
import { SharedSets } from './shared-sets.ts'

const ITEMS_PER_TURN = 256

export interface MailboxPorts {
  readonly store: NarrowStore & SpaceStore
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly requests: Pick<Requests, 'request' | 'handle'>
  readonly peers: Pick<Peers, 'connected' | 'onChange' | 'penalise'>
  readonly placement: PlacementPort
  readonly publications: PublicationPort
  /** The one verifier of boxes. */
  readonly verifyBox: (box: BoxBytes) => boolean
}

export interface MailboxOptions {
  readonly networkId: NetworkId
  readonly nodeId: NodeId
  /** Opens what is sealed to this node as a keeper: X25519, 32 bytes. */
  readonly requestSeed: Uint8Array
  readonly parameters: {
    readonly ttlDays: number
    readonly hotHours: number
    /** Boxes per second of the whole network, at most. */
    readonly boxRate?: number
  }
  /** The quota: bytes on disk, about. Default `DEFAULT_QUOTA_BYTES`. */
  readonly maxBytes?: number
  /** How much of the disk stays free. By default none of it. */
  readonly marks?: SpaceMarks
}

export interface MailboxStatus {
  readonly boxes: number
  readonly hot: number
  readonly maxBoxes: number
  readonly unconfirmed: number
  /** Boxes not taken since the start, by reason. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
  /** What the boxes take on the disk, about. */
  readonly bytes: number
  readonly quotaBytes: number
  /** What they may take now: the quota, as far as the disk has room. */
  readonly roomBytes: number
  /** As measured over the last half hour to hour; absent before there is a measure. */
  readonly intake?: {
    /** New boxes that gossip brings. */
    readonly boxesPerHour: number
    /** How long a box stays that this node keeps, at that rate: see `retentionMs` of `intake.ts`. */
    readonly retentionMs: number
  }
}

/**
 * The boxes of this node and their ways in and out besides gossip: the hot window that is reconciled with random
 * peers, the boxes it keeps for the network, fetches, and handing over. Own boxes are treated like anybody's.
 */
export class Mailbox {
  readonly #ports: MailboxPorts
  readonly #options: MailboxOptions
  readonly #log: Logger
  readonly #tasks: TaskGroup
  readonly #shelf: BoxShelf
  readonly #room: BoxRoom
  readonly #shared: SharedSets
  readonly #confirmations: Confirmations
  readonly #sync: BoxSync
  readonly #fetch: BoxFetch
  readonly #handoff: Handoff
  /** Peers that came back: they may have what nobody here has. Oldest first. */
  readonly #back = new Map<string, NodeId>()
  #stopWatching: (() => void) | undefined
  /** Sessions that are still due after an absence. */
  #owed = 0
  /** Sessions close together that boxes to be confirmed still get: one that never is must not get them forever. */
  #hurried = 0
  readonly #dropped = new Map<DropReason, number>()
  readonly #confirmedListeners = new Set<(address: Address) => void>()

  constructor(ports: MailboxPorts, options: MailboxOptions) {
    const { parameters } = options
    const { ttlDays } = parameters
    const hotMs = parameters.hotHours * HOUR_MS
    this.#ports = ports
    this.#options = options
    this.#log = ports.log.child('mailbox')
    this.#tasks = new TaskGroup(this.#log)
    const quotaBytes = options.maxBytes ?? DEFAULT_QUOTA_BYTES
    this.#confirmations = new Confirmations({
      networkSize: () => ports.placement.size(),
      isKnown: (peer) => ports.placement.isKnown(peer),
    })
    this.#shelf = new BoxShelf(
      {
        ...ports,
        log: this.#log,
        onUnconfirmed: (entry, how) => this.#confirmations.add(entry, how),
        onGone: (entry) => {
          this.#confirmations.delete(entry)
          this.#shared.forget(entry)
        },
      },
      { ttlDays, hotMs, maxBoxes: quotaBoxes(quotaBytes) },
    )
    this.#room = new BoxRoom(
      {
        ...ports,
        log: this.#log,
        shelf: this.#shelf,
        spawn: (work) => this.#tasks.spawn('room', work),
      },
      { quotaBytes, ...(options.marks === undefined ? {} : { marks: options.marks }) },
    )
    const shared = {
      ...ports,
      shelf: this.#shelf,
      confirmations: this.#confirmations,
      onBrought: (entry: BoxEntry, peer: NodeId) => this.#brought(entry, peer),
    }
    this.#shared = new SharedSets({
      ...ports,
      shelf: this.#shelf,
      onUnconfirmed: (entry) => this.#countKept(entry),
    })
    this.#sync = new BoxSync(
      {
        ...shared,
        shared: this.#shared,
        onConfirmed: (entries) => this.#confirm(entries),
      },
      {
        hotMs,
        ...(parameters.boxRate === undefined ? {} : { boxesPerSecond: parameters.boxRate }),
      },
    )
    this.#fetch = new BoxFetch(shared, { ...options, ttlDays })
    this.#handoff = new Handoff(shared, { ttlDays })
  }

  /** Reads the hot window back, then answers, reconciles and sweeps. */
  async start(): Promise<void> {
    await this.#shelf.load()
    await this.#room.start()
    await this.#countHot()
    this.#stopWatching = this.#ports.peers.onChange((change) => this.#note(change))
    this.#sync.serve()
    this.#handoff.serve()
    this.#tasks.spawn('sweep', (signal) =>
      this.#every(SWEEP_INTERVAL_MS, signal, async () => {
        this.#shared.dropOld()
        await this.#countHot(signal)
        return this.#shelf.sweep(signal)
      }),
    )
    this.#tasks.spawn('reconcile', (signal) => this.#reconcileForever(signal))
    this.#tasks.spawn('neighbours', (signal) =>
      this.#every(NEIGHBOUR_INTERVAL_MS, signal, () => this.#reconcileNeighbour(signal)),
    )
  }

  async stop(): Promise<void> {
    this.#stopWatching?.()
    await this.#tasks.stop()
  }

  /**
   * The disk has so many bytes free: from now on the mailbox takes what fits, and lets go of what is too much. To be called
   * before the start, and whenever somebody has looked.
   */
  fit(freeBytes: number): void {
    this.#room.fit(freeBytes)
  }

  /** Another quota, in force from now on; what is beyond it goes. */
  setQuota(quotaBytes: number): void {
    this.#room.setQuota(quotaBytes)
  }

  /** See `BoxRoom.heldBytes`. */
  get heldBytes(): number {
    return this.#room.heldBytes
  }

  /** Stores the box of a publication that gossip accepted. Resolves when it is on disk or known. */
  async accept(publication: Uint8Array): Promise<void> {
    const outcome = await this.#shelf.take(publication, { source: 'gossip' })
    if (outcome.kind === 'kept') return
    this.#dropped.set(outcome.reason, (this.#dropped.get(outcome.reason) ?? 0) + 1)
    if (outcome.confirmed === undefined) return
    this.#confirmations.delete(outcome.confirmed)
    this.#tellConfirmed(outcome.confirmed)
  }

  /** Hashes of the boxes here under an address that others have too, at most two. */
  async lookup(address: Address): Promise<Uint8Array[]> {
    const held = (await this.#shelf.all(address)).map(({ entry }) => entry)
    return held.filter(({ confirmed }) => confirmed).map(({ boxHash }) => boxHash)
  }

  /**
   * The boxes here under any of the addresses that others have too: something may react to them. Those that are still being
   * written are waited for: whoever listens has heard them already, and missed them if it did not wait for their address then.
   */
  async find(addresses: readonly Address[]): Promise<BoxBytes[]> {
    const found: BoxBytes[] = []
    for (const address of addresses) {
      for (const { entry, publication } of await this.#shelf.settled(address)) {
        const box = entry.confirmed ? this.#ports.publications.boxOf(publication) : undefined
        if (box !== undefined) found.push(box)
      }
    }
    return found
  }

  /** See `BoxFetch.fetch`. `day`: UTC day of publishing. */
  fetch(
    address: Address,
    day: number,
    signal: AbortSignal,
    how: { readonly isAudit?: boolean } = {},
  ): Promise<FetchResult> {
    return this.#fetch.fetch(address, day, signal, how)
  }

  /** See `BoxFetch.failingKeepers`. */
  get failingKeepers(): number {
    return this.#fetch.failingKeepers
  }

  /** The next question to a keeper that somebody waits for. */
  nextQuestion(): KeeperQuestion | undefined {
    return this.#fetch.nextQuestion()
  }

  /** See `BoxFetch.idleQuestion`. */
  idleQuestion(): KeeperQuestion | undefined {
    return this.#fetch.idleQuestion()
  }

  /** This node's answer, as a keeper, to a question that was sealed to it. */
  answerSealed(sealed: Uint8Array): Promise<Uint8Array> {
    return this.#fetch.answerSealed(sealed)
  }

  /**
   * After an absence: reconciles the hot window with `CATCH_UP_PEERS` random peers; those that are not connected yet
   * follow within seconds. It names no box to them. `onSession` hears when one is over.
   * @throws HearsayError `aborted`.
   */
  async catchUp(signal: AbortSignal, onSession?: () => Promise<void>): Promise<void> {
    this.#owed = CATCH_UP_PEERS
    for (const peer of this.#partners().slice(0, CATCH_UP_PEERS)) {
      this.#owed--
      await this.reconcileHot(peer, signal, 'now')
      await onSession?.()
    }
  }

  /** One session over the hot window; undefined when it failed, which is the peer's loss. */
  reconcileHot(
    peer: NodeId,
    signal: AbortSignal,
    upTo: 'settled' | 'now' = 'settled',
  ): Promise<SessionResult | undefined> {
    return this.#blaming(peer, signal, () => this.#sync.pullHot(peer, upTo, signal))
  }

  /** One session over an expiry day of boxes that both nodes keep; undefined when it failed. */
  reconcileShared(
    peer: NodeId,
    expiryDay: number,
    signal: AbortSignal,
  ): Promise<SessionResult | undefined> {
    return this.#blaming(peer, signal, () => this.#sync.pullShared(peer, expiryDay, signal))
  }

  /** Before leaving for good: see `Handoff.handOver`. */
  handOver(signal: AbortSignal): Promise<number> {
    return this.#handoff.handOver(signal)
  }

  /** Calls with the address of a box that came unconfirmed and that others have too, when the disk says so. */
  onConfirmed(listener: (address: Address) => void): () => void {
    this.#confirmedListeners.add(listener)
    return () => this.#confirmedListeners.delete(listener)
  }

  status(): MailboxStatus {
    const { count, hot, maxBoxes } = this.#shelf
    const intake = this.#intake()
    return {
      boxes: count,
      hot: hot.size,
      maxBoxes,
      unconfirmed: this.#confirmations.size,
      dropped: Object.fromEntries(this.#dropped),
      bytes: count * STORED_BOX_BYTES,
      quotaBytes: this.#room.quotaBytes,
      roomBytes: this.#room.roomBytes,
      ...(intake === undefined ? {} : { intake }),
    }
  }

  #intake(): NonNullable<MailboxStatus['intake']> | undefined {
    const { rate } = this.#shelf.intake
    if (rate === undefined) return undefined
    const { ttlDays, hotHours } = this.#options.parameters
    const hotRoom = this.#shelf.hotRoom
    return {
      boxesPerHour: rate.heard * HOUR_MS,
      retentionMs: retentionMs(rate, hotRoom, {
        hotMs: hotHours * HOUR_MS,
        ttlMs: ttlDays * DAY_MS,
      }),
    }
  }

  /** Connected nodes in random order; strangers, whom the directory does not know, only if there is nobody else. */
  #partners(): NodeId[] {
    const { peers, placement, rng } = this.#ports
    const connected = peers.connected()
    const known = connected.filter((peer) => placement.isKnown(peer))
    return shuffled(rng, known.length > 0 ? known : connected)
  }

  /** A peer brought a box. Where the network is so small that nobody else is needed, that is enough. */
  async #brought(entry: BoxEntry, peer: NodeId): Promise<void> {
    const confirmed = this.#confirmations.listed(itemOf(entry), peer)
    if (confirmed === undefined) this.#hurried = CONFIRM_SESSIONS
    else await this.#confirm([confirmed])
  }

  async #confirm(entries: readonly BoxEntry[]): Promise<void> {
    for (const entry of entries) {
      // Another session may have been as far.
      if (!this.#confirmations.has(itemOf(entry))) continue
      await this.#shelf.confirm(entry)
      this.#confirmations.delete(entry)
      this.#tellConfirmed(entry)
    }
  }

  #countKept(entry: BoxEntry): void {
    const item = itemOf(entry)
    if (this.#confirmations.has(item)) return
    this.#confirmations.add(entry, { isHot: this.#shelf.hot.get(item) !== undefined })
  }

  /** Hot ones of an earlier run, and those for which there was no room. Kept ones are counted when a shared set has them. */
  async #countHot(signal?: AbortSignal): Promise<void> {
    let looked = 0
    for (const item of this.#shelf.hot.unconfirmed) {
      if (++looked % ITEMS_PER_TURN === 0) await this.#ports.clock.sleep(0, signal)
      const entry = this.#confirmations.has(item) ? undefined : this.#shelf.hot.get(item)
      if (entry !== undefined) this.#confirmations.add(entry, { isHot: true })
    }
  }

  #tellConfirmed({ address }: BoxEntry): void {
    for (const listener of this.#confirmedListeners) listener(address)
  }

  /** Runs a session; a peer at fault is blamed, and the node goes on. */
  async #blaming<T>(
    peer: NodeId,
    signal: AbortSignal,
    session: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await session()
    } catch (error) {
      if (signal.aborted || !isHearsayError(error)) throw error
      // A refused or broken request is the weather, not a lie.
      if (error.fault === 'peer' && error.code !== 'request-failed') {
        this.#ports.peers.penalise(peer, BLAME_POINTS)
      }
      this.#log.debug('reconciliation failed', { code: error.code })
      return undefined
    }
  }

  async #every(ms: number, signal: AbortSignal, run: () => Promise<unknown>): Promise<void> {
    while (!signal.aborted) {
      await run()
      await this.#ports.clock.sleep(ms, signal)
    }
  }

  async #reconcileForever(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports
    let waitedMs = 0
    let wasBack = false
    while (!signal.aborted) {
      await clock.sleep(CONFIRM_INTERVAL_MS, signal)
      waitedMs += CONFIRM_INTERVAL_MS
      // All that it lacks would be listed each time, and none of it taken. What is owed stays owed.
      if (this.#shelf.isClosed && this.#confirmations.size === 0) continue
      const isCounting = this.#hurried > 0 && this.#confirmations.size > 0
      const isDue = this.#owed > 0 || isCounting || waitedMs >= RECONCILE_INTERVAL_MS
      // By turns: whoever comes and goes all the time must not be the only one that this node learns from.
      const back: NodeId | undefined = isDue && wasBack ? undefined : this.#takeBack()
      if (!isDue && back === undefined) continue
      wasBack = back !== undefined
      if (!wasBack) waitedMs = 0
      const peer = back ?? this.#partners()[0]
      if (peer === undefined) continue
      const upTo = this.#owed > 0 ? 'now' : 'settled'
      if (!wasBack) this.#owed = Math.max(0, this.#owed - 1)
      this.#hurried = Math.max(0, this.#hurried - 1)
      await this.reconcileHot(peer, signal, upTo)
    }
  }

  /** When a network that was in two is whole again, each side learns from those of the other, one every few seconds. */
  #note({ nodeId, up }: PeerChange): void {
    const key = toHex(nodeId)
    this.#back.delete(key)
    if (!up || this.#back.size >= MAX_BACK) return
    this.#back.set(key, nodeId)
  }

  #takeBack(): NodeId | undefined {
    for (const [key, nodeId] of this.#back) {
      this.#back.delete(key)
      if (this.#ports.placement.isKnown(nodeId)) return nodeId
    }
    return undefined
  }

  async #reconcileNeighbour(signal: AbortSignal): Promise<void> {
    const { clock, placement, rng } = this.#ports
    const [peer] = shuffled(rng, placement.neighbours())
    // Without room it would list what it cannot take, again and again. It answers others all the same.
    if (peer === undefined || this.#shelf.freeRoom === 0) return
    const today = dayOf(clock.now())
    const day = today + uniformInt(rng, this.#options.parameters.ttlDays + 1)
    await this.reconcileShared(peer, day, signal)
  }
}
