import type { BoxKeys, ChainState } from '../stream/index.ts'
import { advanceChain, BOX_PAYLOAD_BYTES, paddedLength, Segmenter } from '../stream/index.ts'
import { OFFERS_MAX, SWITCH_WAIT_MS } from './constants.ts'
import { drawOffers, type OfferTimes } from './offers.ts'
import { encodeRecord, type RecordKind } from './records.ts'
import type { Rng } from '../base/index.ts'

/** The epoch of a key exchange, before there is a send group. */
export const RENDEZVOUS_TAG = 'r'

/** One epoch of a stream from its writer's side. */
export interface WriteEpoch {
  /** `r` for the rendezvous stream of a key exchange, `<generation>.<MLS epoch>` after it. */
  readonly tag: string
  chain: ChainState
  readonly rootSeed: Uint8Array
  readonly since: number
}

/** A record on its way. It exists on disk from acceptance until it is acknowledged or reported as lost. */
export interface OutRecord {
  /** Position in the contact's queue, monotone; the record's key on disk. */
  readonly queued: number
  readonly kind: RecordKind
  bytes: Uint8Array
  /** Number of the message in the history, for texts. */
  readonly message: number | undefined
  readonly expiresAt: number
  /** Sequence number in the stream; 0 until bound to a box. */
  seq: number
  /** Times of further offers, drawn at the first binding. */
  due: number[]
  /** Wall clock of the last box that carried all of it out; undefined while in doubt. */
  sentAt: number | undefined
  gapOffered: boolean
}

export interface Draft {
  readonly payload: Uint8Array
  readonly keys: BoxKeys
  readonly tag: string
  readonly rootSeed: Uint8Array
  /** Records whose binding changed: they are written in the batch that reserves the index. */
  readonly bound: readonly OutRecord[]
  /** Records whose last byte is in this box. */
  readonly finished: readonly OutRecord[]
}

export interface WriterState {
  epoch: WriteEpoch
  /** The next epoch, and the queue number of the record that must be acknowledged before it. */
  staged: { epoch: WriteEpoch; afterQueued: number; stagedAt: number } | undefined
  nextSeq: number
  nextQueued: number
}

/**
 * The writing end of one device's stream in one conversation: queue, order, chain and offers. Pure: the
 * caller persists `state` and the bound records in one batch before it seals the box.
 */
