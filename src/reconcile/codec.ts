import { fromHex, HearsayError, toHex } from '../base/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import {
  FANOUT,
  FINGERPRINT_BYTES,
  ITEM_BYTES,
  LEAF_ITEMS,
  MAX_ANSWER_BYTES,
  MAX_DEPTH,
  MAX_RANGES,
  MAX_REQUEST_BYTES,
  RECONCILE_VERSION,
  SESSION_KEY_BYTES,
} from './constants.ts'

export interface RangesRequest {
  readonly key: Uint8Array
  /** Hexadecimal prefixes, strictly ascending, none the beginning of another. */
  readonly prefixes: readonly string[]
}

export type RangeAnswer =
  | { readonly kind: 'items'; readonly items: readonly string[] }
  /** One fingerprint per next digit. */
  | { readonly kind: 'split'; readonly fingerprints: readonly Uint8Array[] }

const TAG_ITEMS = 0
const TAG_SPLIT = 1

const malformed = (field: string) =>
  new HearsayError('bad-value', 'malformed reconciliation frame', { field })

/** version 1 | key 32 | count 2 | count × (digits 1 | the digits, two per byte, padded with 0). */
export function encodeRequest({ key, prefixes }: RangesRequest): Uint8Array {
  const packed = prefixes.map((prefix) => fromHex(prefix.length % 2 ? `${prefix}0` : prefix))
  const length = packed.reduce((sum, bytes) => sum + 1 + bytes.length, 0)
  const writer = new Writer(1 + SESSION_KEY_BYTES + 2 + length)
  writer.u8(RECONCILE_VERSION).bytes(key).u16(prefixes.length)
  packed.forEach((bytes, index) => writer.u8(prefixes[index]?.length ?? 0).bytes(bytes))
  return writer.finish()
}

/**
 * Strict inverse of `encodeRequest`. Disjoint ranges in order bound the answerer's work by one pass over its
 * set, whatever is asked.
 * @throws HearsayError of the class `peer`.
 */
export function decodeRequest(bytes: Uint8Array): RangesRequest {
  if (bytes.length > MAX_REQUEST_BYTES) throw malformed('length')
  const reader = new Reader(bytes)
  if (reader.u8('version') !== RECONCILE_VERSION) {
    throw new HearsayError('bad-version', 'unknown reconciliation version')
  }
  const key = reader.bytes(SESSION_KEY_BYTES, 'key')
  const count = reader.u16('count')
  if (count === 0 || count > MAX_RANGES) throw malformed('count')
  const prefixes: string[] = []
  for (let i = 0; i < count; i++) {
    const digits = reader.u8('digits')
    if (digits > MAX_DEPTH) throw malformed('digits')
    const text = toHex(reader.bytes(Math.ceil(digits / 2), 'prefix'))
    const prefix = text.slice(0, digits)
    if (text.length > digits && !text.endsWith('0')) throw malformed('prefix')
    const last = prefixes.at(-1)
    if (last !== undefined && (prefix <= last || prefix.startsWith(last))) throw malformed('order')
    prefixes.push(prefix)
  }
  reader.end()
  return { key, prefixes }
}

/** version 1, then per range: tag 1 | (count 1 | items) or (16 fingerprints). */
export function encodeAnswer(answers: readonly RangeAnswer[]): Uint8Array {
  const length = answers.reduce(
    (sum, answer) =>
      sum +
      (answer.kind === 'items'
        ? 2 + answer.items.length * ITEM_BYTES
        : 1 + FANOUT * FINGERPRINT_BYTES),
    1,
  )
  const writer = new Writer(length).u8(RECONCILE_VERSION)
  for (const answer of answers) {
    if (answer.kind === 'items') {
      writer.u8(TAG_ITEMS).u8(answer.items.length)
      for (const item of answer.items) writer.bytes(fromHex(item))
    } else {
      writer.u8(TAG_SPLIT)
      for (const fingerprint of answer.fingerprints) writer.bytes(fingerprint)
    }
  }
  return writer.finish()
}

/**
 * Strict inverse of `encodeAnswer` for the ranges that were asked: items must lie in their range, in order and
 * once; the narrowest ranges cannot be split.
 * @throws HearsayError of the class `peer`.
 */
export function decodeAnswer(bytes: Uint8Array, prefixes: readonly string[]): RangeAnswer[] {
  if (bytes.length > MAX_ANSWER_BYTES) throw malformed('length')
  const reader = new Reader(bytes)
  if (reader.u8('version') !== RECONCILE_VERSION) {
    throw new HearsayError('bad-version', 'unknown reconciliation version')
  }
  const answers = prefixes.map((prefix) => readRange(reader, prefix))
  reader.end()
  return answers
}

function readRange(reader: Reader, prefix: string): RangeAnswer {
  const tag = reader.u8('tag')
  if (tag === TAG_SPLIT && prefix.length < MAX_DEPTH) {
    const fingerprints = Array.from({ length: FANOUT }, () =>
      reader.bytes(FINGERPRINT_BYTES, 'fingerprint'),
    )
    return { kind: 'split', fingerprints }
  }
  if (tag !== TAG_ITEMS) throw malformed('tag')
  const count = reader.u8('count')
  if (count > LEAF_ITEMS) throw malformed('count')
  const items: string[] = []
  for (let i = 0; i < count; i++) {
    const item = toHex(reader.bytes(ITEM_BYTES, 'item'))
    const last = items.at(-1)
    if (!item.startsWith(prefix) || (last !== undefined && item <= last)) throw malformed('item')
    items.push(item)
  }
  return { kind: 'items', items }
}
