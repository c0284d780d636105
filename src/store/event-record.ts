import { concat, fromUtf8, readU64be, toBase64Url, u64be, utf8 } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import type { JsonObject } from './json.ts'
import { corrupt } from './storage-error.ts'

/** One journal entry as stored: flags 1 | prev 32 | commitment 32 | id 16 | time 8 | length 1 | type | rest. */
export interface EventRecord {
  readonly prev: Uint8Array
  /** Hash of salt and data: the chain stays whole when the data go. */
  readonly commitment: Uint8Array
  readonly id: Uint8Array
  readonly time: number
  readonly type: string
  /** Salt 16 and the JSON of the data; undefined once redacted. */
  readonly body: { readonly salt: Uint8Array; readonly json: Uint8Array } | undefined
}

export const EVENT_ID_BYTES = 16
export const EVENT_SALT_BYTES = 16
const FULL = 0
const REDACTED = 1
const FIXED_BYTES = 1 + 32 + 32 + EVENT_ID_BYTES + 8 + 1

/** Without the salt, redacted data such as "yes" could be guessed from what stays. */
export function commitTo(salt: Uint8Array, json: Uint8Array): Uint8Array {
  return hash(LABELS.storeJournalData, salt, json)
}

/** The chain value that the next event names as `prev`. */
export function chainValue(seq: number, record: EventRecord): Uint8Array {
  const { prev, commitment, id, time, type } = record
  return hash(LABELS.storeJournal, u64be(seq), prev, commitment, id, u64be(time), utf8(type))
}

export function encodeRecord(record: EventRecord): Uint8Array {
  const type = utf8(record.type)
  const { body } = record
  return concat(
    Uint8Array.of(body ? FULL : REDACTED),
    record.prev,
    record.commitment,
    record.id,
    u64be(record.time),
    Uint8Array.of(type.length),
    type,
    ...(body ? [body.salt, body.json] : []),
  )
}

/** Strict. @throws HearsayError `storage-corrupt` with the number. */
export function decodeRecord(seq: number, bytes: Uint8Array): EventRecord {
  const damaged = () => corrupt('a journal entry is damaged', { seq })
  const flags = bytes[0]
  if (bytes.length < FIXED_BYTES || (flags !== FULL && flags !== REDACTED)) throw damaged()
  const typeEnd = FIXED_BYTES + (bytes[FIXED_BYTES - 1] ?? 0)
  const bodyBytes = bytes.length - typeEnd
  if (flags === FULL ? bodyBytes < EVENT_SALT_BYTES : bodyBytes !== 0) throw damaged()
  const record: EventRecord = {
    prev: bytes.slice(1, 33),
    commitment: bytes.slice(33, 65),
    id: bytes.slice(65, 81),
    time: readU64be(bytes, 81),
    type: fromUtf8(bytes.subarray(FIXED_BYTES, typeEnd)),
    body:
      flags === REDACTED
        ? undefined
        : {
            salt: bytes.slice(typeEnd, typeEnd + EVENT_SALT_BYTES),
            json: bytes.slice(typeEnd + EVENT_SALT_BYTES),
          },
  }
  return record
}

/** The data, `{}` when redacted. */
export function dataOf(record: EventRecord): JsonObject {
  return record.body ? (JSON.parse(fromUtf8(record.body.json)) as JsonObject) : {}
}

export function idText(record: EventRecord): string {
  return toBase64Url(record.id)
}
