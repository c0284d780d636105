import {
  type Address,
  type BoxBytes,
  type Clock,
  DAY_MS,
  dayOf,
  equalBytes,
  type Logger,
  type NodeId,
  toHex,
} from '../base/index.ts'
import { BOX_VERSION, boxHash, parseBox } from '../stream/index.ts'
import { type BoxEntry, type BoxRecord, decodeEntry, itemOf } from './box-entry.ts'
import { BoxRows, type NarrowStore } from './box-rows.ts'
import {
  BOXES_PER_ADDRESS,
  CLOCK_TOLERANCE_MS,
  EVICT_BATCH,
  EVICT_LOOKS,
  MAX_PENDING,
  SHED_MEMORY_MS,
  SHED_ROWS,
  STRANGER_SHARE,
  SWEEP_ROWS,
} from './constants.ts'
import { farthestFirst } from './farthest.ts'
import { HotWindow } from './hot-window.ts'
import { Intake } from './intake.ts'
import { ShareBook } from './share-book.ts'
import type {
  DropReason,
  PlacementPort,
  PublicationPort,
  Share,
  Source,
  TakeOutcome,
} from './ports.ts'

export interface ShelfPorts {
  readonly store: NarrowStore
  readonly clock: Clock
  readonly log: Logger
  readonly placement: PlacementPort
  readonly publications: PublicationPort
  readonly verifyBox: (box: BoxBytes) => boolean
  /** Called for every box that has to be confirmed, before it is written. */
  readonly onUnconfirmed: (entry: BoxEntry, how: { isHot: boolean; origin?: NodeId }) => void
  /** Called for every box that goes. */
  readonly onGone: (entry: BoxEntry) => void
}

export interface ShelfOptions {
  readonly ttlDays: number
  readonly hotMs: number
  /** Until `setRoom`. */
  readonly maxBoxes: number
}

/** Where a box came from and when the network first had it, as far as the sender says. */
export interface Origin {
  readonly source: Source
  /** Who brought it, if not gossip. */
  readonly peer?: NodeId
  /** ms; only believed backwards. */
  readonly heardAt?: number
}

const dropped = (reason: DropReason): TakeOutcome => ({ kind: 'dropped', reason })

/**
 * The boxes of this node, durably: all hot ones, and those it keeps until they expire. Own boxes are treated like
 * anybody's. What `take` reports as kept is on disk. The quota holds at any time: first what has expired goes, then
 * what lies farthest from this node, then what has been hot for longest.
 */
export class BoxShelf {
  readonly hot = new HotWindow()
  readonly rows: BoxRows
  readonly intake: Intake
  readonly #ports: ShelfPorts
  readonly #options: ShelfOptions
  readonly #pending = new Map<string, Promise<unknown>>()
  readonly #shares: ShareBook
  #count = 0
  #removed = 0
  #maxBoxes: number
  #isClosed = false
  /** ms: hot boxes that were heard before this had to go. */
  #hotFrom = 0
  /** Monotonic ms: when boxes were last let go for want of room, or hot ones had to make room. */
  #shedAt = Number.NEGATIVE_INFINITY
  /** Sweeping and evicting take turns: two that remove the same box would count it twice. */
  #removing: Promise<unknown> = Promise.resolve()
  #evicting: Promise<void> | undefined

  constructor(ports: ShelfPorts, options: ShelfOptions) {
    this.#ports = ports
    this.#options = options
    this.#maxBoxes = options.maxBoxes
    this.#shares = new ShareBook({ maxStrangers: strangersOf(options.maxBoxes) })
    this.intake = new Intake(ports.clock)
    this.rows = new BoxRows(ports.store, (entry) =>
      ports.placement.distance(entry.address, this.publishedOn(entry)),
    )
  }

  get count(): number {
    return this.#count
  }

  /** Boxes that went since the start, for whatever reason. */
  get removed(): number {
    return this.#removed
  }

