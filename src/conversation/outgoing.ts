import { type Address, type BoxBytes, HearsayError, toBase64Url, toHex } from '../base/index.ts'
import type { Batch } from '../store/index.ts'
import {
  addressOf,
  advanceChain,
  BOX_PAYLOAD_BYTES,
  BOX_SALT_BYTES,
  type BoxKeys,
  SALTED_PAYLOAD_BYTES,
  sealBox,
  sealSaltedBox,
} from '../stream/index.ts'
import { signKeyPairFromSeed } from '../crypto/index.ts'
import { OUTBOX_BYTES_MAX, OUTBOX_RECORDS_MAX, OFFERS_MAX, TEXT_BYTES_MAX } from './constants.ts'
import type { Contact } from './contact.ts'
import { advance, type History, type Message, type MessageState } from './history.ts'
import type { Ledger } from './ledger.ts'
import { drawOffers } from './offers.ts'
import { type ConversationOptions, type ConversationPorts, dayOf } from './ports.ts'
import { encodeRecord, type RecordKind } from './records.ts'
import { claimPlace, verdictPlace } from './rendezvous.ts'
import type { OutRecord } from './writer.ts'

/** Announcements of one claim at most: the first and its repetitions, each under its own address. */
export const ANNOUNCEMENTS_MAX = 1 + OFFERS_MAX

export interface OutgoingPorts extends Pick<ConversationPorts, 'clock' | 'rng' | 'store' | 'linked'> {
  readonly ledger: Ledger
  readonly history: History
  /** A box of ours left: it may be audited at its keepers. */
  readonly onLeft: (address: Address, day: number, messages: readonly number[]) => void
}

interface Flight {
  readonly contact: Contact
  readonly finished: readonly OutRecord[]
  readonly address: Address
}

/**
 * What leaves: accepts messages, fills boxes as late as the slot allows, and ends records when they are
 * acknowledged, cancelled or expired. The writer of a box treats it from then on like any other node.
 */
export class Outgoing {
  readonly #ports: OutgoingPorts
  readonly #options: ConversationOptions
  /** Messages that are not final, by number: their state changes faster than the disk answers. */
  readonly #live = new Map<number, Message>()
  readonly #flights = new Map<string, Flight>()
  readonly #announceAt = new Map<string, number>()
  readonly #verdictDue = new Set<Contact>()
  #turn = 0

