import { type Clock, DAY_MS, HearsayError, type Rng, toBase64Url, toHex } from '../base/index.ts'
import type { Batch, Store } from '../store/index.ts'
import { MESSAGE_ID_BYTES, TEXT_BYTES_MAX } from './constants.ts'
import { type Contact, hasMet } from './contact.ts'
import { messageEvent } from './events.ts'
import type { History } from './history.ts'
import type { Ledger } from './ledger.ts'
import { advance, type Message, type MessageState } from './message.ts'
import { messageOf, newOutRecord, type OutRecord } from './out-record.ts'
import { checkRoom, filledBy, type Load, loadOf } from './outbox-limits.ts'
import type { ConversationOptions } from './ports.ts'
import type { SeqRange } from './ranges.ts'
import { encodeRecord, type RecordKind } from './records.ts'
import { toldStates } from './told.ts'
import type { WaitClock } from './wait-clock.ts'
import type { WriteEpoch } from './writer.ts'

const WRITES_AT_ONCE = 256
/** Reason of an expired text of which no box has carried anything. */
const NOT_SENT = 'not sent'

export interface OutboxPorts {
  readonly clock: Clock
  readonly waits: WaitClock
  readonly rng: Rng
  readonly store: Store
  readonly ledger: Ledger
  readonly history: History
}

/** Beside the load: messages that are not final, the time of the oldest, and the share of what may wait, from 0 to 1. */
export interface OutboxDepth extends Load {
  readonly queued: number
  readonly oldestAt: number | undefined
  readonly filled: number
}

/**
 * Records from acceptance to their reported end: acknowledged, cancelled, expired or failed. Nothing ends
 * silently, and a message's state never goes back.
 */
export class Outbox {
  readonly #ports: OutboxPorts
  readonly #options: ConversationOptions
  /** Messages that are not final, by number: their state changes faster than the disk answers. */
  readonly #live = new Map<number, Message>()

