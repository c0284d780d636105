import { concat, HearsayError, isHearsayError, type Rng, toHex, u64be } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import { CONTACT_ID_BYTES } from './constants.ts'
import { type Contact, type ContactCard, type ContactKeys, hasMet } from './contact.ts'
import {
  decodeCard,
  decodeKeys,
  decodeReader,
  decodeWriter,
  encodeCard,
  encodeKeys,
  encodeReader,
  encodeWriter,
} from './contact-codec.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import { HeldRows } from './held-rows.ts'
import type { OfferTimes } from './offers.ts'
import { decodeOut, encodeOut, type OutRecord } from './out-record.ts'
import type { ReaderOptions } from './reader.ts'
import type { WaitClock } from './wait-clock.ts'
import { StreamWriter, type WriterState } from './writer.ts'

export interface LedgerOptions extends ReaderOptions, OfferTimes {}

const NO_KEYS: ContactKeys = {
  accountSeed: undefined,
  deviceId: new Uint8Array(),
  inviteSecret: undefined,
  inviterRoot: new Uint8Array(),
  rendezvousSeed: undefined,
  conversation: undefined,
  theirAccount: undefined,
  theirDevice: undefined,
  keyPackages: [],
  theirKeyPackage: undefined,
  ownGroup: undefined,
  peerGroup: undefined,
  authenticators: undefined,
  wonBy: undefined,
  announcements: 0,
  verdicts: 0,
  resetSecret: undefined,
  recovery: undefined,
}

const EMPTY_WRITER: WriterState = {
  epoch: {
    tag: RENDEZVOUS_TAG,
    chain: { index: 0, chainKey: new Uint8Array(32) },
    rootSeed: new Uint8Array(32),
    since: 0,
  },
  staged: undefined,
  nextSeq: 1,
  nextQueued: 1,
}

/**
 * Contacts on disk and in memory. A card is sealed; keys, writer and reader rest on the secret shelf, each
 * under its own key, so that a state which was overwritten cannot be opened again. What a reader holds is in rows of
 * their own, whose keys are in its state.
 *
 * Whoever fills a batch commits it in the same turn: between the two another batch could save a newer state,
 * and the older one would overwrite it, which after a crash means an address used twice.
 */
export class Ledger {
  readonly #store: Store
  readonly #rng: Rng
  readonly #waits: WaitClock
  readonly #held: HeldRows
  readonly #options: LedgerOptions
  readonly contacts = new Map<string, Contact>()

  constructor(ports: { store: Store; rng: Rng; waits: WaitClock }, options: LedgerOptions) {
    this.#store = ports.store
    this.#rng = ports.rng
    this.#waits = ports.waits
    this.#held = new HeldRows(ports)
    this.#options = options
  }

