import { HearsayError, isHearsayError } from '../base/index.ts'
import { MAX_RECORD_BYTES } from '../stream/index.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../wire/index.ts'
import {
  ACK_RANGES_MAX,
  AUTHENTICATOR_BYTES,
  DEVICE_ID_BYTES,
  MESSAGE_ID_BYTES,
  MLS_MESSAGE_BYTES_MAX,
  RECORD_DIGEST_BYTES,
  TEXT_BYTES_MAX,
} from './constants.ts'
import type { SeqRange } from './ranges.ts'

/** Record codes on the wire: the first item of a record's CBOR array. Never reused. SPEC §5. */
const CODES = {
  text: 1,
  ack: 2,
  commit: 3,
  welcome: 4,
  keyPackage: 5,
  confirm: 6,
  claim: 7,
  offer: 8,
  finish: 9,
  tombstone: 10,
  switch: 11,
} as const

const U32_MAX = 2 ** 32 - 1

/** What one record says. Records are the unit of order, acknowledgement and repair. */
export type RecordBody =
  | { kind: 'text'; messageId: Uint8Array; text: string; sentAt: number }
  /**
   * Every record up to `upTo` is durable at the reader, except those in `missing`. `digest` is that of the record under `upTo`,
   * `NO_DIGEST` when it is not known.
   */
  | { kind: 'ack'; upTo: number; missing: readonly SeqRange[]; digest: Uint8Array }
  | { kind: 'commit'; commit: Uint8Array }
  | { kind: 'welcome'; generation: number; welcome: Uint8Array }
  | { kind: 'keyPackage'; keyPackage: Uint8Array }
  /** Both epoch authenticators as the sender computes them: inviter's group first. */
  | { kind: 'confirm'; inviterGroup: Uint8Array; claimerGroup: Uint8Array }
  | { kind: 'claim'; accountKey: Uint8Array; deviceId: Uint8Array; keyPackage: Uint8Array }
  | {
      kind: 'offer'
      accountKey: Uint8Array
      deviceId: Uint8Array
      keyPackage: Uint8Array
      welcome: Uint8Array
    }
  | { kind: 'finish'; welcome: Uint8Array; inviterGroup: Uint8Array; claimerGroup: Uint8Array }
  /** Takes the place of a record that was cancelled or expired, so that later ones are not held for it. */
  | { kind: 'tombstone' }
  /** The first record of the named epoch: everything before it was written in older ones. */
  | { kind: 'switch'; generation: number; epoch: number }
  /** A type of a later version: acknowledged, kept out of the way. */
  | { kind: 'unknown'; code: number }

export type RecordKind = RecordBody['kind']
export type RecordOf<K extends RecordKind> = Extract<RecordBody, { kind: K }>

/** Deterministic CBOR. The inverse accepts exactly what this writes. */
export function encodeRecord(record: Exclude<RecordBody, { kind: 'unknown' }>): Uint8Array {
  return encodeCbor(toItems(record))
}

function toItems(r: Exclude<RecordBody, { kind: 'unknown' }>): CborValue[] {
  const code = CODES[r.kind]
  switch (r.kind) {
    case 'text':
      return [code, r.messageId, r.text, r.sentAt]
    case 'ack':
      return [code, r.upTo, r.missing.flat(), r.digest]
    case 'commit':
      return [code, r.commit]
    case 'welcome':
      return [code, r.generation, r.welcome]
    case 'keyPackage':
      return [code, r.keyPackage]
    case 'confirm':
      return [code, r.inviterGroup, r.claimerGroup]
    case 'claim':
      return [code, r.accountKey, r.deviceId, r.keyPackage]
    case 'offer':
      return [code, r.accountKey, r.deviceId, r.keyPackage, r.welcome]
    case 'finish':
      return [code, r.welcome, r.inviterGroup, r.claimerGroup]
    case 'switch':
      return [code, r.generation, r.epoch]
    case 'tombstone':
      return [code]
  }
}

/**
 * Strict decoder of one record. @throws HearsayError `bad-encoding` or `bad-value` with the field's name;
 * an unknown code is not an error.
 */
