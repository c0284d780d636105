import {
  concat,
  HearsayError,
  isHearsayError,
  type Rng,
  toBase64Url,
  toHex,
  u64be,
} from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import { blankContact, emptyWriter, LOST_CARD, NO_KEYS } from './blanks.ts'
import { CONTACT_ID_BYTES } from './constants.ts'
import { type Contact, type ContactCard, type ContactKeys, hasMet, streamsOf } from './contact.ts'
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
import { HeldRows } from './held-rows.ts'
import type { OfferTimes } from './offers.ts'
import { decodeOut, encodeOut, type OutRecord } from './out-record.ts'
import type { ReaderOptions } from './reader.ts'
import { unlessDamaged } from './stored.ts'
import type { WaitClock } from './wait-clock.ts'
import { StreamWriter, type WriterState } from './writer.ts'

export interface LedgerOptions extends ReaderOptions, OfferTimes {}

/** What the disk has lost of a contact, the worst of it. */
export type Loss = 'card' | 'keys' | 'streams'

export interface Losses {
  readonly contacts: ReadonlyMap<Contact, Loss>
  /** Keys of rows of the outbox that are of no use. */
  readonly records: readonly Uint8Array[]
  /** Records that contacts had sent and nobody can open any more, at most so many. */
  readonly held: ReadonlyMap<Contact, number>
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

  /** Reads everything. Damage costs the contacts and records that it hit; what these are is the answer. */
  async load(): Promise<Losses> {
    const contacts = new Map<Contact, Loss>()
    for await (const [id, value] of this.#store.entries(BUCKETS.contacts)) {
      const card = value && unlessDamaged(() => decodeCard(value))
      this.#adopt(id, card, contacts)
    }
    // Every contact has keys: those of one whose card is gone, or stands under a damaged key, tell of it.
    for await (const id of this.#store.keys(BUCKETS.sendGroups)) {
      if (!this.contacts.has(toHex(id))) this.#adopt(id, undefined, contacts)
    }
    for (const contact of this.contacts.values()) await this.#loadParts(contact, contacts)
    const records = await this.#loadRecords(contacts)
    await this.#held.findOrphans(this.contacts)
    return { contacts, records, held: this.#held.lost }
  }

  #adopt(id: Uint8Array, card: ContactCard | undefined, losses: Map<Contact, Loss>): void {
    const lost = { ...LOST_CARD, alias: `lost-${toBase64Url(id)}` }
    const contact = blankContact(id, card ?? lost, { ...NO_KEYS })
    this.contacts.set(contact.key, contact)
    if (card === undefined) losses.set(contact, 'card')
  }

  async #loadParts(contact: Contact, losses: Map<Contact, Loss>): Promise<void> {
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
        if (!losses.has(contact)) losses.set(contact, part)
      }
    }
    // Without its keys it holds what waited, so that it can go on elsewhere or be ended; it never writes.
    if (losses.has(contact)) contact.writer ??= this.newWriter(emptyWriter())
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
      contact.formers = decoded.formers
      const lost = decoded.formers.reduce((sum, former) => sum + former.reader.lost, 0)
      if (lost > 0) this.#held.lost.set(contact, lost)
      contact.ackDueAt = decoded.ackDueAt
    })
  }

  /**
   * Gives every record to its writer. Returns the keys of rows that no writer can take. The numbers of such records are
   * not known: in the stream of their contact one may be missing that its reader waits for.
   */
  async #loadRecords(losses: Map<Contact, Loss>): Promise<Uint8Array[]> {
    const lost: Uint8Array[] = []
    for await (const [key, value] of this.#store.entries(BUCKETS.outbox)) {
      const contact = this.contacts.get(toHex(key.subarray(0, CONTACT_ID_BYTES)))
      const record = value && unlessDamaged(() => decodeOut(value))
      if (contact?.writer !== undefined && record !== undefined) {
        contact.writer.take(record)
        if (record.message !== undefined) contact.outboxBytes += record.bytes.length
        continue
      }
      lost.push(key)
      if (contact === undefined || losses.has(contact)) continue
      losses.set(contact, 'streams')
      contact.writer ??= this.newWriter(emptyWriter())
    }
    return lost
  }

  create(card: Omit<ContactCard, 'storeEpoch'>, keys: Partial<ContactKeys>): Contact {
    const id = this.#rng.bytes(CONTACT_ID_BYTES)
    const whole = { ...card, storeEpoch: this.#store.epoch }
    const contact = blankContact(id, whole, { ...NO_KEYS, ...keys })
    this.contacts.set(contact.key, contact)
    return contact
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

  /** Deletes rows of the outbox by their keys. */
  dropRows(batch: Batch, keys: readonly Uint8Array[]): void {
    for (const key of keys) batch.del(BUCKETS.outbox, key)
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
    for (const reader of streamsOf(contact)) reader.clear()
    for (const reader of contact.claims.values()) reader.clear()
    contact.writer = undefined
    contact.reader = undefined
    contact.formers = []
    contact.claims.clear()
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
