import { type Address, type Branded, HearsayError } from '../base/index.ts'
import sodium from 'sodium-native'
import {
  PUBLIC_KEY_BYTES,
  SCALAR_BYTES,
  SEED_BYTES,
  SIGNATURE_BYTES,
  WIDE_SCALAR_BYTES,
} from './constants.ts'
import { kdf, sha512 } from './hash.ts'
import { LABELS } from './labels.ts'
import { scalarMul, scalarMulAdd, scalarReduce } from './scalar.ts'

/** A non-zero scalar modulo L, 32 bytes little-endian. Secret: with the root it gives away an address. */
export type Blind = Branded<Uint8Array, 'Blind'>

const ZERO_SCALAR = new Uint8Array(SCALAR_BYTES)

/**
 * The blind of 64 uniform bytes: their little-endian value mod L, not clamped.
 * @throws HearsayError `bad-length`; `bad-value` for zero (probability 2^-252).
 */
export function blindFromBytes(bytes: Uint8Array): Blind {
  if (bytes.length !== WIDE_SCALAR_BYTES) {
    throw new HearsayError('bad-length', 'a blind is reduced from 64 bytes')
  }
  return checked(scalarReduce(bytes))
}

/**
 * A blind from its own 32 bytes, as stored: canonical and not zero.
 * @throws HearsayError `bad-length`, `bad-value`.
 */
export function asBlind(bytes: Uint8Array): Blind {
  if (bytes.length !== SCALAR_BYTES) throw new HearsayError('bad-length', 'a blind is 32 bytes')
  const wide = new Uint8Array(WIDE_SCALAR_BYTES)
  wide.set(bytes)
  const reduced = scalarReduce(wide)
  wide.fill(0)
  if (!sodium.sodium_memcmp(reduced, bytes)) {
    throw new HearsayError('bad-value', 'a blind is below L')
  }
  return checked(reduced)
}

function checked(scalar: Uint8Array): Blind {
  if (sodium.sodium_memcmp(scalar, ZERO_SCALAR)) {
    throw new HearsayError('bad-value', 'a blind is not zero')
  }
  return scalar as Blind
}

/**
 * blind · root: the one-time address of whoever holds the root's secret, 32 bytes, always a valid point.
 * @throws HearsayError `bad-key` when the root is not the canonical encoding of a point of prime order (a
 * mixed-order root would give addresses that reveal the blind modulo 8); `bad-length`.
 */
export function blind(root: Uint8Array, by: Blind): Address {
  if (root.length !== PUBLIC_KEY_BYTES) throw new HearsayError('bad-length', 'a root is 32 bytes')
  const out = new Uint8Array(PUBLIC_KEY_BYTES)
  try {
    // libsodium refuses a point that is not canonical, of small or of mixed order (pinned by a test).
    sodium.crypto_scalarmult_ed25519_noclamp(out, by, root)
  } catch {
    throw new HearsayError('bad-key', 'root is not a point of prime order')
  }
  return out as Address
}

/**
 * Signs with the secret of `blind(root, by)`, where `root` is the public key of `seed`; plain Ed25519
 * verification accepts it. `compose` receives the address and returns the message, which may contain it.
 *
 * The blinded scalar exists only in this function: a member who knows the blind could divide it out and own
 * the root. Deterministic: the nonce is derived from the seed's prefix, the blind, the address and the
 * message, so one nonce never serves two challenges.
 * @throws HearsayError `bad-length` for a seed other than 32 bytes; `bad-value` for a blind that was erased.
 */
export function signBlindedWith(
  seed: Uint8Array,
  by: Blind,
  compose: (address: Address) => Uint8Array,
): { address: Address; signature: Uint8Array } {
  if (seed.length !== SEED_BYTES) throw new HearsayError('bad-length', 'a seed is 32 bytes')
  checked(by)
  const expanded = sha512(seed)
  expanded[0] = (expanded[0] as number) & 0xf8
  expanded[31] = ((expanded[31] as number) & 0x7f) | 0x40
  const secret = scalarMul(by, expanded.subarray(0, 32))
  try {
    return signWithScalar(secret, expanded.subarray(32), by, compose)
  } finally {
    expanded.fill(0)
    secret.fill(0)
  }
}

function signWithScalar(
  secret: Uint8Array,
  prefix: Uint8Array,
  by: Blind,
  compose: (address: Address) => Uint8Array,
): { address: Address; signature: Uint8Array } {
  const address = new Uint8Array(PUBLIC_KEY_BYTES) as Address
  sodium.crypto_scalarmult_ed25519_base_noclamp(address, secret)
  const message = compose(address)

  const bound = new Uint8Array(SCALAR_BYTES + PUBLIC_KEY_BYTES + message.length)
  bound.set(by)
  bound.set(address, SCALAR_BYTES)
  bound.set(message, SCALAR_BYTES + PUBLIC_KEY_BYTES)
  const wideNonce = kdf(LABELS.blindNonce, prefix, bound, WIDE_SCALAR_BYTES)
  const nonce = scalarReduce(wideNonce)
  const signature = new Uint8Array(SIGNATURE_BYTES)
  sodium.crypto_scalarmult_ed25519_base_noclamp(signature.subarray(0, 32), nonce)

  // The same buffer holds R | A | M for the challenge of RFC 8032.
  bound.set(signature.subarray(0, 32))
  const challenge = scalarReduce(sha512(bound))
  signature.set(scalarMulAdd(challenge, secret, nonce), 32)
  wideNonce.fill(0)
  nonce.fill(0)
  return { address, signature }
}

/** `signBlindedWith` for a message that does not depend on the address: the 64-byte signature. */
export function signBlinded(seed: Uint8Array, by: Blind, message: Uint8Array): Uint8Array {
  return signBlindedWith(seed, by, () => message).signature
}