  get maxBoxes(): number {
    return this.#maxBoxes
  }

  /** Nothing is taken. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Places for boxes that neighbours bring: less than evicting leaves free, or what was evicted would come back from them. */
  get freeRoom(): number {
    if (this.#isClosed) return 0
    const evicted = Math.min(EVICT_BATCH, Math.floor(this.#maxBoxes / 8))
    return Math.max(0, this.#maxBoxes - this.#count - evicted)
  }

  /** Hot boxes that are worth asking for at once: for them others may go. */
  get hotRoom(): number {
    return this.#isClosed ? 0 : this.#maxBoxes
  }

  /** ms: for want of room this node has let go of hot boxes that were heard before. 0 when it never has. */
  get hotFrom(): number {
    return this.#hotFrom
  }

  /** Peers may have been told of boxes that this node has let go of since. */
  get hasShedLately(): boolean {
    return this.#ports.clock.monotonic() - this.#shedAt < SHED_MEMORY_MS
  }

  /** What is taken from now on. Boxes beyond it stay until they have to make room or are let go. */
  setRoom({ maxBoxes, isClosed }: { readonly maxBoxes: number; readonly isClosed: boolean }): void {
    this.#maxBoxes = maxBoxes
    this.#isClosed = isClosed
    this.#shares.maxStrangers = strangersOf(maxBoxes)
  }

  /** UTC day on which the box was published. */
  publishedOn(entry: Pick<BoxEntry, 'expiryDay'>): number {
    return entry.expiryDay - this.#options.ttlDays
  }

  /** The hot window is read back. */
  async load(): Promise<void> {
    this.#count = await this.rows.count()
    for await (const rows of this.rows.hot()) {
      for (const row of rows) {
        this.hot.set(decodeEntry(row), row)
      }
    }
  }

  /**
   * Checks, stores and reports a publication's box. Boxes of gossip have been verified there. A box for which this
   * node is no keeper and which is hot nowhere any more is not taken.
   */
  async take(publication: Uint8Array, origin: Origin): Promise<TakeOutcome> {
    const box = this.#ports.publications.boxOf(publication)
    if (box === undefined || box[0] !== BOX_VERSION) return dropped('malformed')
    if (this.#pending.size >= MAX_PENDING) return dropped('overloaded')
    return this.#inOrder(parseBox(box).address, () => this.#take(box, publication, origin))
  }

  /** One thing at a time for an address. */
  async #inOrder<T>(address: Address, act: () => Promise<T>): Promise<T> {
    const key = toHex(address)
    const before = this.#pending.get(key)
    const run = (async () => {
      await before
      return act()
    })()
    // The next one waits; a failure is the caller's own.
    const settled = run.then(
      () => undefined,
      () => undefined,
    )
    this.#pending.set(key, settled)
    try {
      return await run
    } finally {
      if (this.#pending.get(key) === settled) this.#pending.delete(key)
    }
  }

  /** The boxes here under an address, at most two. */
  all(address: Address): Promise<BoxRecord[]> {
    return this.rows.all(address)
  }

  /** As `all`, with those that are on their way to the disk. */
  async settled(address: Address): Promise<BoxRecord[]> {
    await this.#pending.get(toHex(address))
    return this.rows.all(address)
  }

  /** Notes durably that other peers have the box too. */
  confirm(entry: BoxEntry): Promise<void> {
    return this.#inOrder(entry.address, () => this.#confirm(entry))
  }

  /** `heardAt`: when gossip brought it. What the peer said that brought it first would else end its time here early. */
  #confirm(entry: BoxEntry, heardAt?: number): Promise<void> {
    return this.#inTurn(async () => {
      const record = await this.rows.get(entry.address, entry.slot)
      if (record === undefined || !equalBytes(record.entry.boxHash, entry.boxHash)) return
      const before = record.entry
      if (before.confirmed && heardAt === undefined) return
      const confirmed = { ...before, confirmed: true, heardAt: heardAt ?? before.heardAt }
      const isHot = heardAt !== undefined || this.hot.get(itemOf(confirmed)) !== undefined
      const batch = this.rows.batch()
      this.rows.deleteHot(batch, before)
      this.rows.put(batch, { ...record, entry: confirmed }, isHot)
      await batch.commit()
      if (isHot) this.hot.set(confirmed)
    })
  }

  /** Moves on what is no longer hot and removes what has expired. */
  async sweep(signal: AbortSignal): Promise<void> {
    const now = this.#ports.clock.now()
    const hotEnd = now - this.#options.hotMs
    while (!signal.aborted && (await this.#inTurn(() => this.#sweepHot(hotEnd)))) continue
    const today = dayOf(now)
    while (!signal.aborted && (await this.#inTurn(() => this.#sweepExpired(today)))) continue
    this.#shares.dropBefore(now - (this.#options.ttlDays + 2) * DAY_MS)
  }

  /** Lets boxes go, in the order of eviction and some at a time, until `maxBoxes` are left. */
  async shedTo(maxBoxes: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports
    while (!signal.aborted && this.#count > maxBoxes) {
      this.#shedAt = clock.monotonic()
      const removed = await this.#inTurn(() => this.#shed(this.#count - maxBoxes))
      this.#shedAt = clock.monotonic()
      if (removed === 0) return
      // What goes makes no room: neighbours would bring it back at once.
      const left = Math.max(maxBoxes, this.#count)
      this.setRoom({ maxBoxes: Math.min(this.#maxBoxes, left), isClosed: this.#isClosed })
    }
  }

  async #take(box: BoxBytes, publication: Uint8Array, origin: Origin): Promise<TakeOutcome> {
    const { address, expiryDay } = parseBox(box)
    const now = this.#ports.clock.now()
    const today = dayOf(now)
    if (expiryDay < today) return dropped('expired')
    // One day of tolerance: clocks around midnight.
    if (expiryDay > today + this.#options.ttlDays + 1) return dropped('future')
    const hash = boxHash(box)
    const held = await this.rows.all(address)
    const known = held.find(({ entry }) => equalBytes(entry.boxHash, hash))
    if (known !== undefined) {
      if (origin.source !== 'gossip' || known.entry.confirmed) return dropped('known')
      // Gossip reaches everybody: the box is nothing special any more.
      await this.#confirm(known.entry, now)
      return { kind: 'dropped', reason: 'known', confirmed: known.entry }
    }
    const rival = this.#rivalOf(held, origin)
    if (held.length >= BOXES_PER_ADDRESS && rival === undefined) return dropped('third')
    const day = expiryDay - this.#options.ttlDays
    const share = origin.source === 'gossip' ? undefined : this.#shareOf(publication, day)
    if (share === 'misdated') return dropped('misdated')
    // The courier signed the epoch: whoever brings the box cannot make it younger than that.
    const latest = share === undefined ? now : share.until + CLOCK_TOLERANCE_MS
    const heardAt = Math.min(now, latest, origin.heardAt ?? now)
    const isHot = origin.source !== 'handoff' && heardAt > now - this.#options.hotMs
    const kept = this.#ports.placement.isKeeper(address, day)
    if (!isHot && !kept) return dropped('not-keeper')
    // Also what there is no room for: the rate says how long boxes can stay.
    if (share === undefined) this.intake.note(kept)
    if (this.#isClosed) return dropped('full')
    if (share !== undefined) {
      if (!this.#shares.hasRoom(share, share.epoch)) return dropped('quota')
      if (!this.#isGenuine(box, publication)) return dropped('forged')
      // After the signatures: what others forge must not use up a courier's share.
      this.#shares.add(share, share.epoch)
    }
    const before = share === undefined ? Number.POSITIVE_INFINITY : heardAt
    if (rival === undefined && !(await this.#hasRoom(isHot, before))) {
      if (share !== undefined) this.#shares.giveBack(share, share.epoch)
      return dropped('full')
    }
    const confirmed = origin.source === 'gossip'
    const slot = rival?.slot ?? (held[0]?.entry.slot === 0 ? 1 : 0)
    const entry = { address, boxHash: hash, expiryDay, slot, heardAt, confirmed, kept }
    // Before it is shown: whatever removes it then ends the counting too.
    if (!confirmed) {
      const { peer } = origin
      this.#ports.onUnconfirmed(entry, { isHot, ...(peer === undefined ? {} : { origin: peer }) })
    }
    const record = { entry, publication }
    try {
      if (rival === undefined) await this.#write(record, isHot)
      else await this.#inTurn(() => this.#writeInPlace(record, isHot, rival))
    } catch (error) {
      this.#ports.onGone(entry)
      throw error
    }
    return { kind: 'kept', entry }
  }

  /** One that a single peer has brought must not keep out what everybody has: where that is missing, somebody may miss it. */
  #rivalOf(held: readonly BoxRecord[], { source }: Origin): BoxEntry | undefined {
    if (source !== 'gossip' || held.length < BOXES_PER_ADDRESS) return undefined
    return held.map(({ entry }) => entry).find((each) => !each.confirmed)
  }

  #shareOf(publication: Uint8Array, day: number): (Share & { epoch: number }) | 'misdated' {
    const published = this.#ports.publications.courierOf(publication)
    if (published === undefined) return 'misdated'
    const { courier, epoch } = published
    const share = this.#ports.placement.share(courier, epoch, day)
    return share === undefined ? 'misdated' : { ...share, epoch }
  }

  #isGenuine(box: BoxBytes, publication: Uint8Array): boolean {
    return this.#ports.publications.isSigned(publication) && this.#ports.verifyBox(box)
  }

  /** Writes a new box, and shows it when it is on disk. */
  async #write(record: BoxRecord, isHot: boolean, batch = this.rows.batch()): Promise<void> {
    this.rows.put(batch, record, isHot)
    this.rows.putCount(batch, ++this.#count)
    await batch.commit()
    if (isHot) this.hot.set(record.entry)
  }

  /** The same in the place of a rival, if that is still here. */
  async #writeInPlace(record: BoxRecord, isHot: boolean, rival: BoxEntry): Promise<void> {
    const batch = this.rows.batch()
    const held = await this.rows.get(rival.address, rival.slot)
    if (held !== undefined) this.#remove(batch, held.entry)
    await this.#write(record, isHot, batch)
  }

  async #sweepHot(cutOff: number): Promise<boolean> {
    const { placement } = this.#ports
    const batch = this.rows.batch()
    let swept = 0
    for await (const entry of this.rows.hotBefore(cutOff, SWEEP_ROWS)) {
      swept++
      this.hot.delete(entry)
      this.rows.deleteHot(batch, entry)
      if (entry.kept) continue
      const record = placement.isKeeper(entry.address, this.publishedOn(entry))
        ? await this.rows.get(entry.address, entry.slot)
        : undefined
      if (record === undefined) this.#remove(batch, entry)
      else this.rows.put(batch, { ...record, entry: { ...record.entry, kept: true } }, false)
    }
    if (swept > 0) await this.#commitCount(batch)
    return swept === SWEEP_ROWS
  }

  async #sweepExpired(today: number): Promise<boolean> {
    const entries = await this.rows.expiredBefore(today, SWEEP_ROWS)
    await this.#removeAll(entries)
    return entries.length === SWEEP_ROWS
  }

  /**
   * True when there is room for one more box; made by evicting others, if it is hot. A kept one takes what is free: were it
   * worth another's place, two keepers without room would bring each other for ever what they evict.
   */
  async #hasRoom(isHot: boolean, before: number): Promise<boolean> {
    if (!isHot) return this.freeRoom > 0
    while (this.#count >= this.#maxBoxes) {
      if (this.#evicting === undefined) return this.#makeRoom(before)
      await this.#evicting
    }
    return true
  }

  async #makeRoom(before: number): Promise<boolean> {
    this.#evicting = this.#inTurn(() => this.#evict(before)).finally(() => {
      this.#evicting = undefined
    })
    await this.#evicting
    return this.#count < this.#maxBoxes
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const run = this.#removing.then(act)
    this.#removing = run.catch(() => undefined)
    return run
  }

  async #evict(before: number): Promise<void> {
    // A sweep may have made room meanwhile.
    if (this.#count < this.#maxBoxes) return
    const victims = await this.#lowest(EVICT_BATCH, before)
    await this.#removeAll(victims)
    this.#ports.log.debug('mailbox quota reached', { evicted: victims.length })
  }

  async #shed(surplus: number): Promise<number> {
    if (surplus <= 0) return 0
    const victims = await this.#lowest(Math.min(SHED_ROWS, surplus), Number.POSITIVE_INFINITY)
    for (let at = 0; at < victims.length; at += SWEEP_ROWS) {
      await this.#removeAll(victims.slice(at, at + SWEEP_ROWS))
    }
    return victims.length
  }

  /** Those that go first, all of one kind, at most `limit`. Of hot ones only what was heard before `before`. */
  async #lowest(limit: number, before: number): Promise<BoxEntry[]> {
    const { clock } = this.#ports
    const now = clock.now()
    const expired = await this.rows.expiredBefore(dayOf(now), limit)
    if (expired.length > 0) return expired
    const farthest = await this.#farthest(dayOf(now), limit)
    if (farthest.length > 0) return farthest
    // Nothing but the hot window is left: its oldest boxes are the ones others still keep.
    const oldest: BoxEntry[] = []
    for await (const entry of this.rows.hotBefore(now + DAY_MS, limit)) {
      if (entry.heardAt < before) oldest.push(entry)
    }
    for (const { heardAt } of oldest) this.#hotFrom = Math.max(this.#hotFrom, heardAt)
    // Peers that come back fetch the whole window, for minutes, by a list that says they are here.
    if (oldest.length > 0) this.#shedAt = clock.monotonic()
    return oldest
  }

  /** The kept boxes that are farthest from this node and not hot, as far as they are among the farthest ones. */
  async #farthest(today: number, limit: number): Promise<BoxEntry[]> {
    const days = Array.from({ length: this.#options.ttlDays + 2 }, (_, day) => today + day)
    const lists = days.map((day) => this.rows.kept(day, { farthest: true }))
    const distanceOf = (entry: BoxEntry) =>
      this.#ports.placement.distance(entry.address, this.publishedOn(entry))
    const found: BoxEntry[] = []
    let looked = 0
    for await (const entry of farthestFirst(lists, distanceOf)) {
      if (this.hot.get(itemOf(entry)) === undefined) found.push(entry)
      // Where nearly all are hot, to find the others would mean to read all of them, for every batch.
      if (found.length >= limit || ++looked >= EVICT_LOOKS * limit) break
      if (looked % SWEEP_ROWS === 0) await this.#ports.clock.sleep(0)
    }
    return found
  }

  async #removeAll(entries: readonly BoxEntry[]): Promise<void> {
    if (entries.length === 0) return
    const batch = this.rows.batch()
    for (const entry of entries) this.#remove(batch, entry)
    await this.#commitCount(batch)
  }

  #remove(batch: ReturnType<BoxRows['batch']>, entry: BoxEntry): void {
    this.hot.delete(entry)
    this.#ports.onGone(entry)
    this.rows.delete(batch, entry)
    this.#count = Math.max(0, this.#count - 1)
    this.#removed++
  }

  async #commitCount(batch: ReturnType<BoxRows['batch']>): Promise<void> {
    this.rows.putCount(batch, this.#count)
    await batch.commit()
  }
}

function strangersOf(maxBoxes: number): number {
  return Math.ceil(maxBoxes * STRANGER_SHARE)
}
