import { isHearsayError, readU64be, u64be, utf8 } from '../base/index.ts'
import { BUCKETS, type Store } from '../store/index.ts'
import { encodeCbor } from '../wire/index.ts'
import { NUMBERS_SKIPPED } from './constants.ts'
import { isFinal, type Message, type MessageState } from './message.ts'
import { decodeStored } from './stored.ts'

/** The rows of the history: what they are called, and what is in them. */

/** The number of the newest message that is here, damaged or not; 0 when there is none. */
export async function newestNumber(store: Store): Promise<number> {
  const range = { lt: u64be(Number.MAX_SAFE_INTEGER), reverse: true, limit: 1 }
  for await (const key of store.keys(BUCKETS.messages, range)) return readU64be(key)
  return 0
}

/**
 * The highest number of an erased message, or more: numbers are cursors and never used twice. Where that is damaged, one
 * that is beyond all that can have been erased.
 */
export async function erasedUpTo(store: Store): Promise<number> {
  try {
    const bytes = await store.get(BUCKETS.messageIndex, counterKey(store))
    return bytes === undefined ? 0 : readU64be(bytes)
  } catch (error) {
    if (!isHearsayError(error, 'storage-corrupt')) throw error
    return (await newestNumber(store)) + NUMBERS_SKIPPED
  }
}

export function counterKey(store: Store): Uint8Array {
  return store.keyFor(BUCKETS.messageIndex, utf8('counter'))
}

export function idKey(store: Store, id: Uint8Array): Uint8Array {
  return store.keyFor(BUCKETS.messageIndex, id)
}

/** Undefined for a message that is damaged, as for one that is not there. */
export async function tryReadMessage(store: Store, number: number): Promise<Message | undefined> {
  try {
    return await readMessage(store, number)
  } catch (error) {
    if (!isHearsayError(error, 'storage-corrupt')) throw error
    return undefined
  }
}

/** @throws HearsayError `storage-corrupt`. */
export async function readMessage(store: Store, number: number): Promise<Message | undefined> {
  const bytes = await store.get(BUCKETS.messages, u64be(number))
  return bytes && decodeMessage(number, bytes)
}

/** Whether a message of this node has not ended, by its rows. Where they are damaged it may be so; gone, it is not. */
export async function isUnderWay(store: Store, id: Uint8Array): Promise<boolean> {
  try {
    const at = await store.get(BUCKETS.messageIndex, idKey(store, id))
    const message = at && (await readMessage(store, readU64be(at)))
    return message?.direction === 'out' && !isFinal(message.state)
  } catch (error) {
    if (!isHearsayError(error, 'storage-corrupt')) throw error
    return true
  }
}

/** Contact id, number 8. */
export function contactKey(contactId: Uint8Array, number: number): Uint8Array {
  const key = new Uint8Array(contactId.length + 8)
  key.set(contactId)
  key.set(u64be(number), contactId.length)
  return key
}

export function encodeMessage(m: Message): Uint8Array {
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

/** @throws HearsayError `storage-corrupt`. */
export function decodeMessage(number: number, bytes: Uint8Array): Message {
  const v = decodeStored(bytes, 8)
  const history = (v[7] as [MessageState, number, string | null][]).map(([state, at, reason]) => ({
    state,
    at,
    ...(reason === null ? {} : { reason }),
  }))
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