  constructor(ports: OutgoingPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  async load(): Promise<void> {
    for (const contact of this.#ports.ledger.contacts.values()) {
      const writer = contact.writer
      if (writer === undefined) continue
      for (const record of [...writer.queue, ...writer.outstanding.values()]) {
        if (record.message === undefined) continue
        const message = await this.#ports.history.get(record.message)
        if (message !== undefined) this.#live.set(message.number, message)
      }
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
   * Accepts a text into the outbox: the caller commits the batch and may then promise it.
   * @throws HearsayError `contact-not-ready`, `record-too-large`, `quota-exceeded`.
   */
  accept(batch: Batch, contact: Contact, text: string, expiresAt: number): Message {
    const { clock, rng, history, ledger } = this.#ports
    const writer = contact.writer
    if (contact.card.phase !== 'ready' || writer === undefined) {
      throw new HearsayError('contact-not-ready', 'the key exchange with this contact is not done')
    }
    if (Buffer.byteLength(text) > TEXT_BYTES_MAX) {
      throw new HearsayError('record-too-large', 'the text is longer than 64 KiB')
    }
    const now = clock.now()
    const id = rng.bytes(16)
    const bytes = encodeRecord({ kind: 'text', messageId: id, text, sentAt: now })
    const waiting = writer.queue.length + writer.outstanding.size
    if (waiting >= OUTBOX_RECORDS_MAX || contact.outboxBytes + bytes.length > OUTBOX_BYTES_MAX) {
      throw new HearsayError('quota-exceeded', 'too many messages wait for this contact')
    }
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
    ledger.saveWriter(batch, contact)
    batch.append({ type: 'message.queued', data: messageData(contact, message) })
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
    const writer = contact.writer
    if (writer === undefined) throw new HearsayError('bug', 'a contact without a stream')
    const record: OutRecord = {
      queued: writer.state.nextQueued++,
      kind,
      bytes,
      message: more.message,
      expiresAt: more.expiresAt ?? Number.MAX_SAFE_INTEGER,
      seq: 0,
      due: [],
      sentAt: undefined,
      gapOffered: false,
    }
    writer.take(record)
    this.#ports.ledger.saveRecord(batch, contact, record)
    return record.queued
  }

  /** A second claim showed up: the verdict box tells the loser. */
  owesVerdict(contact: Contact): void {
    this.#verdictDue.add(contact)
  }

  /**
   * The next box, sealed, or undefined when nothing waits. The stream index is on disk before the box is
   * sealed, so no crash uses an address twice; a box lost in a crash is made up for by fresh ones.
   */
  async nextBox(): Promise<BoxBytes | undefined> {
    if (!this.#ports.linked()) return undefined
    const contacts = [...this.#ports.ledger.contacts.values()]
    for (let i = 0; i < contacts.length; i++) {
      const contact = contacts[(this.#turn + i) % contacts.length]
      if (contact === undefined) continue
      const box = await this.#boxFor(contact)
      if (box === undefined) continue
      this.#turn = (this.#turn + i + 1) % contacts.length
      return box
    }
    return undefined
  }

  async #boxFor(contact: Contact): Promise<BoxBytes | undefined> {
    if (this.#verdictDue.delete(contact)) return this.#verdictBox(contact)
    if (this.#announcementDue(contact)) return this.#announcementBox(contact)
    const { clock, store, ledger } = this.#ports
    const writer = contact.writer
    const now = clock.now()
    if (writer === undefined || contact.card.phase === 'failed') return undefined
    const ready = contact.card.phase === 'ready'
    const ackDue = contact.ackDueAt !== undefined && contact.unconfirmed.size === 0
    const wants = writer.wants(now, ready)
    if (!wants && !(ackDue && now >= (contact.ackDueAt ?? now))) return undefined
    const ack = ackDue && ready && contact.reader ? contact.reader.ackState() : undefined
    const draft = writer.draft(now, ready, ack && encodeRecord({ kind: 'ack', ...ack }))
    if (draft === undefined) return undefined
    if (ack !== undefined) contact.ackDueAt = undefined
    if (draft.tag === writer.state.epoch.tag) contact.boxesInEpoch++
    const batch = store.batch()
    ledger.saveWriter(batch, contact)
    if (ack !== undefined) ledger.saveReader(batch, contact)
    for (const record of draft.bound) ledger.saveRecord(batch, contact, record)
    if (!ready) this.#progress(batch, contact)
    await batch.commit()
    return this.#seal(contact, draft.keys, draft.rootSeed, draft.payload, draft.finished)
  }

  #seal(
    contact: Contact,
    keys: BoxKeys,
    rootSeed: Uint8Array,
    payload: Uint8Array,
    finished: readonly OutRecord[],
    salted = false,
  ): BoxBytes {
    const { clock, rng } = this.#ports
    const { networkId, ttlDays } = this.#options
    const address = addressOf(signKeyPairFromSeed(rootSeed).publicKey, keys.blind)
    const input = { networkId, expiryDay: dayOf(clock.now()) + ttlDays, rootSeed, keys, payload }
    const box = salted ? sealSaltedBox({ ...input, salt: rng.bytes(BOX_SALT_BYTES) }) : sealBox(input)
    this.#flights.set(toHex(address), { contact, finished, address })
    return box
  }

  /** Announces R_C under the next claim address; each address is used once. */
  async #announcementBox(contact: Contact): Promise<BoxBytes | undefined> {
    const { keys } = contact
    const { clock, rng, store, ledger } = this.#ports
    if (keys.inviteSecret === undefined || keys.rendezvousSeed === undefined) return undefined
    const place = claimPlace(this.#options.networkId, keys.inviteSecret)
    let step = advanceChain(place.chain)
    for (let i = 0; i < keys.announcements; i++) step = advanceChain(step.next)
    keys.announcements++
    const wait = drawOffers(rng, this.#options)[keys.announcements - 1] ?? Number.MAX_SAFE_INTEGER
    this.#announceAt.set(contact.key, clock.now() + wait)
    const batch = store.batch()
    ledger.saveKeys(batch, contact)
    this.#progress(batch, contact)
    await batch.commit()
    const claimerRoot = signKeyPairFromSeed(keys.rendezvousSeed).publicKey
    const payload = new Uint8Array(SALTED_PAYLOAD_BYTES)
    payload.set(claimerRoot)
    return this.#seal(contact, step.keys, place.rootSeed, payload, [], true)
  }

  #announcementDue(contact: Contact): boolean {
    const { card, keys } = contact
    if (card.role !== 'claimer' || card.phase !== 'waiting' || keys.keyPackage === undefined) return false
    if (keys.announcements >= ANNOUNCEMENTS_MAX) return false
    return this.#ports.clock.now() >= (this.#announceAt.get(contact.key) ?? 0)
  }

  #verdictBox(contact: Contact): BoxBytes | undefined {
    const { inviteSecret, inviterRoot, rendezvousSeed, wonBy } = contact.keys
    if (inviteSecret === undefined || rendezvousSeed === undefined || wonBy === undefined) return undefined
    const place = verdictPlace(this.#options.networkId, inviteSecret, inviterRoot)
    const { keys } = advanceChain(place.chain)
    const payload = new Uint8Array(BOX_PAYLOAD_BYTES)
    payload.set(wonBy)
    return this.#seal(contact, keys, rendezvousSeed, payload, [])
  }

  #progress(batch: Batch, contact: Contact): void {
    contact.card.boxesDone++
    this.#ports.ledger.saveCard(batch, contact)
  }

  /** What became of a box: with no peer it has not left, and its records are due again in a fresh one. */
  async published(box: BoxBytes, peers: number): Promise<void> {
    const key = toHex(box.subarray(5, 37))
    const flight = this.#flights.get(key)
    if (flight === undefined) return
    this.#flights.delete(key)
    const { contact, finished } = flight
    const { clock, store, ledger, onLeft } = this.#ports
    const now = clock.now()
    contact.writer?.sent(finished, now, peers > 0)
    if (peers === 0) return
    const batch = store.batch()
    const messages: number[] = []
    for (const record of finished) {
      if (contact.writer?.outstanding.get(record.seq) !== record) continue
      ledger.saveRecord(batch, contact, record)
      if (record.message === undefined) continue
      messages.push(record.message)
      this.#move(batch, contact, record.message, 'sent')
    }
    onLeft(flight.address, dayOf(now), messages)
    await batch.commit()
  }

  /** The keepers have a box with these messages. */
  async stored(messages: readonly number[]): Promise<void> {
    const batch = this.#ports.store.batch()
    let any = false
    for (const number of messages) {
      const message = this.#live.get(number)
      const contact = message && this.#ports.ledger.contacts.get(toHex(message.contactId))
      if (contact !== undefined && message?.state === 'sent') {
        this.#move(batch, contact, number, 'stored')
        any = true
      }
    }
    if (any) await batch.commit()
  }

  /** Ends acknowledged records, in the batch of the ack. */
  acknowledge(batch: Batch, contact: Contact, upTo: number, missing: readonly number[]): void {
    const { clock, ledger } = this.#ports
    for (const record of contact.writer?.acknowledge(upTo, missing, clock.now()) ?? []) {
      ledger.dropRecord(batch, contact, record)
      if (record.message === undefined) continue
      contact.outboxBytes -= record.bytes.length
      this.#move(batch, contact, record.message, 'delivered')
    }
  }

  /** Everything written so far has been answered by the next flight of the key exchange. */
  acknowledgeAll(batch: Batch, contact: Contact): void {
    if (contact.writer === undefined) return
    this.acknowledge(batch, contact, contact.writer.state.nextSeq - 1, [])
  }

  /** Reports messages whose time is over; nothing ends silently. */
  expire(batch: Batch, contact: Contact): boolean {
    const { clock, ledger } = this.#ports
    const writer = contact.writer
    const over = writer?.expired(clock.now()) ?? []
    for (const record of over) {
      if (writer === undefined) break
      this.#retire(batch, contact, record)
      if (record.message !== undefined) this.#move(batch, contact, record.message, 'expired')
    }
    if (over.length > 0) ledger.saveWriter(batch, contact)
    return over.length > 0
  }

  #retire(batch: Batch, contact: Contact, record: OutRecord): void {
    const { clock, ledger } = this.#ports
    const writer = contact.writer
    if (writer === undefined) return
    if (record.message !== undefined) contact.outboxBytes -= record.bytes.length
    if (record.seq === 0 || record.kind === 'tombstone') {
      writer.cancel(record)
      writer.outstanding.delete(record.seq)
      ledger.dropRecord(batch, contact, record)
    } else {
      const ttlMs = this.#options.ttlDays * 86_400_000
      const buried = writer.bury(record, clock.now(), clock.now() + ttlMs)
      ledger.saveRecord(batch, contact, buried)
    }
  }

  /** Takes a message back. @throws HearsayError `message-too-late` when a box may carry it already. */
  cancel(batch: Batch, message: Message): void {
    const contact = this.#ports.ledger.contacts.get(toHex(message.contactId))
    const record = contact?.writer?.queue.find((r) => r.message === message.number)
    if (contact === undefined || record === undefined) {
      throw new HearsayError('message-too-late', 'the message has left already', {
        alreadySent: true,
      })
    }
    this.#retire(batch, contact, record)
    this.#move(batch, contact, message.number, 'cancelled')
  }

  /** Every message under way to this contact ends as failed. */
  fail(batch: Batch, contact: Contact, reason: string): void {
    for (const message of this.#live.values()) {
      if (toHex(message.contactId) === contact.key) {
        this.#move(batch, contact, message.number, 'failed', reason)
      }
    }
    this.#verdictDue.delete(contact)
    this.#announceAt.delete(contact.key)
  }

  forget(contact: Contact): void {
    for (const [number, message] of this.#live) {
      if (toHex(message.contactId) === contact.key) this.#live.delete(number)
    }
  }

  #move(
    batch: Batch,
    contact: Contact,
    number: number,
    state: MessageState,
    reason?: string,
  ): void {
    const message = this.#live.get(number)
    if (message === undefined) return
    const at = this.#ports.clock.now()
    if (!advance(message, reason === undefined ? { state, at } : { state, at, reason })) return
    this.#ports.history.put(batch, message)
    batch.append({
      type: `message.${state}`,
      data: { ...messageData(contact, message), ...(reason === undefined ? {} : { reason }) },
    })
    if (state !== 'sent' && state !== 'stored') this.#live.delete(number)
  }

  /** Messages and the age of the oldest, for the status. */
  depth(): { queued: number; oldestAt: number | undefined } {
    let oldestAt: number | undefined
    for (const message of this.#live.values()) {
      if (oldestAt === undefined || message.sentAt < oldestAt) oldestAt = message.sentAt
    }
    return { queued: this.#live.size, oldestAt }
  }
}

function messageData(contact: Contact, message: Message): { messageId: string; contactId: string } {
  return { messageId: toBase64Url(message.id), contactId: toBase64Url(contact.id) }
}
