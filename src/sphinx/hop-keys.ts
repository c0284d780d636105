import { HASH_BYTES } from '../base/index.ts'
import { kdf, KEY_BYTES, LABELS, wipe } from '../crypto/index.ts'
import { HOP_KEYS_BYTES } from './constants.ts'
import type { Geometry } from './geometry.ts'
import { SUITES } from './suites.ts'

/** What the shared secret of one hop gives, 32 bytes each. Whoever derived them wipes them. */
export interface HopKeys {
  /** Key stream of the header: MAC key, replay tag, routing block. */
  readonly header: Uint8Array
  /** One layer of the payload. */
  readonly payload: Uint8Array
}

// Shared: the function is synchronous, and nothing in it is secret.
const context = new Uint8Array(
  HASH_BYTES +
    Math.max(...Object.values(SUITES).map(({ kem }) => kem.shareBytes + kem.publicKeyBytes)),
)

/**
 * The keys of one hop, bound to the geometry (so to version and suite), to the bytes of the share and to the
 * mix key. A share that was altered without altering the secret (bit 255, a point of small order added) gives
 * unrelated keys, and so an unrelated replay tag. Erases `secret`.
 */
export function hopKeys(
  geometry: Geometry,
  secret: Uint8Array,
  share: Uint8Array,
  publicKey: Uint8Array,
): HopKeys {
  const shareAt = geometry.id.length
  const keyAt = shareAt + share.length
  context.set(geometry.id)
  context.set(share, shareAt)
  context.set(publicKey, keyAt)
  const used = context.subarray(0, keyAt + publicKey.length)
  const bytes = kdf(LABELS.sphinxHop, secret, used, HOP_KEYS_BYTES)
  wipe(secret)
  return { header: bytes.subarray(0, KEY_BYTES), payload: bytes.subarray(KEY_BYTES) }
}
