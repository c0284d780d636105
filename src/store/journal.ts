import {
  equalBytes,
  HearsayError,
  isHearsayError,
  toBase64Url,
  u64be,
  utf8,
} from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import type { JournalEvent } from './batch-api.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import type { CommitListeners } from './commit-listeners.ts'
import { MAX_PAGE_BYTES, MAX_SCAN } from './constants.ts'
import {
  chainValue,
  dataOf,
  decodeRecord,
  EVENT_ID_BYTES,
  type EventRecord,
  idText,
} from './event-record.ts'
import { typeFilter } from './event-types.ts'
import { eventKey } from './journal-stage.ts'
import type { Live } from './parts.ts'
import { physicalRange } from './physical-key.ts'

export interface EventPage {
  readonly events: readonly JournalEvent[]
  /** The next `after`: every event up to here was looked at, matching or not. */
  readonly scannedTo: number
  readonly head: number
  /** The first number of them that stands for an entry which cannot be read; undefined for none. */
  readonly damagedAt: number | undefined
}

/** In the place of an event that the disk has changed or lost. It has no time, no data and an id of its own. */
export const DAMAGED_EVENT = 'storage.damaged'

const CHAIN_BYTES = 32

export interface JournalPorts {
  readonly live: Live
  readonly listeners: CommitListeners
}

/** The read side of the event journal, and its retention. Events are written by `Batch.append`. */
export class Journal {
  readonly #live: Live
  readonly #listeners: CommitListeners

  constructor(ports: JournalPorts) {
    this.#live = ports.live
    this.#listeners = ports.listeners
  }

  /** Of the events that it gives now: a healing that finds an older state of the store changes it. */
  get epoch(): string {
    return this.#live.parts.epoch
  }

  /** Last event on disk, 0 before the first. */
  headSeq(): number {
    return this.#live.parts.committer.head.seq
  }

  /** First event that is kept, `headSeq() + 1` when none is. */
  oldestSeq(): number {
    return this.#live.parts.committer.head.oldest
  }

  /** What the tables of the database hold of the journal: the newest few MiB may not be counted yet. */
  async bytes(): Promise<number> {
    const { engine } = await this.#live.ready()
    const end = Uint8Array.of(SYSTEM_BUCKETS.journal + 1)
    return engine.approximateBytes(eventKey(this.oldestSeq()), end)
  }

  /** Calls with the new head after the events are on disk, never before. Returns the way to unsubscribe. */
  onAppend(listener: (head: number) => void): () => void {
    return this.#listeners.onAppend(listener)
  }

  /**
   * Throws unless numbers of `epoch` are numbers of this journal; undefined passes. Whoever holds a number over a wait
   * asks again behind it: a healing may have found an older state. @throws HearsayError `cursor-ahead` {head, epoch}.
   */
  checkEpoch(epoch: string | undefined): void {
    if (epoch === undefined || epoch === this.epoch) return
    throw new HearsayError(
      'cursor-ahead',
      'this epoch is over: the database was restored since, or is another one',
      { head: this.headSeq(), epoch: this.epoch },
    )
  }

  /**
   * Throws unless reading can go on after `after`. @throws HearsayError `cursor-too-old` {oldest};
   * `cursor-ahead` {head, epoch}.
   */
  checkCursor(after: number): void {
    const { seq, oldest } = this.#live.parts.committer.head
    if (!Number.isSafeInteger(after) || after < 0) {
      throw new HearsayError('bad-value', 'a cursor is a number from 0')
    }
    if (after > seq)
      throw new HearsayError('cursor-ahead', 'no such event yet', { head: seq, epoch: this.epoch })
    if (after < oldest - 1) {
      throw new HearsayError('cursor-too-old', 'these events are no longer kept', { oldest })
    }
  }

  /**
   * At most `limit` events after number `after`, in order, without a gap; of the given types only, if any
   * (`message.received`, or `message.*`). Looks at a bounded number of entries and gives a bounded number of
   * bytes (at least one event if it finds one): go on at `scannedTo`. In the place of an entry that is damaged, missing or
   * not chained to the one before stands an event `DAMAGED_EVENT` without data, for readers of all types: what it was is not
   * known. Each is counted once in `StoreSpace.damagedValues`. @throws as `checkCursor`; HearsayError `storage-poisoned`
   * for an entry that may be missing because a write failed.
   */
  async events(after: number, limit: number, types?: readonly string[]): Promise<EventPage> {
    this.checkCursor(after)
    const { seq: head, oldest } = this.#live.parts.committer.head
    const matches = typeFilter(types)
    const events: JournalEvent[] = []
    const last = Math.min(head, after + MAX_SCAN)
    let scannedTo = after
    let damagedAt: number | undefined
    let bytes = 0
    // Two entries before the first are read too: one vouches for the `prev` of the first, the other for the one.
    const from = Math.max(oldest, after - 1)
    let chain: Uint8Array | undefined
    if (limit > 0 && after < head) {
      for await (const { seq, record } of this.#numbered(from, last)) {
        const isWhole =
          record !== undefined && (chain === undefined || equalBytes(chain, record.prev))
        chain = isWhole ? chainValue(seq, record) : undefined
        if (seq <= after) continue
        if (!isWhole && damagedAt === undefined) {
          await this.#checkKept(after)
          damagedAt = seq
        }
        scannedTo = seq
        const event = isWhole ? this.#toEvent(seq, record) : this.#damagedEvent(seq)
        if (!isWhole || matches(event.type)) {
          events.push(event)
          bytes += isWhole ? (record.body?.json.length ?? 0) : 0
        }
        if (events.length >= limit || bytes >= MAX_PAGE_BYTES) break
      }
    }
    return { events, scannedTo, head, damagedAt }
  }

