import { HearsayError, readU64be, toHex, u64be, utf8 } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import { decodeCbor, encodeCbor } from '../wire/index.ts'
import { STORED_BYTES_MAX } from './constants.ts'

export type MessageState =
  | 'queued'
  | 'sent'
  | 'stored'
  | 'delivered'
  | 'read'
  | 'failed'
  | 'expired'
  | 'cancelled'
  | 'received'

export interface StateChange {
  readonly state: MessageState
  readonly at: number
  readonly reason?: string
}

/** One message of the history, either direction. */
export interface Message {
  /** Position in the history, monotone over all contacts. */
  readonly number: number
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly contactId: Uint8Array
  readonly direction: 'in' | 'out'
  readonly text: string
  readonly sentAt: number
  readonly receivedAt: number | undefined
  read: boolean
  state: MessageState
  readonly history: StateChange[]
}

export interface MessageFilter {
  readonly contactId?: Uint8Array
  readonly direction?: 'in' | 'out'
  readonly state?: MessageState
  readonly reverse: boolean
  /** Exclusive start: numbers after it, or before it in reverse. */
  readonly from: number | undefined
  readonly limit: number
}

/** Higher means later: a message never goes back, whatever order confirmations come in. */
const RANK: Record<MessageState, number> = {
  queued: 0,
  sent: 1,
  stored: 2,
  delivered: 3,
  read: 4,
  received: 3,
  failed: 9,
  expired: 9,
  cancelled: 9,
}

/** Whether `state` is `wanted` or past it on the way of a message that arrives. */
export function hasReached(state: MessageState, wanted: MessageState): boolean {
  return state === wanted || (RANK[state] < 9 && RANK[wanted] < 9 && RANK[state] >= RANK[wanted])
}

export function isFinal(state: MessageState): boolean {
  return RANK[state] >= 3
}

/** Moves a message on. False when it is there or beyond already. */
export function advance(message: Message, change: StateChange): boolean {
  if (isFinal(message.state) && !(message.state === 'delivered' && change.state === 'read'))
    return false
  if (RANK[change.state] <= RANK[message.state]) return false
  message.state = change.state
  message.history.push(change)
  return true
}

const READS_AT_ONCE = 256
/** Rows that reading a range may meet for each that is wanted. */
const PASSED_OVER = 4

/** What erasing a message takes. */
type Erasable = Pick<Message, 'number' | 'id'>

/** Messages on disk: by number, by id and by contact. */
export class History {
  readonly #store: Store
  /** What came for a contact since somebody prepared to erase it. */
  readonly #erasing = new Map<string, Erasable[]>()
  #next = 1

  constructor(ports: { store: Store }) {
    this.#store = ports.store
  }