  constructor(ports: OutboxPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Reads the messages of all records. One whose row is damaged is written anew from its record and what was told. */
  async load(): Promise<void> {
    const { store, ledger, history } = this.#ports
    const texts = [...ledger.contacts.values()].flatMap(({ id, writer }) =>
      [...(writer?.queue ?? []), ...(writer?.outstanding.values() ?? [])]
        .filter(({ message }) => message !== undefined)
        .map((record) => ({ id, record, number: record.message ?? 0 })),
    )
    const found = new Map<number, Message>()
    for await (const message of history.among(new Set(texts.map(({ number }) => number)))) {
      found.set(message.number, message)
    }
    const lost: Message[] = []
    for (const { id, record, number } of texts) {
      const message = found.get(number) ?? messageOf(id, record)
      if (message === undefined) continue
      this.#live.set(message.number, message)
      if (!found.has(number)) lost.push(message)
    }
    if (lost.length > 0) await this.#recall(lost)
    for (let at = 0; at < lost.length; at += WRITES_AT_ONCE) {
      const batch = store.batch()
      for (const message of lost.slice(at, at + WRITES_AT_ONCE)) history.add(batch, message)
      await batch.commit()
    }
  }

  /** The record of a message does not say all of how far it came. */
  async #recall(messages: readonly Message[]): Promise<void> {
    const ids = new Map(messages.map((message) => [toBase64Url(message.id), message]))
    for (const [id, changes] of await toldStates(this.#ports.store, new Set(ids.keys()))) {
      const message = ids.get(id)
      for (const change of changes) if (message !== undefined) advance(message, change)
    }
  }

  /** The newest state of a message that is under way. */
  live(number: number): Message | undefined {
    return this.#live.get(number)
  }

  get liveMessages(): readonly Message[] {
    return [...this.#live.values()]
  }

  /**
   * Accepts a text: the caller commits the batch and may then promise it. `expiresAt` is by the clock of waits.
   * @throws HearsayError `contact-not-ready`, `bad-value` (not well-formed Unicode), `record-too-large`,
   * `quota-exceeded` {limit}: too much waits for this contact, or for all together.
   */
  accept(batch: Batch, contact: Contact, text: string, expiresAt: number): Message {
    const { clock, rng, ledger, history } = this.#ports
    if (!hasMet(contact) || contact.writer === undefined) {
      throw new HearsayError('contact-not-ready', 'the key exchange with this contact is not done')
    }
    if (!text.isWellFormed()) {
      throw new HearsayError('bad-value', 'the text is not well-formed Unicode')
    }
    if (Buffer.byteLength(text) > TEXT_BYTES_MAX) {
      throw new HearsayError('record-too-large', 'the text is longer than 64 KiB')
    }
    const now = clock.now()
    const id = rng.bytes(MESSAGE_ID_BYTES)
    const bytes = encodeRecord({ kind: 'text', messageId: id, text, sentAt: now })
    checkRoom(ledger.contacts.values(), contact, bytes.length)
    const message: Message = {
      number: history.allocate(),
      id,
      contactId: contact.id,
      direction: 'out',
      text,
      sentAt: now,
      receivedAt: undefined,
      read: true,
      state: 'queued',
      history: [{ state: 'queued', at: now }],
    }
    this.enqueue(batch, contact, 'text', bytes, { message: message.number, expiresAt })
    contact.outboxBytes += bytes.length
    history.add(batch, message)
    this.#live.set(message.number, message)
    messageEvent(batch, message, 'message.queued')
    return message
  }

  /** Adds a record to a contact's queue. Returns its queue number. */
  enqueue(
    batch: Batch,
    contact: Contact,
    kind: RecordKind,
    bytes: Uint8Array,
    more: { message?: number; expiresAt?: number } = {},
  ): number {
    const { writer } = contact
    if (writer === undefined) throw new HearsayError('bug', 'a contact without a stream')
    const record = newOutRecord(writer.state.nextQueued, kind, bytes, more)
    writer.take(record)
    this.#ports.ledger.saveRecord(batch, contact, record)
    return record.queued
  }

  /**
   * Texts on their way go into a new stream, in their order and without number, before anything else that waits there;
   * all other records belonged to the keys of the old one and are dropped. The old writer is of no use afterwards.
   * What was in no box can still be taken back, but when the state `isRolledBack`: what the former life of this device
   * has sent is not known then.
   */
  move(batch: Batch, contact: Contact, epoch: WriteEpoch, isRolledBack: boolean): void {
    const { ledger } = this.#ports
    const { writer: old } = contact
    const records = [...(old?.outstanding.values() ?? []), ...(old?.queue ?? [])]
    const nextQueued = old?.state.nextQueued ?? 1
    const writer = ledger.newWriter({ epoch, staged: undefined, nextSeq: 1, nextQueued })
    for (const record of records.toSorted((a, b) => a.queued - b.queued)) {
      const { queued, kind, bytes, message, expiresAt, seq } = record
      if (message === undefined) {
        ledger.dropRecord(batch, contact, record)
        continue
      }
      // Bound: a box of the old stream may carry it, sealed or not.
      const hasLeft = isRolledBack || record.hasLeft || seq !== 0
      const moved = newOutRecord(queued, kind, bytes, { message, expiresAt, hasLeft })
      writer.take(moved)
      ledger.saveRecord(batch, contact, moved)
    }
    old?.clear()
    contact.writer = writer
  }

  /** These records have left in a box. Returns the messages among them. */
  left(batch: Batch, contact: Contact, records: readonly OutRecord[]): number[] {
    const messages: number[] = []
    contact.writer?.sent(records, this.#ports.waits.now())
    for (const record of records) {
      if (contact.writer?.outstanding.get(record.seq) !== record) continue
      this.#ports.ledger.saveRecord(batch, contact, record)
      if (record.message === undefined) continue
      messages.push(record.message)
      this.#move(batch, record.message, 'sent')
    }
    return messages
  }

  /** The keepers have the box that completes these messages. */
  async stored(messages: readonly number[]): Promise<void> {
    const batch = this.#ports.store.batch()
    let any = false
    for (const number of messages) {
      const message = this.#live.get(number)
      const contact = message && this.#ports.ledger.contacts.get(toHex(message.contactId))
      if (contact === undefined || message?.state !== 'sent') continue
      this.#move(batch, number, 'stored')
      any = true
    }
    if (any) await batch.commit()
  }

  /** Ends acknowledged records, at most `limit`. Returns how many. */
  acknowledge(
    batch: Batch,
    contact: Contact,
    upTo: number,
    missing: readonly SeqRange[],
    limit = Number.POSITIVE_INFINITY,
  ): number {
    const { waits, ledger } = this.#ports
    const ended = contact.writer?.acknowledge(upTo, missing, waits.now(), limit) ?? []
    for (const record of ended) {
      ledger.dropRecord(batch, contact, record)
      if (record.message === undefined) continue
      contact.outboxBytes -= record.bytes.length
      this.#move(batch, record.message, 'delivered')
    }
    return ended.length
  }

  /** Everything written so far has been answered by the next flight of the key exchange. */
  acknowledgeAll(batch: Batch, contact: Contact): void {
    if (contact.writer === undefined) return
    this.acknowledge(batch, contact, contact.writer.state.nextSeq - 1, [])
  }

  /** Reports messages whose time is over, at most `limit`. Returns how many. */
  expire(batch: Batch, contact: Contact, limit: number): number {
    const over = contact.writer?.expired(this.#ports.waits.now()).slice(0, limit) ?? []
    for (const record of over) {
      const why = this.#retire(batch, contact, record) ? undefined : NOT_SENT
      if (record.message !== undefined) this.#move(batch, record.message, 'expired', why)
    }
    return over.length
  }

  /**
   * What no box has carried goes; a number that the reader may wait for becomes a tombstone. Returns whether a box may have
   * carried any of it.
   */
  #retire(batch: Batch, contact: Contact, record: OutRecord): boolean {
    const { waits, ledger } = this.#ports
    const { writer } = contact
    if (writer === undefined) return true
    if (record.message !== undefined) contact.outboxBytes -= record.bytes.length
    if (writer.cancel(record)) {
      ledger.dropRecord(batch, contact, record)
      return record.hasLeft
    }
    if (record.kind === 'tombstone') {
      writer.drop(record)
      ledger.dropRecord(batch, contact, record)
    } else {
      const expiresAt = waits.now() + this.#options.ttlDays * DAY_MS
      ledger.saveRecord(batch, contact, writer.bury(record, expiresAt))
    }
    return true
  }

  /**
   * Takes a message back. @throws HearsayError `message-too-late` {alreadySent} when a box may carry it already, or when it
   * has ended; `bad-value` for one that was received.
   */
  cancel(batch: Batch, message: Message): void {
    if (message.direction === 'in') {
      throw new HearsayError('bad-value', 'only a message of this node can be taken back', {
        field: 'messageId',
      })
    }
    const contact = this.#ports.ledger.contacts.get(toHex(message.contactId))
    const record = contact?.writer?.queue.find((r) => r.message === message.number)
    if (contact === undefined || record === undefined || record.hasLeft) {
      const isBack = message.state === 'cancelled'
      const alreadySent = !isBack && message.history.at(-1)?.reason !== NOT_SENT
      const reason = alreadySent
        ? 'the message has left already'
        : isBack
          ? 'it was taken back already'
          : 'its time was over before it left'
      throw new HearsayError('message-too-late', reason, { alreadySent })
    }
    this.#retire(batch, contact, record)
    this.#move(batch, message.number, 'cancelled')
  }

  /** Every message under way to this contact ends as failed. */
  fail(batch: Batch, contact: Contact, reason: string): void {
    for (const message of this.#live.values()) {
      if (toHex(message.contactId) === contact.key) {
        this.#move(batch, message.number, 'failed', reason)
      }
    }
  }

  forget(contact: Contact): void {
    for (const [number, message] of this.#live) {
      if (toHex(message.contactId) === contact.key) this.#live.delete(number)
    }
  }

  #move(batch: Batch, number: number, state: MessageState, reason?: string): void {
    const message = this.#live.get(number)
    if (message === undefined) return
    const why = reason === undefined ? {} : { reason }
    if (!advance(message, { state, at: this.#ports.clock.now(), ...why })) return
    this.#ports.history.put(batch, message)
    messageEvent(batch, message, `message.${state}`, why)
    if (state !== 'sent' && state !== 'stored') this.#live.delete(number)
  }

  /** For the status: what waits, since when, and the share of what may. */
  depth(): OutboxDepth {
    let oldestAt: number | undefined
    for (const message of this.#live.values()) {
      if (oldestAt === undefined || message.sentAt < oldestAt) oldestAt = message.sentAt
    }
    const load = loadOf(this.#ports.ledger.contacts.values())
    return { queued: this.#live.size, oldestAt, ...load, filled: filledBy(load) }
  }
}
