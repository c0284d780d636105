import { concat, HearsayError, type Rng } from '../base/index.ts'
import sodium from 'sodium-native'
import { aeadOpen, aeadSeal } from './aead.ts'
import { AEAD_NONCE_BYTES, KEY_BYTES, SEALED_OVERHEAD_BYTES, X25519_BYTES } from './constants.ts'
import { kdf } from './hash.ts'
import { LABELS } from './labels.ts'

function check(bytes: Uint8Array): void {
  if (bytes.length !== X25519_BYTES) {
    throw new HearsayError('bad-length', 'an X25519 key is 32 bytes', { length: bytes.length })
  }
}

/** The X25519 public key (RFC 7748) of a 32-byte secret. @throws HearsayError `bad-length`. */
export function x25519PublicKey(secret: Uint8Array): Uint8Array {
  check(secret)
  const out = new Uint8Array(X25519_BYTES)
  sodium.crypto_scalarmult_base(out, secret)
  return out
}

/**
 * The X25519 shared secret, 32 bytes; hash it before use.
 * @throws HearsayError `bad-key` when it would be all zero (a point of small order); `bad-length`.
 */
export function x25519(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  check(secret)
  check(publicKey)
  const out = new Uint8Array(X25519_BYTES)
  try {
    sodium.crypto_scalarmult(out, secret, publicKey)
  } catch {
    throw new HearsayError('bad-key', 'all-zero shared secret')
  }
  return out
}

// The key is derived from a fresh share, so it is used once and the nonce can be constant.
const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)

/**
 * Seals to an X25519 public key without a sender: ephemeral 32 | ciphertext | tag 16. The key is bound to
 * both public keys.
 * @throws HearsayError `bad-key` for a public key of small order; `bad-length`.
 */
export function sealedBoxSeal(
  rng: Rng,
  recipient: Uint8Array,
  plaintext: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  const secret = rng.bytes(X25519_BYTES)
  const ephemeral = x25519PublicKey(secret)
  const shared = x25519(secret, recipient)
  const key = kdf(LABELS.sealedBox, shared, concat(ephemeral, recipient), KEY_BYTES)
  const sealed = concat(ephemeral, aeadSeal(key, ZERO_NONCE, plaintext, ad))
  secret.fill(0)
  shared.fill(0)
  key.fill(0)
  return sealed
}

/** Inverse of `sealedBoxSeal`. @throws HearsayError `open-failed` for anything else. */
export function sealedBoxOpen(secret: Uint8Array, sealed: Uint8Array, ad: Uint8Array): Uint8Array {
  if (sealed.length < SEALED_OVERHEAD_BYTES) {
    throw new HearsayError('open-failed', 'authentication failed')
  }
  const ephemeral = sealed.subarray(0, X25519_BYTES)
  let shared: Uint8Array
  try {
    shared = x25519(secret, ephemeral)
  } catch {
    throw new HearsayError('open-failed', 'authentication failed')
  }
  const key = kdf(LABELS.sealedBox, shared, concat(ephemeral, x25519PublicKey(secret)), KEY_BYTES)
  shared.fill(0)
  try {
    return aeadOpen(key, ZERO_NONCE, sealed.subarray(X25519_BYTES), ad)
  } finally {
    key.fill(0)
  }
}
