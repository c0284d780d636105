import { HearsayError } from '../base/index.ts'
import {
  OUTBOX_BYTES_MAX,
  OUTBOX_RECORDS_MAX,
  OUTBOX_SHARE_MAX,
  OUTBOX_TOTAL_BYTES_MAX,
  OUTBOX_TOTAL_RECORDS_MAX,
} from './constants.ts'

/** A contact, as far as it takes room in the outbox. */
export interface Holder {
  readonly writer: { readonly waiting: number } | undefined
  /** Bytes of texts accepted and not ended. */
  readonly outboxBytes: number
}

/** What waits for one contact or for several. */
export interface Load {
  /** Of any kind: the stream's own too, and tombstones. */
  readonly records: number
  /** Of the texts among them. */
  readonly bytes: number
}

/**
 * Summed up whenever it is asked for, some 0.1 ms with CONTACTS_MAX contacts: a count beside it would have to be right at
 * every end of a record, and at every way in which a contact ends.
 */
export function loadOf(contacts: Iterable<Holder>): Load {
  let records = 0
  let bytes = 0
  for (const { writer, outboxBytes } of contacts) {
    records += writer?.waiting ?? 0
    bytes += outboxBytes
  }
  return { records, bytes }
}

/** The share that this takes of what may wait for all contacts together: 0 to 1, more in a home of before the limit. */
export function filledBy({ records, bytes }: Load): number {
  return Math.max(records / OUTBOX_TOTAL_RECORDS_MAX, bytes / OUTBOX_TOTAL_BYTES_MAX)
}

/**
 * Whether a contact, one of `all`, may have a text of so many bytes more. @throws HearsayError `quota-exceeded` {limit, of}: `of` is
 * `contact` when others may still have one, else `all`.
 */
export function checkRoom(all: Iterable<Holder>, contact: Holder, bytes: number): void {
  const own = loadOf([contact])
  if (own.records >= OUTBOX_RECORDS_MAX) {
    throw full('too many messages wait for this contact', OUTBOX_RECORDS_MAX, 'contact')
  }
  if (own.bytes + bytes > OUTBOX_BYTES_MAX) {
    throw full('messages of too many bytes wait for this contact', OUTBOX_BYTES_MAX, 'contact')
  }
  const total = loadOf(all)
  const freeRecords = OUTBOX_TOTAL_RECORDS_MAX - total.records
  if (!fits(own.records, 1, freeRecords)) {
    const of = freeRecords < 1 ? 'all' : 'contact'
    throw full('too many messages wait for all contacts together', OUTBOX_TOTAL_RECORDS_MAX, of)
  }
  const freeBytes = OUTBOX_TOTAL_BYTES_MAX - total.bytes
  if (!fits(own.bytes, bytes, freeBytes)) {
    const of = freeBytes < bytes ? 'all' : 'contact'
    const message = 'messages of too many bytes wait for all contacts together'
    throw full(message, OUTBOX_TOTAL_BYTES_MAX, of)
  }
}

/**
 * Into what is `free`, and no contact may have more than OUTBOX_SHARE_MAX times that: a bot answers whoever asks, and a
 * few who never acknowledge must not leave it no room for all others.
 */
function fits(own: number, more: number, free: number): boolean {
  return more <= free && own + more <= OUTBOX_SHARE_MAX * free
}

function full(message: string, limit: number, of: 'contact' | 'all'): HearsayError {
  return new HearsayError('quota-exceeded', message, { limit, of })
}