  async load(): Promise<void> {
    const high = await this.#store.get(BUCKETS.messageIndex, this.#counterKey())
    this.#next = high === undefined ? 1 : readU64be(high) + 1
    for await (const [key] of this.#store.iterate(BUCKETS.messages, { reverse: true, limit: 1 })) {
      this.#next = Math.max(this.#next, readU64be(key) + 1)
    }
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
    batch.put(BUCKETS.messageIndex, this.#idKey(message.id), u64be(message.number))
    batch.put(
      BUCKETS.conversations,
      contactKey(message.contactId, message.number),
      new Uint8Array(),
    )
    this.#erasing.get(toHex(message.contactId))?.push(message)
  }

  async get(number: number): Promise<Message | undefined> {
    const bytes = await this.#store.get(BUCKETS.messages, u64be(number))
    return bytes && decodeMessage(number, bytes)
  }

  /** These messages, in the order of their numbers; those that are not there are passed over. */
  async *among(numbers: ReadonlySet<number>): AsyncGenerator<Message> {
    const sorted = [...numbers].toSorted((a, b) => a - b)
    for (let at = 0; at < sorted.length; at += READS_AT_ONCE) {
      const some = sorted.slice(at, at + READS_AT_ONCE)
      const [first = 0, last = 0] = [some[0], some.at(-1)]
      if (last - first < some.length * PASSED_OVER) {
        yield* this.#between(first, last, numbers)
        continue
      }
      for (const message of await Promise.all(some.map((number) => this.get(number)))) {
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
    for await (const [key, bytes] of this.#store.iterate(BUCKETS.messages, range)) {
      const number = readU64be(key)
      if (wanted.has(number)) yield decodeMessage(number, bytes)
    }
  }

  async has(id: Uint8Array): Promise<boolean> {
    return (await this.#store.get(BUCKETS.messageIndex, this.#idKey(id))) !== undefined
  }

  async byId(id: Uint8Array): Promise<Message | undefined> {
    const at = await this.#store.get(BUCKETS.messageIndex, this.#idKey(id))
    return at && this.get(readU64be(at))
  }

  async list(filter: MessageFilter): Promise<Message[]> {
    const found: Message[] = []
    for await (const number of this.#numbers(filter)) {
      const message = await this.get(number)
      if (message === undefined) continue
      if (filter.direction !== undefined && message.direction !== filter.direction) continue
      if (filter.state !== undefined && message.state !== filter.state) continue
      found.push(message)
      if (found.length >= filter.limit) break
    }
    return found
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
    for await (const [key] of this.#store.iterate(bucket, range)) {
      yield readU64be(key, prefix.length)
    }
  }

  /**
   * Prepares to erase all messages of a contact. The result fills a batch in one turn, and takes those with it
   * that came while the list was read.
   */
  async toErase(contactId: Uint8Array): Promise<(batch: Batch) => void> {
    const key = toHex(contactId)
    const found: Erasable[] = []
    this.#erasing.set(key, found)
    for await (const number of this.#numbers({ contactId, reverse: false, from: undefined })) {
      const message = await this.get(number)
      if (message !== undefined) found.push({ number, id: message.id })
    }
    return (batch) => {
      this.#erasing.delete(key)
      this.erase(batch, contactId, found)
    }
  }

  /** Removes these messages of a contact. */
  erase(batch: Batch, contactId: Uint8Array, messages: readonly Erasable[]): void {
    for (const { number, id } of messages) {
      batch.del(BUCKETS.messages, u64be(number))
      batch.del(BUCKETS.messageIndex, this.#idKey(id))
      batch.del(BUCKETS.conversations, contactKey(contactId, number))
    }
    batch.put(BUCKETS.messageIndex, this.#counterKey(), u64be(this.count))
  }

  #counterKey(): Uint8Array {
    return this.#store.keyFor(BUCKETS.messageIndex, utf8('counter'))
  }

  #idKey(id: Uint8Array): Uint8Array {
    return this.#store.keyFor(BUCKETS.messageIndex, id)
  }
}

function contactKey(contactId: Uint8Array, number: number): Uint8Array {
  const key = new Uint8Array(contactId.length + 8)
  key.set(contactId)
  key.set(u64be(number), contactId.length)
  return key
}

function encodeMessage(m: Message): Uint8Array {
  return encodeCbor([
    m.id,
    m.contactId,
    m.direction,
    m.text,
    m.sentAt,
    m.receivedAt ?? null,
    m.read,
    m.history.map((h) => [h.state, h.at, h.reason ?? null]),
  ])
}

function decodeMessage(number: number, bytes: Uint8Array): Message {
  const v = decodeCbor(bytes, { maxBytes: STORED_BYTES_MAX })
  if (!Array.isArray(v) || v.length !== 8) {
    throw new HearsayError('storage-corrupt', 'a stored message does not decode')
  }
  const history = (v[7] as unknown as [MessageState, number, string | null][]).map(
    ([state, at, reason]) => ({
      state,
      at,
      ...(reason === null ? {} : { reason }),
    }),
  )
  return {
    number,
    id: v[0] as Uint8Array,
    contactId: v[1] as Uint8Array,
    direction: v[2] as 'in' | 'out',
    text: v[3] as string,
    sentAt: v[4] as number,
    receivedAt: (v[5] ?? undefined) as number | undefined,
    read: v[6] as boolean,
    state: history.at(-1)?.state ?? 'queued',
    history,
  }
}
