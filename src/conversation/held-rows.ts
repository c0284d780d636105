import { concat, isHearsayError, type Rng, toHex, u32be } from '../base/index.ts'
import { wipe, xaeadOpen, xaeadSeal } from '../crypto/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import type { FindRows, GoneRows, NewRow } from '../stream/index.ts'
import { CONTACT_ID_BYTES, ROWS_PER_TURN } from './constants.ts'
import { type Contact, streamsOf } from './contact.ts'
import type { StreamReader } from './reader.ts'

const NONCE_BYTES = 24
const NUMBER_BYTES = 4

/**
 * The records of streams that are not whole yet or wait for others, on disk: rows that are written once, each sealed
 * under the key of its record. The key is in the reader's secret value alone, so a record is erased by the batch that
 * stores the reader without it. Rows that nobody has a key for are deleted later, a few in each batch: whoever makes
 * us drop thousands must not see it.
 */
export class HeldRows {
  readonly #store: Store
  readonly #rng: Rng
  /** Readers whose rows are on disk, by contact. */
  readonly #stored = new Map<string, ReadonlySet<StreamReader>>()
  readonly #orphans: Uint8Array[] = []
  /**
   * How many records are lost that waited, at most, and of which nobody else says so: of contacts whose readers did not
   * decode, and in streams that are over. Some of them were acknowledged.
   */
  readonly lost = new Map<Contact, number>()

  constructor(ports: { readonly store: Store; readonly rng: Rng }) {
    this.#store = ports.store
    this.#rng = ports.rng
  }

  /**
   * Reads the rows of a contact. `read` decodes its readers with them; what these do not ask for is an orphan, and so
   * is everything when it throws.
   */
  async load(contact: Contact, read: (find: FindRows) => Promise<void>): Promise<void> {
    const keys: Uint8Array[] = []
    const rows = new Map<string, { key: Uint8Array; sealed: Uint8Array | undefined }[]>()
    for await (const key of this.#store.keys(BUCKETS.partialRecords, rangeOf(contact))) {
      const name = toHex(key.subarray(0, -NUMBER_BYTES))
      const sealed = await this.#tryGet(key)
      keys.push(key)
      const others = rows.get(name)
      if (others === undefined) rows.set(name, [{ key, sealed }])
      else others.push({ key, sealed })
    }
    const records = rows.size
    try {
      await read((recordKey) => {
        const name = toHex(this.#nameOf(contact, recordKey))
        const found = rows.get(name) ?? []
        rows.delete(name)
        return found.map(({ key, sealed }) => ({
          number: numberOf(key),
          bytes: sealed && tryOpen(recordKey, key, sealed),
        }))
      })
    } catch (error) {
      for (const key of keys) this.#orphans.push(key)
      if (records > 0) this.lost.set(contact, records)
      throw error
    }
    for (const left of rows.values()) for (const { key } of left) this.#orphans.push(key)
    this.#stored.set(contact.key, new Set(streamsOf(contact)))
  }

  /** Finds the rows of contacts that are not among these. */
  async findOrphans(contacts: ReadonlyMap<string, Contact>): Promise<void> {
    for await (const key of this.#store.keys(BUCKETS.partialRecords)) {
      if (!contacts.has(toHex(key.subarray(0, CONTACT_ID_BYTES)))) this.#orphans.push(key)
    }
  }

  /** Stores what is new of a contact's readers; before their state is encoded, for the same batch. */
  save(batch: Batch, contact: Contact): void {
    const present = new Set(streamsOf(contact))
    for (const left of this.#stored.get(contact.key) ?? []) {
      if (present.has(left)) continue
      left.clear()
      this.#take(batch, contact, left)
    }
    for (const reader of present) this.#take(batch, contact, reader)
    this.#stored.set(contact.key, present)
    this.sweep(batch)
  }

  /** The streams of a contact are erased; so are, by and by, its rows. */
  erase(batch: Batch, contact: Contact): void {
    for (const reader of [...(this.#stored.get(contact.key) ?? []), ...streamsOf(contact)]) {
      reader.clear()
      this.#take(batch, contact, reader)
    }
    this.#stored.delete(contact.key)
    this.sweep(batch)
  }

  /** Deletes a few rows that nobody can open any more. False when there are none. */
  sweep(batch: Batch): boolean {
    const gone = this.#orphans.splice(0, ROWS_PER_TURN)
    for (const key of gone) batch.del(BUCKETS.partialRecords, key)
    return gone.length > 0
  }

  #take(batch: Batch, contact: Contact, reader: StreamReader): void {
    const { written, gone } = reader.takeRows(this.#rng)
    for (const row of written) this.#put(batch, contact, row)
    for (const rows of gone) this.#drop(contact, rows)
  }

  #put(batch: Batch, contact: Contact, { key, number, bytes }: NewRow): void {
    const rowKey = concat(this.#nameOf(contact, key), u32be(number))
    const nonce = this.#rng.bytes(NONCE_BYTES)
    const sealed = concat(nonce, xaeadSeal(key, nonce, bytes, rowKey))
    batch.put(BUCKETS.partialRecords, rowKey, sealed)
    wipe(bytes)
  }

  #drop(contact: Contact, { key, numbers }: GoneRows): void {
    const name = this.#nameOf(contact, key)
    for (const number of numbers) this.#orphans.push(concat(name, u32be(number)))
    wipe(key)
  }

  #nameOf(contact: Contact, recordKey: Uint8Array): Uint8Array {
    return concat(contact.id, this.#store.keyFor(BUCKETS.partialRecords, recordKey))
  }

  /** Undefined for a damaged row: it says nothing about the others. */
  async #tryGet(key: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.get(BUCKETS.partialRecords, key)
    } catch (error) {
      if (!isHearsayError(error, 'storage-corrupt')) throw error
      return undefined
    }
  }
}

function rangeOf({ id }: Contact): { gte: Uint8Array; lte: Uint8Array } {
  const rest = new Uint8Array(32).fill(255)
  return { gte: id, lte: concat(id, rest) }
}

function numberOf(rowKey: Uint8Array): number {
  return new DataView(rowKey.buffer, rowKey.byteOffset, rowKey.length).getUint32(
    rowKey.length - NUMBER_BYTES,
  )
}

function tryOpen(key: Uint8Array, rowKey: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES) return undefined
  const nonce = sealed.subarray(0, NONCE_BYTES)
  try {
    return xaeadOpen(key, nonce, sealed.subarray(NONCE_BYTES), rowKey)
  } catch (error) {
    if (!isHearsayError(error, 'open-failed')) throw error
    return undefined
  }
}