  /** Reads everything. Returns the contacts whose keys, or only whose streams, are damaged or missing. */
  async load(): Promise<Map<Contact, 'keys' | 'streams'>> {
    const damaged = new Map<Contact, 'keys' | 'streams'>()
    for await (const [id, value] of this.#store.iterate(BUCKETS.contacts)) {
      const contact = this.#blank(id, decodeCard(value), { ...NO_KEYS })
      this.contacts.set(contact.key, contact)
      const parts = [
        ['keys', () => this.#loadKeys(contact)],
        ['streams', () => this.#loadReader(contact)],
        ['streams', () => this.#loadWriter(contact)],
      ] as const
      for (const [part, read] of parts) {
        try {
          await read()
        } catch (error) {
          if (!isHearsayError(error, 'storage-corrupt')) throw error
          if (!damaged.has(contact)) damaged.set(contact, part)
        }
      }
      // Without its keys it holds what waited, so that it can go on elsewhere or be ended; it never writes.
      if (damaged.has(contact)) contact.writer ??= this.newWriter(EMPTY_WRITER)
      if (contact.writer !== undefined) await this.#loadRecords(contact, contact.writer)
    }
    await this.#held.findOrphans(this.contacts)
    return damaged
  }

  async #loadKeys(contact: Contact): Promise<void> {
    const keys = await this.#store.get(BUCKETS.sendGroups, contact.id)
    if (keys === undefined) throw new HearsayError('storage-corrupt', 'a contact has no keys')
    Object.assign(contact.keys, decodeKeys(keys))
  }

  async #loadWriter(contact: Contact): Promise<void> {
    const writer = await this.#store.get(BUCKETS.streams, contact.id)
    if (writer !== undefined) contact.writer = this.newWriter(decodeWriter(writer))
    else if (hasMet(contact)) throw new HearsayError('storage-corrupt', 'a contact has no stream')
  }

  async #loadReader(contact: Contact): Promise<void> {
    await this.#held.load(contact, async (find) => {
      const bytes = await this.#store.get(BUCKETS.readWindows, contact.id)
      if (bytes === undefined) {
        if (!hasMet(contact)) return
        throw new HearsayError('storage-corrupt', 'a contact has no window')
      }
      const decoded = decodeReader(this.#options, bytes, find)
      contact.reader = decoded.reader
      contact.former = decoded.former
      contact.ackDueAt = decoded.ackDueAt
      for (const [hash, box] of decoded.unconfirmed) contact.unconfirmed.set(hash, box)
    })
  }

  async #loadRecords(contact: Contact, writer: StreamWriter): Promise<void> {
    const low = concat(contact.id, u64be(0))
    const high = concat(contact.id, u64be(Number.MAX_SAFE_INTEGER))
    for await (const [, value] of this.#store.iterate(BUCKETS.outbox, { gte: low, lte: high })) {
      const record = decodeOut(value)
      writer.take(record)
      if (record.message !== undefined) contact.outboxBytes += record.bytes.length
    }
  }

  create(card: Omit<ContactCard, 'storeEpoch'>, keys: Partial<ContactKeys>): Contact {
    const id = this.#rng.bytes(CONTACT_ID_BYTES)
    const whole = { ...card, storeEpoch: this.#store.epoch }
    const contact = this.#blank(id, whole, { ...NO_KEYS, ...keys })
    this.contacts.set(contact.key, contact)
    return contact
  }

  #blank(id: Uint8Array, card: ContactCard, keys: ContactKeys): Contact {
    return {
      id,
      key: toHex(id),
      card,
      keys,
      writer: undefined,
      reader: undefined,
      former: undefined,
      claims: new Map(),
      ackDueAt: undefined,
      unconfirmed: new Map(),
      parkedAck: undefined,
      ackLeft: undefined,
      busy: false,
      jobsLost: 0,
      jobsAfter: 0,
      announceAt: 0,
      verdictDue: false,
      outboxBytes: 0,
    }
  }

  newWriter(state: WriterState): StreamWriter {
    return new StreamWriter({ rng: this.#rng }, this.#options, state)
  }

  saveCard(batch: Batch, contact: Contact): void {
    this.#waits.save(batch)
    batch.put(BUCKETS.contacts, contact.id, encodeCard(contact.card))
  }

  saveKeys(batch: Batch, contact: Contact): void {
    this.#waits.save(batch)
    batch.putSecret(BUCKETS.sendGroups, contact.id, encodeKeys(contact.keys))
  }

  saveWriter(batch: Batch, contact: Contact): void {
    if (contact.writer === undefined) return
    this.#waits.save(batch)
    batch.putSecret(BUCKETS.streams, contact.id, encodeWriter(contact.writer.state))
  }

  saveReader(batch: Batch, contact: Contact): void {
    this.#waits.save(batch)
    this.#held.save(batch, contact)
    batch.putSecret(BUCKETS.readWindows, contact.id, encodeReader(contact))
  }

  saveAll(batch: Batch, contact: Contact): void {
    this.saveCard(batch, contact)
    this.saveKeys(batch, contact)
    this.saveWriter(batch, contact)
    this.saveReader(batch, contact)
  }

  saveRecord(batch: Batch, contact: Contact, record: OutRecord): void {
    this.#waits.save(batch)
    batch.put(BUCKETS.outbox, recordKey(contact, record), encodeOut(record))
  }

  dropRecord(batch: Batch, contact: Contact, record: OutRecord): void {
    batch.del(BUCKETS.outbox, recordKey(contact, record))
  }

  /** Deletes rows that nobody can open any more, a few. False when there are none. */
  sweep(batch: Batch): boolean {
    return this.#held.sweep(batch)
  }

  /** Erases the streams of a contact, here and on disk, with everything that waits in them. */
  eraseStreams(batch: Batch, contact: Contact): void {
    const { writer } = contact
    batch.delSecret(BUCKETS.streams, contact.id)
    batch.delSecret(BUCKETS.readWindows, contact.id)
    this.#held.erase(batch, contact)
    for (const record of writer?.queue ?? []) this.dropRecord(batch, contact, record)
    for (const record of writer?.outstanding.values() ?? []) {
      this.dropRecord(batch, contact, record)
    }
    writer?.clear()
    contact.reader?.clear()
    contact.former?.reader.clear()
    for (const reader of contact.claims.values()) reader.clear()
    contact.writer = undefined
    contact.reader = undefined
    contact.former = undefined
    contact.claims.clear()
    contact.unconfirmed.clear()
    contact.parkedAck = undefined
    contact.ackLeft = undefined
    contact.ackDueAt = undefined
    contact.outboxBytes = 0
  }

  /** Erases a contact whose streams are gone. */
  remove(batch: Batch, contact: Contact): void {
    batch.delSecret(BUCKETS.sendGroups, contact.id)
    batch.del(BUCKETS.contacts, contact.id)
    this.contacts.delete(contact.key)
  }
}

function recordKey(contact: Contact, record: OutRecord): Uint8Array {
  return concat(contact.id, u64be(record.queued))
}
