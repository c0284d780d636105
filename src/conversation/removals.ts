import { concat, equalBytes, fromBase64Url, readU64be, toHex, u64be } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import { ROWS_PER_ERASURE } from './constants.ts'
import type { Message } from './message.ts'
import { contactKey, counterKey, erasedUpTo, idKey, tryReadMessage } from './message-rows.ts'

/** Rows of a contact besides its history: most are gone with the batch that removes it. */
const REST = [BUCKETS.partialRecords, BUCKETS.outbox] as const
/** Events that are read at a time to find one. */
const EVENTS_AT_ONCE = 500

/**
 * Contacts that are removed and of whom something may be left on disk. The batch that removes one notes it; from then
 * on erasing goes on, over stops and starts, until `done`.
 */
export class Removals {
  readonly #store: Store
  /** Whose a damaged note is, by its key in hexadecimal; undefined for nobody's that is known. */
  readonly #damaged = new Map<string, Uint8Array | undefined>()

  constructor(ports: { store: Store }) {
    this.#store = ports.store
  }

  note(batch: Batch, contactId: Uint8Array): void {
    batch.put(BUCKETS.removals, this.#keyOf(contactId), contactId)
  }

  /** Ids of those that are not done. Whose a damaged note is tells the event of the removal. */
  async pending(): Promise<Uint8Array[]> {
    const found: Uint8Array[] = []
    for await (const [key, value] of this.#store.entries(BUCKETS.removals)) {
      const id = value ?? (await this.#idUnder(toHex(key)))
      if (id !== undefined) found.push(id)
    }
    return found
  }

  /** Looks once: the journal may be long. */
  async #idUnder(key: string): Promise<Uint8Array | undefined> {
    if (!this.#damaged.has(key)) this.#damaged.set(key, await this.#findRemoved(key))
    return this.#damaged.get(key)
  }

  async #findRemoved(key: string): Promise<Uint8Array | undefined> {
    const { journal } = this.#store
    let after = journal.oldestSeq() - 1
    while (after < journal.headSeq()) {
      const { entries, scannedTo } = await journal.entries(after, EVENTS_AT_ONCE)
      for (const { event } of entries) {
        const removed = event?.type === 'contact.removed' ? event.data['contactId'] : undefined
        if (typeof removed !== 'string') continue
        const id = fromBase64Url(removed)
        if (toHex(this.#keyOf(id)) === key) return id
      }
      after = scannedTo
    }
    return undefined
  }

  /**
   * Erases at most `ROWS_PER_ERASURE` messages or other rows of a contact, durably. False when none was left. One call
   * at a time.
   */
  async eraseSome(contactId: Uint8Array): Promise<boolean> {
    return (await this.#eraseMessages(contactId)) || (await this.#eraseRest(contactId))
  }

  /** Nothing of the contact is left. */
  async done(contactId: Uint8Array): Promise<void> {
    await this.#store.batch().del(BUCKETS.removals, this.#keyOf(contactId)).commit()
  }

  async #eraseMessages(contactId: Uint8Array): Promise<boolean> {
    const store = this.#store
    const range = {
      gte: contactKey(contactId, 0),
      lte: contactKey(contactId, Number.MAX_SAFE_INTEGER),
      limit: ROWS_PER_ERASURE,
    }
    const entries: { key: Uint8Array; number: number; isWhole: boolean }[] = []
    for await (const [key, value] of store.entries(BUCKETS.conversations, range)) {
      const number = readU64be(key, contactId.length)
      entries.push({ key, number, isWhole: value !== undefined })
    }
    const newest = entries.at(-1)
    if (newest === undefined) return false
    const messages = new Map<number, Pick<Message, 'id' | 'contactId'>>()
    for (const { number } of entries) {
      const message = await tryReadMessage(store, number)
      // The id alone: texts may be long.
      if (message !== undefined)
        messages.set(number, { id: message.id, contactId: message.contactId })
    }
    const counter = Math.max(newest.number, await erasedUpTo(store))
    const batch = store.batch().put(BUCKETS.messageIndex, counterKey(store), u64be(counter))
    for (const { key, number, isWhole } of entries) {
      batch.del(BUCKETS.conversations, key)
      const message = messages.get(number)
      // An entry that is damaged may name a message of somebody else.
      const isTheirs = message === undefined ? isWhole : equalBytes(message.contactId, contactId)
      if (!isTheirs) continue
      batch.del(BUCKETS.messages, u64be(number))
      if (message !== undefined) batch.del(BUCKETS.messageIndex, idKey(store, message.id))
    }
    await batch.commit()
    return true
  }

  async #eraseRest(contactId: Uint8Array): Promise<boolean> {
    const range = { gte: contactId, lte: concat(contactId, new Uint8Array(32).fill(255)) }
    for (const bucket of REST) {
      const keys: Uint8Array[] = []
      for await (const key of this.#store.keys(bucket, { ...range, limit: ROWS_PER_ERASURE })) {
        keys.push(key)
      }
      if (keys.length === 0) continue
      const batch = this.#store.batch()
      for (const key of keys) batch.del(bucket, key)
      await batch.commit()
      return true
    }
    return false
  }

  #keyOf(contactId: Uint8Array): Uint8Array {
    return this.#store.keyFor(BUCKETS.removals, contactId)
  }
}
