import { equalBytes, isHearsayError, readU64be, toHex, u64be } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import type { Message, MessageState } from './message.ts'
import {
  contactKey,
  decodeMessage,
  encodeMessage,
  erasedUpTo,
  idKey,
  newestNumber,
  readMessage,
  tryReadMessage,
} from './message-rows.ts'
import { Removals } from './removals.ts'
import { unlessDamaged } from './stored.ts'

export interface MessageFilter {
  readonly contactId?: Uint8Array
  readonly direction?: 'in' | 'out'
  readonly state?: MessageState
  readonly reverse: boolean
  /** Exclusive start: numbers after it, or before it in reverse. */
  readonly from: number | undefined
  readonly limit: number
}

const READS_AT_ONCE = 256
/** Rows that reading a range may meet for each that is wanted. */
const PASSED_OVER = 4

/**
 * Messages on disk: by number, by id and by contact. A damaged row costs its message alone; those of a contact that
 * is being removed are not shown any more.
 */
export class History {
  readonly #store: Store
  readonly #hidden = new Set<string>()
  #next = 1

  constructor(ports: { store: Store }) {
    this.#store = ports.store
  }

  async load(): Promise<void> {
    const removed = await new Removals({ store: this.#store }).pending()
    for (const contactId of removed) this.hide(contactId)
    const newest = await newestNumber(this.#store)
    this.#next = Math.max(newest, await erasedUpTo(this.#store)) + 1
  }

  get count(): number {
    return this.#next - 1
  }

  /** Numbers are never used twice, also when the newest message was erased: they are cursors. */
  allocate(): number {
    return this.#next++
  }

  put(batch: Batch, message: Message): void {
    batch.put(BUCKETS.messages, u64be(message.number), encodeMessage(message))
  }

  /** A message that is new: with its index entries. */
  add(batch: Batch, message: Message): void {
    this.put(batch, message)
    batch.put(BUCKETS.messageIndex, idKey(this.#store, message.id), u64be(message.number))
    batch.put(
      BUCKETS.conversations,
      contactKey(message.contactId, message.number),
      new Uint8Array(),
    )
  }

  /** @throws HearsayError `storage-corrupt`. */
  async get(number: number): Promise<Message | undefined> {
    const message = await readMessage(this.#store, number)
    return message === undefined || this.hides(message) ? undefined : message
  }

  /** These messages, in the order of their numbers; those that are not there, or damaged, are passed over. */
  async *among(numbers: ReadonlySet<number>): AsyncGenerator<Message> {
    const sorted = [...numbers].toSorted((a, b) => a - b)
    for (let at = 0; at < sorted.length; at += READS_AT_ONCE) {
      const some = sorted.slice(at, at + READS_AT_ONCE)
      const [first = 0, last = 0] = [some[0], some.at(-1)]
      if (last - first < some.length * PASSED_OVER) {
        yield* this.#between(first, last, numbers)
        continue
      }
      for (const message of await Promise.all(some.map((number) => this.tryGet(number)))) {
        if (message !== undefined) yield message
      }
    }
  }

  /** Where nearly all rows of a range are wanted, reading it in one go is many times cheaper than one by one. */
  async *#between(
    first: number,
    last: number,
    wanted: ReadonlySet<number>,
  ): AsyncGenerator<Message> {
    const range = { gte: u64be(first), lte: u64be(last) }
    for await (const [key, bytes] of this.#store.entries(BUCKETS.messages, range)) {
      const number = readU64be(key)
      if (!wanted.has(number)) continue
      const message = bytes && unlessDamaged(() => decodeMessage(number, bytes))
      if (message !== undefined && !this.hides(message)) yield message
    }
  }

  /** As `get`, undefined also for a damaged row. */
  async tryGet(number: number): Promise<Message | undefined> {
    const message = await tryReadMessage(this.#store, number)
    return message === undefined || this.hides(message) ? undefined : message
  }

  /** Whether there is a message of this id. Its entry may be damaged: that it is there says enough. */
  async has(id: Uint8Array): Promise<boolean> {
    try {
      return (await this.#store.get(BUCKETS.messageIndex, idKey(this.#store, id))) !== undefined
    } catch (error) {
      if (!isHearsayError(error, 'storage-corrupt')) throw error
      return true
    }
  }

  /** @throws HearsayError `storage-corrupt`. */
  async byId(id: Uint8Array): Promise<Message | undefined> {
    const at = await this.#store.get(BUCKETS.messageIndex, idKey(this.#store, id))
    return at && this.get(readU64be(at))
  }

  async list(filter: MessageFilter): Promise<Message[]> {
    const found: Message[] = []
    for await (const number of this.#numbers(filter)) {
      const message = await this.tryGet(number)
      if (message === undefined) continue
      const { contactId, direction, state } = filter
      // Keys are read without their values, so one that is damaged may name a message of somebody else.
      if (contactId !== undefined && !equalBytes(message.contactId, contactId)) continue
      if (direction !== undefined && message.direction !== direction) continue
      if (state !== undefined && message.state !== state) continue
      found.push(message)
      if (found.length >= filter.limit) break
    }
    return found
  }

  /** The next rows after a number, at most `limit`, in order; a damaged one has no message, nor has one not shown. */
  async after(
    number: number,
    limit: number,
  ): Promise<readonly { readonly number: number; readonly message: Message | undefined }[]> {
    const range = { gte: u64be(number + 1), lte: u64be(Number.MAX_SAFE_INTEGER), limit }
    const rows: { number: number; message: Message | undefined }[] = []
    for await (const [key, bytes] of this.#store.entries(BUCKETS.messages, range)) {
      const at = readU64be(key)
      const message = bytes && unlessDamaged(() => decodeMessage(at, bytes))
      rows.push({ number: at, message: message && this.hides(message) ? undefined : message })
    }
    return rows
  }

  /** Every whole message, oldest first: work in proportion to the history. */
  async *all(): AsyncGenerator<Message> {
    for await (const number of this.#numbers({ reverse: false, from: undefined })) {
      const message = await this.tryGet(number)
      if (message !== undefined) yield message
    }
  }

  async *#numbers(
    filter: Pick<MessageFilter, 'contactId' | 'reverse' | 'from'>,
  ): AsyncIterable<number> {
    const prefix = filter.contactId ?? new Uint8Array()
    const bucket = filter.contactId === undefined ? BUCKETS.messages : BUCKETS.conversations
    const low = contactKey(prefix, filter.reverse ? 0 : (filter.from ?? 0) + 1)
    const high = contactKey(
      prefix,
      filter.reverse ? (filter.from ?? Number.MAX_SAFE_INTEGER) - 1 : Number.MAX_SAFE_INTEGER,
    )
    const range = { gte: low, lte: high, reverse: filter.reverse }
    for await (const key of this.#store.keys(bucket, range)) yield readU64be(key, prefix.length)
  }

  /** The contact goes: from here on none of its messages is shown. See `Removals`. */
  hide(contactId: Uint8Array): void {
    this.#hidden.add(toHex(contactId))
  }

  /** Whether the contact of a message is gone: nothing may be written of it any more. */
  hides({ contactId }: Message): boolean {
    return this.#hidden.size > 0 && this.#hidden.has(toHex(contactId))
  }
}