export function decodeRecord(bytes: Uint8Array): RecordBody {
  const items = decodeCbor(bytes, { maxBytes: MAX_RECORD_BYTES })
  if (!Array.isArray(items) || items.length === 0) throw bad('record')
  const fields = new Fields(items)
  const code = fields.integer('code', 65535)
  switch (code) {
    case CODES.text:
      return fields.done({
        kind: 'text',
        messageId: fields.bytes('messageId', MESSAGE_ID_BYTES),
        text: fields.text('text', TEXT_BYTES_MAX),
        sentAt: fields.integer('sentAt', Number.MAX_SAFE_INTEGER),
      })
    case CODES.ack: {
      const upTo = fields.integer('upTo', Number.MAX_SAFE_INTEGER)
      return fields.done({
        kind: 'ack',
        upTo,
        missing: fields.ranges('missing', upTo),
        digest: fields.bytes('digest', RECORD_DIGEST_BYTES),
      })
    }
    case CODES.commit:
      return fields.done({ kind: 'commit', commit: fields.blob('commit') })
    case CODES.welcome:
      return fields.done({
        kind: 'welcome',
        generation: fields.integer('generation', U32_MAX),
        welcome: fields.blob('welcome'),
      })
    case CODES.keyPackage:
      return fields.done({ kind: 'keyPackage', keyPackage: fields.blob('keyPackage') })
    case CODES.confirm:
      return fields.done({ kind: 'confirm', ...authenticators(fields) })
    case CODES.claim:
      return fields.done({ kind: 'claim', ...introduction(fields) })
    case CODES.offer:
      return fields.done({
        kind: 'offer',
        ...introduction(fields),
        welcome: fields.blob('welcome'),
      })
    case CODES.finish:
      return fields.done({
        kind: 'finish',
        welcome: fields.blob('welcome'),
        ...authenticators(fields),
      })
    case CODES.tombstone:
      return fields.done({ kind: 'tombstone' })
    case CODES.switch:
      return fields.done({
        kind: 'switch',
        generation: fields.integer('generation', U32_MAX),
        epoch: fields.integer('epoch', Number.MAX_SAFE_INTEGER),
      })
    default:
      return { kind: 'unknown', code }
  }
}

/** `decodeRecord`, or undefined for what it refuses. */
export function tryDecodeRecord(bytes: Uint8Array): RecordBody | undefined {
  try {
    return decodeRecord(bytes)
  } catch (error) {
    if (isHearsayError(error)) return undefined
    throw error
  }
}

/** Records whose effect takes public-key work. */
export function needsJob(body: RecordBody): boolean {
  switch (body.kind) {
    case 'claim':
    case 'offer':
    case 'finish':
    case 'commit':
    case 'welcome':
      return true
    default:
      return false
  }
}

function authenticators(fields: Fields) {
  return {
    inviterGroup: fields.bytes('inviterGroup', AUTHENTICATOR_BYTES),
    claimerGroup: fields.bytes('claimerGroup', AUTHENTICATOR_BYTES),
  }
}

function introduction(fields: Fields) {
  return {
    accountKey: fields.bytes('accountKey', 32),
    deviceId: fields.bytes('deviceId', DEVICE_ID_BYTES),
    keyPackage: fields.blob('keyPackage'),
  }
}

/** Takes the items of a record one after another and checks each. */
class Fields {
  readonly #items: readonly unknown[]
  #at = 0

  constructor(items: readonly unknown[]) {
    this.#items = items
  }

  integer(name: string, max: number): number {
    const value = this.#items[this.#at++]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
      throw bad(name)
    }
    return value
  }

  /** Pairs of first and last: ascending, not adjacent, from 1, all below `limit`. */
  ranges(name: string, limit: number): SeqRange[] {
    const value = this.#items[this.#at++]
    if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > 2 * ACK_RANGES_MAX) {
      throw bad(name)
    }
    const inner = new Fields(value)
    const ranges: SeqRange[] = []
    let least = 1
    while (ranges.length < value.length / 2) {
      const first = inner.integer(name, limit)
      const last = inner.integer(name, limit)
      if (first < least || last < first) throw bad(name)
      ranges.push([first, last])
      least = last + 2
    }
    return ranges
  }

  bytes(name: string, length: number): Uint8Array {
    const value = this.#items[this.#at++]
    if (!(value instanceof Uint8Array) || value.length !== length) throw bad(name)
    return value
  }

  blob(name: string): Uint8Array {
    const value = this.#items[this.#at++]
    if (
      !(value instanceof Uint8Array) ||
      value.length === 0 ||
      value.length > MLS_MESSAGE_BYTES_MAX
    ) {
      throw bad(name)
    }
    return value
  }

  text(name: string, maxBytes: number): string {
    const value = this.#items[this.#at++]
    if (typeof value !== 'string' || Buffer.byteLength(value) > maxBytes) throw bad(name)
    return value
  }

  done<T extends RecordBody>(record: T): T {
    if (this.#at !== this.#items.length) throw bad('record')
    return record
  }
}

function bad(field: string): HearsayError {
  return new HearsayError('bad-value', 'record refused', { field })
}
