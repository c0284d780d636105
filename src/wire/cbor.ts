import { equalBytes, fromUtf8, HearsayError } from '../base/index.ts'
import { decode, encode, rfc8949EncodeOptions, type Token, Tokenizer, Type } from 'cborg'
import { MAX_CBOR_DEPTH, MAX_CBOR_MAP_KEYS } from './constants.ts'

/** The subset we speak: no floats, undefined, tags or big integers; map keys are text. */
export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | CborMap

export interface CborMap {
  readonly [key: string]: CborValue
}

const DECODE_OPTIONS = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
  // The library decodes text without a byte order mark at its beginning; `StrictTokenizer` needs the bytes.
  retainStringBytes: true,
} as const

/** Bounds maps before they are built, and keeps every character of a text. */
class StrictTokenizer extends Tokenizer {
  override next(): Token {
    const token = super.next()
    if (Type.equals(token.type, Type.map) && token.value > MAX_CBOR_MAP_KEYS) {
      throw new HearsayError('bad-value', 'a map has too many keys')
    }
    // Tokens with their bytes are fresh; the others are shared by all decoders.
    if (token.byteValue !== undefined) token.value = fromUtf8(token.byteValue)
    return token
  }
}

/**
 * Deterministic CBOR (RFC 8949 §4.2.1): one value, one encoding.
 * @throws HearsayError `bad-value` for anything outside `CborValue` (a fraction, -0, an unsafe integer,
 * undefined, text that is not well-formed, nesting above 16, a map of more than 1024 keys).
 */
export function encodeCbor(value: CborValue): Uint8Array {
  check(value, 0)
  // cborg returns a Buffer for some lengths; a copy gives every caller the same type.
  return new Uint8Array(encode(value, rfc8949EncodeOptions))
}

/**
 * Strict inverse of `encodeCbor`: what is accepted re-encodes to the same bytes. Byte strings are copies.
 * @throws HearsayError `bad-length` above `maxBytes`, `bad-encoding` for everything else.
 */
export function decodeCbor(bytes: Uint8Array, options: { maxBytes: number }): CborValue {
  if (bytes.length > options.maxBytes) {
    throw new HearsayError('bad-length', 'CBOR is longer than allowed', { length: bytes.length })
  }
  let value: CborValue
  let again: Uint8Array
  try {
    // Hostile nesting overflows the stack inside the library; that ends in the catch like any bad input.
    const tokenizer = new StrictTokenizer(bytes, DECODE_OPTIONS)
    value = decode(bytes, { ...DECODE_OPTIONS, tokenizer }) as CborValue
    again = encodeCbor(value)
  } catch (error) {
    throw new HearsayError('bad-encoding', 'not deterministic CBOR', {}, error)
  }
  if (!equalBytes(again, bytes)) {
    throw new HearsayError('bad-encoding', 'not deterministic CBOR')
  }
  return value
}

function check(value: unknown, depth: number): asserts value is CborValue {
  if (depth > MAX_CBOR_DEPTH) throw new HearsayError('bad-value', 'nested too deeply')
  switch (typeof value) {
    case 'boolean':
      return
    case 'number':
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) return
      break
    case 'string':
      if (value.isWellFormed()) return
      break
    case 'object': {
      if (value === null || value instanceof Uint8Array) return
      if (Array.isArray(value)) {
        for (const item of value) check(item, depth + 1)
        return
      }
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== Object.prototype && prototype !== null) break
      const entries = Object.entries(value)
      if (entries.length > MAX_CBOR_MAP_KEYS) {
        throw new HearsayError('bad-value', 'a map has too many keys')
      }
      for (const [key, item] of entries) {
        // Assigning such a key, as a later copy might, would replace a prototype.
        if (key === '__proto__') throw new HearsayError('bad-value', 'key is reserved')
        check(key, depth)
        check(item, depth + 1)
      }
      return
    }
    default:
  }
  throw new HearsayError('bad-value', 'not a value that CBOR carries here')
}
