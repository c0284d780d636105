import { HearsayError } from '../base/index.ts'
import sodium from 'sodium-native'
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, KEY_BYTES, XAEAD_NONCE_BYTES } from './constants.ts'

function check(name: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) {
    throw new HearsayError('bad-length', `${name} has the wrong length`, { length: bytes.length })
  }
}

// One opaque error: neither the message nor the time says which check failed.
const failed = () => new HearsayError('open-failed', 'authentication failed')

/**
 * ChaCha20-Poly1305 (RFC 8439): plaintext | tag 16. The pair of key and nonce must be unique.
 * @throws HearsayError `bad-length` for a key other than 32 or a nonce other than 12 bytes.
 */
export function aeadSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(plaintext.length + AEAD_TAG_BYTES)
  aeadSealInto(out, key, nonce, plaintext, ad)
  return out
}

/** `aeadSeal` into a buffer of exactly plaintext + 16 bytes; it may overlap the plaintext at offset 0. */
export function aeadSealInto(
  out: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  ad: Uint8Array,
): void {
  check('key', key, KEY_BYTES)
  check('nonce', nonce, AEAD_NONCE_BYTES)
  check('output', out, plaintext.length + AEAD_TAG_BYTES)
  sodium.crypto_aead_chacha20poly1305_ietf_encrypt(out, plaintext, ad, null, nonce, key)
}

/**
 * Inverse of `aeadSeal`. @throws HearsayError `open-failed` for anything not sealed under exactly these
 * inputs; `bad-length` for a wrong key or nonce length.
 */
export function aeadOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  check('key', key, KEY_BYTES)
  check('nonce', nonce, AEAD_NONCE_BYTES)
  if (sealed.length < AEAD_TAG_BYTES) throw failed()
  const out = new Uint8Array(sealed.length - AEAD_TAG_BYTES)
  try {
    sodium.crypto_aead_chacha20poly1305_ietf_decrypt(out, null, sealed, ad, nonce, key)
  } catch {
    throw failed()
  }
  return out
}

/** XChaCha20-Poly1305: plaintext | tag 16. The 24-byte nonce may be random. @throws as `aeadSeal`. */
export function xaeadSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  check('key', key, KEY_BYTES)
  check('nonce', nonce, XAEAD_NONCE_BYTES)
  const out = new Uint8Array(plaintext.length + AEAD_TAG_BYTES)
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(out, plaintext, ad, null, nonce, key)
  return out
}

/** Inverse of `xaeadSeal`. @throws as `aeadOpen`. */
export function xaeadOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  check('key', key, KEY_BYTES)
  check('nonce', nonce, XAEAD_NONCE_BYTES)
  if (sealed.length < AEAD_TAG_BYTES) throw failed()
  const out = new Uint8Array(sealed.length - AEAD_TAG_BYTES)
  try {
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(out, null, sealed, ad, nonce, key)
  } catch {
    throw failed()
  }
  return out
}

/**
 * ChaCha20 (RFC 8439, counter from 0), unauthenticated: `out` = data XOR key stream. `out` has the length of
 * `data` and may be `data` itself. For layered packets whose integrity is checked elsewhere.
 * @throws HearsayError `bad-length`.
 */
export function chacha20XorInto(
  out: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  data: Uint8Array,
): void {
  check('key', key, KEY_BYTES)
  check('nonce', nonce, AEAD_NONCE_BYTES)
  check('output', out, data.length)
  sodium.crypto_stream_chacha20_ietf_xor(out, data, nonce, key)
}
