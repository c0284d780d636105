import { HASH_BYTES, HearsayError } from '../base/index.ts'
import sodium from 'sodium-native'
import { KDF_BLOCK_BYTES, KDF_MAX_BYTES, KEY_BYTES } from './constants.ts'
import type { Label } from './labels.ts'

// The first byte of every input: a label that is used with two functions by mistake still gives unrelated
// outputs.
const MODE_HASH = 1
const MODE_KEYED = 2
const MODE_KDF = 3

const encoder = new TextEncoder()
const prefixes = [
  new Map<Label, Uint8Array>(),
  new Map<Label, Uint8Array>(),
  new Map<Label, Uint8Array>(),
]

/** mode 1 | label length 1 | label. Labels are a fixed set of ASCII constants, so the cache is bounded. */
function prefixOf(mode: number, label: Label): Uint8Array {
  const known = prefixes[mode - MODE_HASH] as Map<Label, Uint8Array>
  let prefix = known.get(label)
  if (prefix === undefined) {
    const text = encoder.encode(label)
    prefix = new Uint8Array(2 + text.length)
    prefix[0] = mode
    prefix[1] = text.length
    prefix.set(text, 2)
    known.set(label, prefix)
  }
  return prefix
}

function putU32(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value >>> 24
  out[offset + 1] = value >>> 16
  out[offset + 2] = value >>> 8
  out[offset + 3] = value
}

// Most inputs are short. The space is shared: the functions are synchronous and wipe what they used.
const space = new Uint8Array(4096)

/** prefix | (length 4 | part)*, with `extra` spare bytes at the end. Valid until the next call. */
function frame(prefix: Uint8Array, parts: readonly Uint8Array[], extra: number): Uint8Array {
  let length = prefix.length + extra
  for (const part of parts) length += 4 + part.length
  const out = length <= space.length ? space.subarray(0, length) : new Uint8Array(length)
  out.set(prefix)
  let offset = prefix.length
  for (const part of parts) {
    putU32(out, offset, part.length)
    out.set(part, offset + 4)
    offset += 4 + part.length
  }
  return out
}

function checkKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) {
    throw new HearsayError('bad-length', 'a key is 32 bytes', { length: key.length })
  }
}

/**
 * BLAKE2b-256 over mode, label and parts, each length-prefixed: two different lists of parts never give the
 * same input. 32 bytes, owned by the caller.
 */
export function hash(label: Label, ...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(HASH_BYTES)
  const input = frame(prefixOf(MODE_HASH, label), parts, 0)
  sodium.crypto_generichash(out, input)
  // A part may be secret: the checksum of an invitation covers one.
  input.fill(0)
  return out
}

const digest = Buffer.alloc(HASH_BYTES)

/** `hash` of public parts as 64 digits of lower-case hexadecimal: faster where there are a hundred thousand. */
export function hashHex(label: Label, ...parts: readonly Uint8Array[]): string {
  const input = frame(prefixOf(MODE_HASH, label), parts, 0)
  sodium.crypto_generichash(digest, input)
  return digest.toString('hex')
}

/**
 * Keyed BLAKE2b-256 (a MAC and a PRF) with the encoding of `hash`. 32 bytes.
 * @throws HearsayError `bad-length` unless the key is 32 bytes.
 */
export function keyedHash(
  label: Label,
  key: Uint8Array,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  checkKey(key)
  const out = new Uint8Array(HASH_BYTES)
  const input = frame(prefixOf(MODE_KEYED, label), parts, 0)
  sodium.crypto_generichash(out, input, key)
  input.fill(0)
  return out
}

/**
 * `length` bytes (1 to 16320) derived from a uniform 32-byte key: blocks of keyed BLAKE2b-512 over
 * mode | label | context | length 4 | block number 1. The length is bound in, so a short output is not the
 * beginning of a longer one.
 * @throws HearsayError `bad-length` for another key or output length.
 */
export function kdf(
  label: Label,
  key: Uint8Array,
  context: Uint8Array,
  length: number,
): Uint8Array {
  checkKey(key)
  if (!Number.isInteger(length) || length < 1 || length > KDF_MAX_BYTES) {
    throw new HearsayError('bad-length', 'kdf output is 1 to 16320 bytes')
  }
  const input = frame(prefixOf(MODE_KDF, label), [context], 5)
  putU32(input, input.length - 5, length)
  const out = new Uint8Array(length)
  const block = new Uint8Array(KDF_BLOCK_BYTES)
  for (let offset = 0, counter = 1; offset < length; offset += KDF_BLOCK_BYTES, counter++) {
    input[input.length - 1] = counter
    if (length - offset >= KDF_BLOCK_BYTES) {
      sodium.crypto_generichash(out.subarray(offset, offset + KDF_BLOCK_BYTES), input, key)
    } else {
      sodium.crypto_generichash(block, input, key)
      out.set(block.subarray(0, length - offset), offset)
    }
  }
  block.fill(0)
  input.fill(0)
  return out
}

/**
 * Plain BLAKE2b of one byte string, without a label: only inside constructions that a document outside this
 * project defines (LIONESS) or that have their own domain separation. Output 16 to 64 bytes, key none or
 * 16 to 64 bytes.
 */
export function rawBlake2b(length: number, input: Uint8Array, key?: Uint8Array): Uint8Array {
  const out = new Uint8Array(length)
  sodium.crypto_generichash(out, input, key)
  return out
}

/** SHA-256, 32 bytes: for the Kademlia metric and other formats that are not ours. */
export function sha256(input: Uint8Array): Uint8Array {
  const out = new Uint8Array(32)
  sodium.crypto_hash_sha256(out, input)
  return out
}

/** SHA-512, 64 bytes. */
export function sha512(input: Uint8Array): Uint8Array {
  const out = new Uint8Array(64)
  sodium.crypto_hash_sha512(out, input)
  return out
}