  /**
   * As `events`, for whoever erases: entries are taken one by one, without the chain. One that is damaged has no event.
   * Goes on at the oldest entry when those after `after` are no longer kept.
   */
  async entries(
    after: number,
    limit: number,
  ): Promise<{
    readonly entries: readonly { readonly seq: number; readonly event: JournalEvent | undefined }[]
    readonly scannedTo: number
  }> {
    const { seq: head, oldest } = this.#live.parts.committer.head
    const from = Math.max(after + 1, oldest)
    const to = Math.min(head, from + limit - 1)
    const entries: { seq: number; event: JournalEvent | undefined }[] = []
    let bytes = 0
    for await (const { seq, open } of this.#sealed(from, to)) {
      const record = unlessDamaged(open)
      entries.push({ seq, event: record && this.#toEvent(seq, record) })
      bytes += record?.body?.json.length ?? 0
      if (bytes >= MAX_PAGE_BYTES) return { entries, scannedTo: seq }
    }
    return { entries, scannedTo: to }
  }

  /**
   * Deletes the events below `beforeSeq`, in several commits if there are many. Resolves with the oldest
   * that is left. The bytes leave the disk with a later compaction.
   */
  async trim(beforeSeq: number): Promise<number> {
    const { committer } = this.#live.parts
    const goal = Math.min(beforeSeq, committer.head.seq + 1)
    while (committer.head.oldest < goal) {
      const nothing = { changes: new Map(), events: [], redactions: [], bytes: 0 }
      await committer.submit({ ...nothing, trimBefore: goal })
    }
    return committer.head.oldest
  }

  /** Every number from `from` to `to`; no record where there is none, or one that does not open. */
  async *#numbered(
    from: number,
    to: number,
  ): AsyncGenerator<{ seq: number; record: EventRecord | undefined }> {
    let next = from
    for await (const { seq, open } of this.#sealed(from, to)) {
      for (; next < seq; next++) yield { seq: next, record: await this.#single(next) }
      yield { seq, record: unlessDamaged(open) }
      next = seq + 1
    }
    for (; next <= to; next++) yield { seq: next, record: await this.#single(next) }
  }

  /**
   * An entry that the iterator did not have. It passes over a table that cannot be opened for a moment, for example because
   * there are too many open files; this read fails then. @throws HearsayError as the engine.
   */
  async #single(seq: number): Promise<EventRecord | undefined> {
    const { engine, vault } = await this.#live.ready()
    const key = eventKey(seq)
    const value = await engine.get(key)
    return value && unlessDamaged(() => decodeRecord(seq, vault.open(key, value)))
  }

  /**
   * A missing entry may have been trimmed by a group that is on disk and not in the head: not yet, or never, because the
   * rest of its commit failed. @throws HearsayError `cursor-too-old`, `storage-poisoned`.
   */
  async #checkKept(after: number): Promise<void> {
    const { committer } = this.#live.parts
    await committer.between(async () => {})
    if (committer.poison !== undefined) {
      throw new HearsayError('storage-poisoned', 'an earlier write failed', {}, committer.poison)
    }
    this.checkCursor(after)
  }

  #damagedEvent(seq: number): JournalEvent {
    const { epoch, reader } = this.#live.parts
    reader.noteDamaged(eventKey(seq))
    const id = hash(LABELS.storeJournalDamaged, utf8(epoch), u64be(seq)).subarray(0, EVENT_ID_BYTES)
    return {
      seq,
      epoch,
      id: toBase64Url(id),
      type: DAMAGED_EVENT,
      time: 0,
      data: {},
      prev: toBase64Url(new Uint8Array(CHAIN_BYTES)),
    }
  }

  async *#sealed(
    from: number,
    to: number,
  ): AsyncGenerator<{ seq: number; open: () => EventRecord }> {
    const { engine, vault } = await this.#live.ready()
    const range = physicalRange(SYSTEM_BUCKETS.journal, { gte: u64be(from), lte: u64be(to) })
    for await (const [key, value] of engine.iterate(range)) {
      const seq = seqOfKey(key)
      if (seq === undefined) continue
      yield { seq, open: () => decodeRecord(seq, vault.open(key, value)) }
    }
  }

  #toEvent(seq: number, record: EventRecord): JournalEvent {
    return {
      seq,
      epoch: this.#live.parts.epoch,
      id: idText(record),
      type: record.type,
      time: record.time,
      data: dataOf(record),
      prev: toBase64Url(record.prev),
      ...(record.body ? {} : { redacted: true as const }),
    }
  }
}

function unlessDamaged(open: () => EventRecord): EventRecord | undefined {
  try {
    return open()
  } catch (error) {
    if (isHearsayError(error, 'storage-corrupt')) return undefined
    throw error
  }
}

/** Undefined for a damaged key: its entry counts as missing. */
function seqOfKey(key: Uint8Array): number | undefined {
  if (key.length !== 9) return undefined
  const value = new DataView(key.buffer, key.byteOffset).getBigUint64(1)
  return Number(value)
}