export class StreamWriter {
  readonly state: WriterState
  readonly #rng: Rng
  readonly #times: OfferTimes
  #segmenter = new Segmenter()
  /** Accepted and not yet in any box, oldest first. */
  readonly queue: OutRecord[] = []
  /** Bound and not yet acknowledged, by sequence number. */
  readonly outstanding = new Map<number, OutRecord>()
  /** Partly in boxes already: the segmenter holds the rest. */
  readonly #partial = new Map<number, OutRecord>()
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
  }

  /** True when a box drafted now would carry something. `allowTexts` is false until the contact is ready. */
  wants(now: number, allowTexts: boolean): boolean {
    if (this.#partial.size > 0 || this.#switchDue(now)) return true
    for (const record of this.queue) if (allowTexts || record.kind !== 'text') return true
    for (const record of this.outstanding.values()) if (this.#isDue(record, now)) return true
    return false
  }

  /**
   * Fills one box: first what is partly out, then what is due again, then the queue in order, then `ack`.
   * Advances the chain, so the caller must persist `state` before it seals.
   */
  draft(now: number, allowTexts: boolean, ack: Uint8Array | undefined): Draft | undefined {
    const bound: OutRecord[] = []
    this.#maybeSwitch(now)
    // Bind only what this box may carry: what is bound can no longer be cancelled.
    const room = () => this.#waitingBytes() < BOX_PAYLOAD_BYTES
    if (ack !== undefined && !this.#segmenter.has(0)) this.#segmenter.push({ seq: 0, bytes: ack })
    for (const record of this.outstanding.values()) {
      if (!room()) break
      if (!this.#isDue(record, now)) continue
      record.sentAt = undefined
      record.due = record.due.filter((at) => at > now)
      this.#push(record, bound)
    }
    while (room()) {
      const at = this.queue.findIndex((r) => allowTexts || r.kind !== 'text')
      const record = this.queue[at]
      if (record === undefined) break
      this.queue.splice(at, 1)
      record.seq = this.state.nextSeq++
      record.due = drawOffers(this.#rng, this.#times).map((after) => now + after)
      this.outstanding.set(record.seq, record)
      this.#push(record, bound)
    }
    if (!this.#segmenter.pending) return undefined
    const { payload, finished } = this.#segmenter.fill()
    const { next, keys } = advanceChain(this.state.epoch.chain)
    this.state.epoch.chain = next
    return {
      payload,
      keys,
      tag: this.state.epoch.tag,
      rootSeed: this.state.epoch.rootSeed,
      bound,
      finished: finished.flatMap((seq) => {
        const record = this.#partial.get(seq)
        this.#partial.delete(seq)
        if (record !== undefined) this.#flying.add(seq)
        return record === undefined ? [] : [record]
      }),
    }
  }

  #push(record: OutRecord, bound: OutRecord[]): void {
    this.#segmenter.push({ seq: record.seq, bytes: record.bytes })
    this.#partial.set(record.seq, record)
    bound.push(record)
  }

  /** The box with these records has left, or was lost on the way out (`left` false: due again at once). */
  sent(records: readonly OutRecord[], now: number, left: boolean): void {
    for (const record of records) {
      record.sentAt = left ? now : undefined
      this.#flying.delete(record.seq)
    }
  }

  /**
   * Everything up to `upTo` but `missing` is durable at the reader. Returns the records that this ends.
   * A record reported missing is due once more at once: an authenticated gap report.
   */
  acknowledge(upTo: number, missing: readonly number[], now: number): OutRecord[] {
    const holes = new Set(missing)
    const ended: OutRecord[] = []
    for (const [seq, record] of this.outstanding) {
      if (seq > upTo || this.#partial.has(seq)) continue
      if (!holes.has(seq)) {
        this.outstanding.delete(seq)
        ended.push(record)
      } else if (!record.gapOffered && record.sentAt !== undefined) {
        record.gapOffered = true
        record.due.push(now)
      }
    }
    return ended
  }

  /**
   * Makes `epoch` the next one. The stream moves when the record queued as `afterQueued` is acknowledged, or
   * after an hour (a reader that is away must not hold back healing for ever); a rendezvous stream waits,
   * because its reader knows no other yet.
   */
  stage(epoch: WriteEpoch, afterQueued: number, now: number): void {
    this.state.staged = { epoch, afterQueued, stagedAt: now }
  }

  /** Records whose time is over, bound or not; the caller turns bound ones into tombstones. */
  expired(now: number): OutRecord[] {
    const over: OutRecord[] = []
    for (const record of this.queue) if (record.expiresAt <= now) over.push(record)
    for (const record of this.outstanding.values()) {
      if (record.expiresAt <= now && !this.#partial.has(record.seq)) over.push(record)
    }
    return over
  }

  /** Takes back a record that is in no box yet. False when it has been bound. */
  cancel(record: OutRecord): boolean {
    const at = this.queue.indexOf(record)
    if (at >= 0) this.queue.splice(at, 1)
    return at >= 0
  }

  /** A bound record that will not be repaired any more becomes a tombstone under the same number. */
  bury(record: OutRecord, now: number, expiresAt: number): OutRecord {
    const tombstone: OutRecord = {
      ...record,
      kind: 'tombstone',
      bytes: encodeRecord({ kind: 'tombstone' }),
      message: undefined,
      expiresAt,
      due: [now, ...drawOffers(this.#rng, this.#times).map((after) => now + after)].slice(
        0,
        OFFERS_MAX,
      ),
      sentAt: now,
    }
    this.outstanding.set(record.seq, tombstone)
    return tombstone
  }

  #switchDue(now: number): boolean {
    const staged = this.state.staged
    if (staged === undefined) return false
    if (!this.#open(staged.afterQueued)) return true
    return this.state.epoch.tag !== RENDEZVOUS_TAG && now - staged.stagedAt >= SWITCH_WAIT_MS
  }

  /** In doubt (bound, but not known to have left) or at one of its drawn times. */
  #isDue(record: OutRecord, now: number): boolean {
    if (this.#partial.has(record.seq) || this.#flying.has(record.seq)) return false
    return record.sentAt === undefined || record.due.some((at) => at <= now)
  }

  #waitingBytes(): number {
    let sum = 0
    for (const record of this.#partial.values()) sum += paddedLength(record.bytes.length)
    return sum
  }

  #open(queued: number): boolean {
    if (this.queue.some((r) => r.queued === queued)) return true
    for (const record of this.outstanding.values()) if (record.queued === queued) return true
    return false
  }

  /** Between records only: a record never spans two epochs. */
  #maybeSwitch(now: number): void {
    const staged = this.state.staged
    if (staged === undefined || !this.#switchDue(now) || this.#segmenter.pending) return
    this.state.epoch = staged.epoch
    this.state.staged = undefined
    const record: OutRecord = {
      queued: this.state.nextQueued++,
      kind: 'switch',
      bytes: encodeRecord({ kind: 'switch' }),
      message: undefined,
      expiresAt: Number.MAX_SAFE_INTEGER,
      seq: 0,
      due: [],
      sentAt: undefined,
      gapOffered: false,
    }
    this.queue.unshift(record)
  }
}

