import { HearsayError } from '../base/index.ts'
import { chacha20XorInto } from './aead.ts'
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, KEY_BYTES } from './constants.ts'
import { kdf, keyedHash } from './hash.ts'
import { LABELS } from './labels.ts'
import { constantTimeEqual, wipe } from './secret-bytes.ts'

/** Every tag makes a stream key of its own. */
const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)

/**
 * Deterministic authenticated encryption, SIV as in RFC 5297 with keyed BLAKE2b for its PRF and ChaCha20 for its cipher:
 * ciphertext | tag 16. The same inputs give the same bytes, and two plaintexts under one key show only that they differ:
 * for whoever may be made to seal twice under a key that another has chosen.
 * @throws HearsayError `bad-length` for a key other than 32 bytes.
 */
export function sivSeal(key: Uint8Array, plaintext: Uint8Array, ad: Uint8Array): Uint8Array {
  const tag = tagOf(key, plaintext, ad)
  const out = new Uint8Array(plaintext.length + AEAD_TAG_BYTES)
  xorInto(out.subarray(0, plaintext.length), key, tag, plaintext)
  out.set(tag, plaintext.length)
  return out
}

/**
 * Inverse of `sivSeal`; the tag is compared in constant time. @throws HearsayError `open-failed` for anything not sealed
 * under exactly these inputs; `bad-length` for a wrong key length.
 */
export function sivOpen(key: Uint8Array, sealed: Uint8Array, ad: Uint8Array): Uint8Array {
  const length = sealed.length - AEAD_TAG_BYTES
  if (length < 0) throw failed()
  const tag = sealed.subarray(length)
  const plaintext = new Uint8Array(length)
  xorInto(plaintext, key, tag, sealed.subarray(0, length))
  if (!constantTimeEqual(tagOf(key, plaintext, ad), tag)) {
    wipe(plaintext)
    throw failed()
  }
  return plaintext
}

function tagOf(key: Uint8Array, plaintext: Uint8Array, ad: Uint8Array): Uint8Array {
  return keyedHash(LABELS.sivTag, key, ad, plaintext).subarray(0, AEAD_TAG_BYTES)
}

function xorInto(out: Uint8Array, key: Uint8Array, tag: Uint8Array, data: Uint8Array): void {
  const streamKey = kdf(LABELS.sivStream, key, tag, KEY_BYTES)
  chacha20XorInto(out, streamKey, ZERO_NONCE, data)
  wipe(streamKey)
}

const failed = () => new HearsayError('open-failed', 'authentication failed')
