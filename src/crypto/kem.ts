import { HearsayError } from '../base/index.ts'
import sodium from 'sodium-native'
import { SEED_BYTES, X25519_BYTES } from './constants.ts'

/** A key encapsulation: fixed lengths, a 32-byte secret that is hashed with its context before use. */
export interface Kem {
  readonly publicKeyBytes: number
  readonly shareBytes: number
  /** The key pair of a 32-byte seed, always the same. @throws HearsayError `bad-length`. */
  keyPair(seed: Uint8Array): KemKeyPair
  /**
   * A share for the holder of `publicKey`, and the 32-byte secret that it carries, from `fresh`: 32 random
   * bytes that are used for nothing else and erased here.
   * @throws HearsayError `bad-length`, `bad-key` for a key that cannot be encapsulated to.
   */
  encapsulate(
    fresh: Uint8Array,
    publicKey: Uint8Array,
  ): { readonly share: Uint8Array; readonly secret: Uint8Array }
}

/** The secret half stays behind `decapsulate`. */
export interface KemKeyPair {
  readonly publicKey: Uint8Array
  /**
   * The 32-byte secret of a share, owned by the caller; undefined for another length, a share of small order
   * and after `wipe`. A share that was made for another key may give an unrelated secret instead.
   */
  decapsulate(share: Uint8Array): Uint8Array | undefined
  /** Overwrites the secret half; nothing decapsulates after it. */
  wipe(): void
}

/**
 * X25519 (RFC 7748) as a KEM: the share is an ephemeral public key, the seed is the secret scalar. The secret
 * is not bound to share and key: who uses it derives over both. All-zero secrets are refused on both sides.
 */
export const x25519Kem: Kem = {
  publicKeyBytes: X25519_BYTES,
  shareBytes: X25519_BYTES,

  keyPair(seed) {
    if (seed.length !== SEED_BYTES) throw new HearsayError('bad-length', 'a seed is 32 bytes')
    const publicKey = new Uint8Array(X25519_BYTES)
    let scalar: Uint8Array | undefined = new Uint8Array(seed)
    sodium.crypto_scalarmult_base(publicKey, scalar)
    return {
      publicKey,
      decapsulate: (share) => (scalar === undefined ? undefined : multiply(scalar, share)),
      wipe: () => {
        scalar?.fill(0)
        scalar = undefined
      },
    }
  },

  encapsulate(fresh, publicKey) {
    if (fresh.length !== X25519_BYTES || publicKey.length !== X25519_BYTES) {
      throw new HearsayError('bad-length', 'an X25519 key is 32 bytes')
    }
    const share = new Uint8Array(X25519_BYTES)
    sodium.crypto_scalarmult_base(share, fresh)
    const secret = multiply(fresh, publicKey)
    fresh.fill(0)
    if (secret === undefined) throw new HearsayError('bad-key', 'a key of small order')
    return { share, secret }
  },
}

/** undefined for another length and when the product would be all zero. */
function multiply(scalar: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  if (point.length !== X25519_BYTES) return undefined
  const out = new Uint8Array(X25519_BYTES)
  try {
    sodium.crypto_scalarmult(out, scalar, point)
  } catch {
    return undefined
  }
  return out
}
