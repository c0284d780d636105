import {
  AEAD_NONCE_BYTES,
  chacha20XorInto,
  constantTimeEqual,
  LIONESS_KEY_BYTES,
  lionessDecryptInto,
  lionessEncryptInto,
} from '../crypto/index.ts'
import { ZERO_TAG_BYTES } from './constants.ts'

const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)
const ZERO_TAG = new Uint8Array(ZERO_TAG_BYTES)

// Shared: the functions are synchronous and wipe it before they return.
const lionessKey = new Uint8Array(LIONESS_KEY_BYTES)

/** A payload key becomes the LIONESS key by its key stream: k1 … k4, iv1 … iv4. */
function expand(key: Uint8Array): void {
  lionessKey.fill(0)
  chacha20XorInto(lionessKey, key, ZERO_NONCE, lionessKey)
}

/** Adds a layer, in place: what a sender does for each hop, and what undoes a hop. */
export function addLayer(payload: Uint8Array, key: Uint8Array): void {
  expand(key)
  lionessEncryptInto(payload, lionessKey, payload)
  lionessKey.fill(0)
}

/** Removes a layer from `payload` into `out`: what every mix does, of requests and replies alike. */
export function removeLayerInto(out: Uint8Array, payload: Uint8Array, key: Uint8Array): void {
  expand(key)
  lionessDecryptInto(out, lionessKey, payload)
  lionessKey.fill(0)
}

/**
 * The plaintext behind the zero tag, a view; undefined unless the whole tag is zero. Constant time: a payload
 * that was touched anywhere is all random here, and nothing says how it differs.
 */
export function openTagged(payload: Uint8Array): Uint8Array | undefined {
  const intact = constantTimeEqual(payload.subarray(0, ZERO_TAG_BYTES), ZERO_TAG)
  return intact ? payload.subarray(ZERO_TAG_BYTES) : undefined
}
