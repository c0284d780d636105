import { HearsayError } from '../base/index.ts'
import sodium from 'sodium-native'
import {
  AEAD_NONCE_BYTES,
  KEY_BYTES,
  LIONESS_KEY_BYTES,
  LIONESS_MIN_BLOCK_BYTES,
} from './constants.ts'

const LEFT_BYTES = 32
const IVS_AT = 4 * KEY_BYTES

// The key schedule, its views and the scratch are made once and shared: the functions are synchronous and wipe
// them before they return.
const schedule = new Uint8Array(LIONESS_KEY_BYTES)
const digest = new Uint8Array(LEFT_BYTES)
const rounds = [0, 1, 2, 3].map((round) => ({
  key: schedule.subarray(round * KEY_BYTES, (round + 1) * KEY_BYTES),
  iv: schedule.subarray(IVS_AT + round * AEAD_NONCE_BYTES, IVS_AT + (round + 1) * AEAD_NONCE_BYTES),
  /** left XOR key in the stream rounds, key | iv in the hash rounds. */
  work: new Uint8Array(round % 2 === 0 ? LEFT_BYTES : KEY_BYTES + AEAD_NONCE_BYTES),
}))
const [first, second, third, fourth] = rounds as [Round, Round, Round, Round]
type Round = (typeof rounds)[number]

/**
 * LIONESS (Anderson and Biham 1996) with ChaCha20 and keyed BLAKE2b-256, as in the vectors of rust-lioness: a
 * pseudo-random permutation of the whole block, so one changed bit changes all of it. Key: k1 | k2 | k3 | k4 of
 * 32 | iv1 | iv2 | iv3 | iv4 of 12. `out` is as long as `block` and may be the same bytes.
 * @throws HearsayError `bad-length` for a key other than 176 or a block shorter than 33 bytes.
 */
export function lionessEncryptInto(out: Uint8Array, key: Uint8Array, block: Uint8Array): void {
  load(out, key, block)
  const left = out.subarray(0, LEFT_BYTES)
  const right = out.subarray(LEFT_BYTES)
  left.set(block.subarray(0, LEFT_BYTES))
  xorStream(first, right, left, block.subarray(LEFT_BYTES))
  xorHash(second, left, right)
  xorStream(third, right, left, right)
  xorHash(fourth, left, right)
  clear()
}

/** Inverse of `lionessEncryptInto`. @throws HearsayError `bad-length`. */
export function lionessDecryptInto(out: Uint8Array, key: Uint8Array, block: Uint8Array): void {
  load(out, key, block)
  const left = out.subarray(0, LEFT_BYTES)
  const right = out.subarray(LEFT_BYTES)
  const rightIn = block.subarray(LEFT_BYTES)
  left.set(block.subarray(0, LEFT_BYTES))
  xorHash(fourth, left, rightIn)
  xorStream(third, right, left, rightIn)
  xorHash(second, left, right)
  xorStream(first, right, left, right)
  clear()
}

/** right = from XOR ChaCha20(left XOR k, iv). */
function xorStream(
  { key, iv, work }: Round,
  right: Uint8Array,
  left: Uint8Array,
  from: Uint8Array,
): void {
  for (let i = 0; i < LEFT_BYTES; i++) work[i] = (left[i] as number) ^ (key[i] as number)
  sodium.crypto_stream_chacha20_ietf_xor(right, from, iv, work)
}

/** left = left XOR BLAKE2b-256(key k | iv, right). */
function xorHash({ key, iv, work }: Round, left: Uint8Array, right: Uint8Array): void {
  work.set(key)
  work.set(iv, KEY_BYTES)
  sodium.crypto_generichash(digest, right, work)
  for (let i = 0; i < LEFT_BYTES; i++) left[i] = (left[i] as number) ^ (digest[i] as number)
}

function load(out: Uint8Array, key: Uint8Array, block: Uint8Array): void {
  if (key.length !== LIONESS_KEY_BYTES) {
    throw new HearsayError('bad-length', 'a LIONESS key is 176 bytes')
  }
  if (block.length < LIONESS_MIN_BLOCK_BYTES || out.length !== block.length) {
    throw new HearsayError('bad-length', 'a LIONESS block is at least 33 bytes')
  }
  schedule.set(key)
}

function clear(): void {
  schedule.fill(0)
  digest.fill(0)
  for (const { work } of rounds) work.fill(0)
}
