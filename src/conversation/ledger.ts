import { concat, toHex, u64be, type Rng } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import { decodeCbor, encodeCbor } from '../wire/index.ts'
import { CONTACT_ID_BYTES, STORED_BYTES_MAX } from './constants.ts'
import {
  type Contact,
  type ContactCard,
  type ContactKeys,
  decodeCard,
  decodeKeys,
  decodeReader,
  decodeWriter,
  encodeCard,
  encodeKeys,
  encodeReader,
  encodeWriter,
} from './contact.ts'
import type { OfferTimes } from './offers.ts'
import type { ReaderOptions } from './reader.ts'
import type { RecordKind } from './records.ts'
import { type OutRecord, StreamWriter, type WriterState } from './writer.ts'

export interface LedgerOptions extends ReaderOptions, OfferTimes {}

/**
 * Contacts on disk and in memory. A card is sealed; keys, writer and reader rest on the secret shelf, each
 * under its own key, so that a state which was overwritten cannot be opened again.
 */
export class Ledger {
  readonly #store: Store
  readonly #rng: Rng
  readonly #options: LedgerOptions
  readonly contacts = new Map<string, Contact>()

  constructor(ports: { store: Store; rng: Rng }, options: LedgerOptions) {
    this.#store = ports.store
    this.#rng = ports.rng
    this.#options = options
  }

  /** Reads everything. @throws HearsayError `storage-corrupt`. */
  async load(): Promise<void> {
    for await (const [id, value] of this.#store.iterate(BUCKETS.contacts)) {
      const keys = await this.#store.get(BUCKETS.sendGroups, id)
      if (keys === undefined) continue
      const contact = this.#blank(id, decodeCard(value), decodeKeys(keys))
      const writer = await this.#store.get(BUCKETS.streams, id)
      if (writer !== undefined) {
        const { state, boxesInEpoch } = decodeWriter(writer)
        contact.writer = this.newWriter(state)
        contact.boxesInEpoch = boxesInEpoch
        await this.#loadRecords(contact, contact.writer)
      }
      const reader = await this.#store.get(BUCKETS.readWindows, id)
      if (reader !== undefined) {
        const decoded = decodeReader(this.#options, reader)
        contact.reader = decoded.reader
        contact.ackDueAt = decoded.ackDueAt
        for (const [root, candidate] of decoded.claims) contact.claims.set(root, candidate)
      }
      this.contacts.set(contact.key, contact)
    }
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

  create(card: ContactCard, keys: ContactKeys): Contact {
    const contact = this.#blank(this.#rng.bytes(CONTACT_ID_BYTES), card, keys)
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
      claims: new Map(),
      ackDueAt: undefined,
      busy: false,
      unconfirmed: new Set(),
      boxesInEpoch: 0,
      outboxBytes: 0,
    }
  }

  newWriter(state: WriterState): StreamWriter {
    return new StreamWriter({ rng: this.#rng }, this.#options, state)
  }

  saveCard(batch: Batch, contact: Contact): void {
    batch.put(BUCKETS.contacts, contact.id, encodeCard(contact.card))
  }

  saveKeys(batch: Batch, contact: Contact): void {
    batch.putSecret(BUCKETS.sendGroups, contact.id, encodeKeys(contact.keys))
  }

  saveWriter(batch: Batch, contact: Contact): void {
    if (contact.writer === undefined) return
    const bytes = encodeWriter(contact.writer.state, contact.boxesInEpoch)
    batch.putSecret(BUCKETS.streams, contact.id, bytes)
  }

  saveReader(batch: Batch, contact: Contact): void {
    batch.putSecret(BUCKETS.readWindows, contact.id, encodeReader(contact))
  }

  saveRecord(batch: Batch, contact: Contact, record: OutRecord): void {
    batch.put(BUCKETS.outbox, recordKey(contact, record), encodeOut(record))
  }

  dropRecord(batch: Batch, contact: Contact, record: OutRecord): void {
    batch.del(BUCKETS.outbox, recordKey(contact, record))
  }

  /** Erases every key of a contact and, unless `keepCard`, the contact itself. */
  erase(batch: Batch, contact: Contact, keepCard: boolean): void {
    batch.delSecret(BUCKETS.streams, contact.id)
    batch.delSecret(BUCKETS.readWindows, contact.id)
    if (contact.writer !== undefined) {
      for (const record of contact.writer.queue) this.dropRecord(batch, contact, record)
      for (const record of contact.writer.outstanding.values()) {
        this.dropRecord(batch, contact, record)
      }
    }
    contact.writer = undefined
    contact.reader = undefined
    contact.claims.clear()
    contact.ackDueAt = undefined
    if (keepCard) return
    batch.delSecret(BUCKETS.sendGroups, contact.id)
    batch.del(BUCKETS.contacts, contact.id)
    this.contacts.delete(contact.key)
  }
}

function recordKey(contact: Contact, record: OutRecord): Uint8Array {
  return concat(contact.id, u64be(record.queued))
}

function encodeOut(r: OutRecord): Uint8Array {
  return encodeCbor([
    r.queued,
    r.kind,
    r.bytes,
    r.message ?? null,
    r.expiresAt,
    r.seq,
    r.due,
    r.sentAt ?? null,
    r.gapOffered,
  ])
}

function decodeOut(bytes: Uint8Array): OutRecord {
  const v = decodeCbor(bytes, { maxBytes: STORED_BYTES_MAX }) as unknown[]
  return {
    queued: v[0] as number,
    kind: v[1] as RecordKind,
    bytes: v[2] as Uint8Array,
    message: (v[3] ?? undefined) as number | undefined,
    expiresAt: v[4] as number,
    seq: v[5] as number,
    due: v[6] as number[],
    sentAt: (v[7] ?? undefined) as number | undefined,
    gapOffered: v[8] as boolean,
  }
}
