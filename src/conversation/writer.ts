import { equalBytes, type Rng } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import {
  advanceChain,
  BOX_PAYLOAD_BYTES,
  type BoxKeys,
  type ChainState,
  MAX_WHOLE_BYTES,
  paddedLength,
  Segmenter,
  WHOLE_HEADER_BYTES,
} from '../stream/index.ts'
import { GAP_OFFERS_MAX, SWITCH_WAIT_MS } from './constants.ts'
import { epochOfTag, RENDEZVOUS_TAG } from './epoch-tag.ts'
import { NO_DIGEST, recordDigest } from './identifiers.ts'
import { drawOffers, offersLeft, type OfferTimes } from './offers.ts'
import { newOutRecord, type OutRecord } from './out-record.ts'
import type { SeqRange } from './ranges.ts'
import { encodeRecord } from './records.ts'

/** One epoch of a stream from its writer's side. */
export interface WriteEpoch {
  /** `r` for the rendezvous stream of a key exchange, `<generation>.<MLS epoch>` after it. */
  readonly tag: string
  /** Its index is the number of boxes of this epoch. */
  chain: ChainState
  /** Owned by the writer, who wipes it. */
  readonly rootSeed: Uint8Array
  readonly since: number
}

export interface WriterState {
  epoch: WriteEpoch
  /** The next epoch, and the queue number up to which all must be acknowledged before it. */
  staged: { epoch: WriteEpoch; afterQueued: number; stagedAt: number } | undefined
  nextSeq: number
  nextQueued: number
}

/** One box before it is sealed. The caller makes state and `bound` durable, seals, and reports its fate. */
export interface Draft {
  readonly payload: Uint8Array
  readonly keys: BoxKeys
  readonly rootSeed: Uint8Array
  /** Records whose binding changed: they are written in the batch that reserves the index. */
  readonly bound: readonly OutRecord[]
  /** Records whose last byte is in this box. */
  readonly finished: readonly OutRecord[]
  /** Records with any byte in this box. */
  readonly touched: readonly OutRecord[]
}

/**
 * The writing end of one device's stream in one conversation: queue, order, chain and offers. Pure: the
 * caller persists `state` and the bound records in one batch before it seals the box.
 */
export class StreamWriter {
  readonly state: WriterState
  readonly #rng: Rng
  readonly #times: OfferTimes
  readonly #segmenter = new Segmenter()
  /** Accepted and not yet in any box, oldest first. */
  readonly queue: OutRecord[] = []
  /** Bound and not yet acknowledged, by sequence number. */
  readonly outstanding = new Map<number, OutRecord>()
  /** The segmenter holds them, or what is left of them. */
  readonly #partial = new Map<number, OutRecord>()
  /** Partial records that are in a box already. */
  readonly #begun = new Set<number>()
  /** In a box that is filled and whose fate is not known yet. */
  readonly #flying = new Set<number>()

  constructor(ports: { rng: Rng }, options: OfferTimes, state: WriterState) {
    this.#rng = ports.rng
    this.#times = options
    this.state = state
  }

  /** Takes a record as it is loaded from disk or accepted now. */
  take(record: OutRecord): void {
    if (record.seq === 0) this.queue.push(record)
    else this.outstanding.set(record.seq, record)
    this.state.nextQueued = Math.max(this.state.nextQueued, record.queued + 1)
  }

  /** Accepted and not ended. */
  get waiting(): number {
    return this.queue.length + this.outstanding.size
  }

