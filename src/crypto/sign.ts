import { HearsayError } from '../base/index.ts'
import sodium from 'sodium-native'
import { PUBLIC_KEY_BYTES, SECRET_KEY_BYTES, SEED_BYTES, SIGNATURE_BYTES } from './constants.ts'

export interface SignKeyPair {
  readonly publicKey: Uint8Array
  /** seed 32 | public key 32. */
  readonly secretKey: Uint8Array
}

/** The Ed25519 key pair (RFC 8032) of a 32-byte seed. @throws HearsayError `bad-length`. */
export function signKeyPairFromSeed(seed: Uint8Array): SignKeyPair {
  if (seed.length !== SEED_BYTES) throw new HearsayError('bad-length', 'a seed is 32 bytes')
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES)
  const secretKey = new Uint8Array(SECRET_KEY_BYTES)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  return { publicKey, secretKey }
}

/** A 64-byte Ed25519 signature, deterministic. @throws HearsayError `bad-length`. */
export function sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  if (secretKey.length !== SECRET_KEY_BYTES) {
    throw new HearsayError('bad-length', 'a secret key is 64 bytes')
  }
  const signature = new Uint8Array(SIGNATURE_BYTES)
  sodium.crypto_sign_detached(signature, message, secretKey)
  return signature
}

/** True for the canonical encoding of a point of prime order. Anything else, of any length, is false. */
export function isValidPoint(point: Uint8Array): boolean {
  return point.length === PUBLIC_KEY_BYTES && sodium.crypto_core_ed25519_is_valid_point(point)
}

/**
 * The one Ed25519 verifier. True only if the public key is the canonical encoding of a point of prime order,
 * S is canonical (< L), R is not of small order, and R is byte for byte the encoding of S·B - k·A. That
 * leaves nothing in which two implementations may differ; vectors pin that libsodium compares bytes and does
 * not multiply by the cofactor. Never throws; wrong lengths are false.
 */
export function verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  return (
    signature.length === SIGNATURE_BYTES &&
    isValidPoint(publicKey) &&
    sodium.crypto_sign_verify_detached(signature, message, publicKey)
  )
}

/**
 * `verify` without the point check (about 50 µs), for a key that passed `isValidPoint` before: a node of the
 * directory, whose descriptor was verified. Using it for a key of unknown origin lets a mixed-order key make
 * nodes disagree.
 */
export function verifyByCheckedKey(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  return (
    signature.length === SIGNATURE_BYTES &&
    sodium.crypto_sign_verify_detached(signature, message, publicKey)
  )
}