  /** True when a box drafted now would carry something. `allowTexts` is false until the contact is ready. */
  wants(now: number, allowTexts: boolean): boolean {
    if (this.#segmenter.pending || this.#switchDue(now)) return true
    if (this.#nextQueued(allowTexts) !== undefined) return true
    for (const record of this.outstanding.values()) if (this.#isDue(record, now)) return true
    return false
  }

  /**
   * Fills one box: `ack`, what is partly out, what is due again, then the queue in order. Binds only what this
   * box can carry, because what is bound cannot be taken back. Advances the chain.
   */
  draft(now: number, allowTexts: boolean, ack: Uint8Array | undefined): Draft | undefined {
    const bound: OutRecord[] = []
    const switching = this.#switchDue(now)
    // A record never spans two epochs: what is under way ends first, and nothing is begun meanwhile.
    if (switching && !this.#segmenter.pending) this.#switch(bound)
    if (ack !== undefined) {
      this.#segmenter.drop(0)
      this.#segmenter.push({ seq: 0, bytes: ack })
    }
    if (!switching || bound.length > 0) this.#bind(now, allowTexts, bound)
    if (!this.#segmenter.pending) return undefined
    const { payload, started, finished } = this.#segmenter.fill()
    for (const seq of started) if (seq !== 0) this.#begun.add(seq)
    const touched = this.#records(this.#begun)
    const ended = this.#records(finished)
    for (const { seq } of ended) {
      this.#partial.delete(seq)
      this.#begun.delete(seq)
      this.#flying.add(seq)
    }
    const { next, keys } = advanceChain(this.state.epoch.chain)
    this.state.epoch.chain = next
    return { payload, keys, rootSeed: this.state.epoch.rootSeed, bound, finished: ended, touched }
  }

  #records(seqs: Iterable<number>): OutRecord[] {
    return [...seqs].flatMap((seq) => this.#partial.get(seq) ?? [])
  }

  #bind(now: number, allowTexts: boolean, bound: OutRecord[]): void {
    for (const record of this.outstanding.values()) {
      if (!this.#isDue(record, now)) continue
      if (!this.#fits(record)) return
      record.sentAt = undefined
      record.due = record.due && offersLeft(this.#rng, this.#times, record.due, now)
      this.#push(record, bound)
    }
    for (;;) {
      const record = this.#nextQueued(allowTexts)
      if (record === undefined || !this.#fits(record)) return
      this.queue.splice(this.queue.indexOf(record), 1)
      this.#number(record)
      this.#push(record, bound)
    }
  }

  /** Texts that waited for new keys come after the record that says that they hold: before it nobody would take them. */
  #nextQueued(allowTexts: boolean): OutRecord | undefined {
    if (!allowTexts) return this.queue.find(({ kind }) => kind !== 'text')
    return this.queue.find(({ kind }) => kind === 'confirm') ?? this.queue[0]
  }

  /** Beside what waits already: whole, or as a large record that fills what is left. */
  #fits(record: OutRecord): boolean {
    const used = this.#segmenter.pendingBytes
    const padded = paddedLength(record.bytes.length)
    if (padded > MAX_WHOLE_BYTES) return used < BOX_PAYLOAD_BYTES / 2
    return used + WHOLE_HEADER_BYTES + padded <= BOX_PAYLOAD_BYTES
  }

  #number(record: OutRecord): void {
    record.seq = this.state.nextSeq++
    this.outstanding.set(record.seq, record)
  }

  #push(record: OutRecord, bound: OutRecord[]): void {
    this.#segmenter.push({ seq: record.seq, bytes: record.bytes })
    this.#partial.set(record.seq, record)
    bound.push(record)
  }

  /** The box with the last byte of these records has left. The first time draws when they go again. */
  sent(records: readonly OutRecord[], now: number): void {
    for (const record of records) {
      record.sentAt = now
      record.due ??= drawOffers(this.#rng, this.#times).map((after) => now + after)
      this.#flying.delete(record.seq)
    }
  }

  /** A box was lost on its way out: the records in it start again. */
  lost(touched: readonly OutRecord[]): void {
    for (const record of touched) {
      this.#drop(record.seq)
      record.sentAt = undefined
    }
  }

  #drop(seq: number): void {
    this.#segmenter.drop(seq)
    this.#partial.delete(seq)
    this.#begun.delete(seq)
    this.#flying.delete(seq)
  }

  /**
   * Everything up to `upTo` but `missing` is durable at the reader. Returns records that this ends, at most `limit`;
   * fewer are all. A record reported missing is due once more at once: an authenticated gap report. Again for a later
   * report, when a round trip has passed since the record was last sent, at most GAP_OFFERS_MAX times. Any number of
   * reports before it is sent ask for one offer.
   */
  acknowledge(
    upTo: number,
    missing: readonly SeqRange[],
    now: number,
    limit = Number.POSITIVE_INFINITY,
  ): OutRecord[] {
    const ended: OutRecord[] = []
    for (const [seq, record] of this.outstanding) {
      if (ended.length >= limit) break
      if (seq > upTo) continue
      const offered = record.due !== undefined
      // Nobody can have a record whose last byte is still here.
      if (this.#partial.has(seq) && !offered) continue
      if (!missing.some(([first, last]) => first <= seq && seq <= last)) {
        this.#drop(seq)
        this.outstanding.delete(seq)
        ended.push(record)
      } else if (this.#mayFillGap(record, now)) {
        record.gapOffers++
        record.due?.push(now)
      }
    }
    return ended
  }

  /**
   * Whether the record under `seq` that waits for its ack is another than the one that `digest` names. Of a tombstone that
   * cannot be told: the reader may have what was there before.
   */
  isAnother(seq: number, digest: Uint8Array): boolean {
    const record = this.outstanding.get(seq)
    if (record === undefined || record.kind === 'tombstone') return false
    return !equalBytes(digest, NO_DIGEST) && !equalBytes(digest, recordDigest(record.bytes))
  }

  /**
   * Makes `epoch` the next one. The stream moves when all records queued up to `afterQueued` are acknowledged, or
   * after an hour when they have had all their offers (a reader that is away must not hold back healing for ever);
   * a rendezvous stream waits, because its reader knows no other yet.
   */
  stage(epoch: WriteEpoch, afterQueued: number, now: number): void {
    this.state.staged = { epoch, afterQueued, stagedAt: now }
  }

  /** Records whose time is over, bound or not; the caller turns bound ones into tombstones. */
  expired(now: number): OutRecord[] {
    const over = this.queue.filter((record) => record.expiresAt <= now)
    for (const record of this.outstanding.values()) {
      if (record.expiresAt <= now && !this.#partial.has(record.seq)) over.push(record)
    }
    return over
  }

  /**
   * When the record that leads to the present keys, or the one that leads to the next, was sent for the last time;
   * undefined when its reader has it, or it is offered still.
   */
  get unreadKeysSince(): number | undefined {
    let since: number | undefined
    for (const { kind, sentAt, due } of this.outstanding.values()) {
      if (kind !== 'commit' && kind !== 'welcome') continue
      if (sentAt === undefined || due?.length !== 0) continue
      since = Math.min(since ?? sentAt, sentAt)
    }
    return since
  }

  /** Takes back a record that is in no box yet. False when it has been bound. */
  cancel(record: OutRecord): boolean {
    const at = this.queue.indexOf(record)
    if (at >= 0) this.queue.splice(at, 1)
    return at >= 0
  }

  /** Ends a bound record for good: its number stays a hole. */
  drop(record: OutRecord): void {
    this.#drop(record.seq)
    this.outstanding.delete(record.seq)
  }

  /** A bound record that will not be repaired any more becomes a tombstone under the same number. */
  bury(record: OutRecord, expiresAt: number): OutRecord {
    const bytes = encodeRecord({ kind: 'tombstone' })
    const tombstone = newOutRecord(record.queued, 'tombstone', bytes, { expiresAt })
    tombstone.seq = record.seq
    this.#drop(record.seq)
    this.outstanding.set(record.seq, tombstone)
    return tombstone
  }

  /** Erases all keys. The writer is of no use afterwards. */
  clear(): void {
    const { epoch, staged } = this.state
    wipe(epoch.chain.chainKey, epoch.rootSeed)
    if (staged !== undefined) wipe(staged.epoch.chain.chainKey, staged.epoch.rootSeed)
  }

  /**
   * The reader takes records in order: one that it lacks keeps it from the record that leads to the next epoch, even
   * when it has acknowledged that one. Offers of the missing one would then come in an epoch that it cannot read.
   */
  #switchDue(now: number): boolean {
    const { staged, epoch } = this.state
    if (staged === undefined) return false
    // Texts that wait while keys are made anew are older than the records that make them.
    const isExchange = epoch.tag === RENDEZVOUS_TAG
    const isBefore = ({ queued, kind }: OutRecord): boolean =>
      queued <= staged.afterQueued && !(isExchange && kind === 'text')
    const before = [...this.outstanding.values(), ...this.queue].filter(isBefore)
    if (before.length === 0) return true
    if (isExchange || now - staged.stagedAt < SWITCH_WAIT_MS) return false
    // In the new epoch an offer of these would be of no use to a reader who needs them to get there.
    return before.every(({ sentAt, due }) => sentAt !== undefined && due?.length === 0)
  }

  /**
   * A report that comes sooner was written before the last offer can have been heard. What is due is offered anyway:
   * whoever comes back hears many old reports at once, and they must not use up the offers.
   */
  #mayFillGap(record: OutRecord, now: number): boolean {
    const { gapOffers, sentAt } = record
    if (sentAt === undefined || gapOffers >= GAP_OFFERS_MAX || this.#isDue(record, now))
      return false
    return gapOffers === 0 || now - sentAt >= this.#times.ackRoundTripMs
  }

  /** In doubt (bound, but not known to have left) or at one of its drawn times. */
  #isDue(record: OutRecord, now: number): boolean {
    if (this.#partial.has(record.seq) || this.#flying.has(record.seq)) return false
    return record.sentAt === undefined || record.due?.some((at) => at <= now) === true
  }

  /** Moves to the staged epoch, and says so in its first record. */
  #switch(bound: OutRecord[]): void {
    const { staged, epoch: old } = this.state
    if (staged === undefined) return
    wipe(old.chain.chainKey, old.rootSeed)
    this.state.epoch = staged.epoch
    this.state.staged = undefined
    const bytes = encodeRecord({ kind: 'switch', ...epochOfTag(staged.epoch.tag) })
    const record = newOutRecord(this.state.nextQueued++, 'switch', bytes)
    this.#number(record)
    this.#push(record, bound)
  }
}
