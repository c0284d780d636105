import { AEAD_NONCE_BYTES, chacha20XorInto, KEY_BYTES, rawBlake2b } from '../crypto/index.ts'
import { HEADER_KEYS_BYTES, MAC_BYTES, REPLAY_TAG_BYTES } from './constants.ts'
import type { Geometry } from './geometry.ts'

// A header key is used for one header.
const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)

let space = new Uint8Array(0)

/**
 * Zeros for the keys of a header and a routing block that has grown by a slot. Shared: valid until the next
 * call, and whoever took it fills it with zeros again.
 */
export function headerSpace({ blockBytes, slotBytes }: Geometry): Uint8Array {
  const length = HEADER_KEYS_BYTES + blockBytes + slotBytes
  if (space.length < length) space = new Uint8Array(length)
  return space.subarray(0, length)
}

/**
 * XORs the key stream of a header key over `work`: 64 zeros, then a routing block or its beginning. The zeros
 * become MAC key 32 | replay tag 16 | unused 16, as RFC 8439 takes the key of Poly1305 from block 0.
 */
export function xorHeaderStream(work: Uint8Array, key: Uint8Array): void {
  chacha20XorInto(work, key, ZERO_NONCE, work)
}

/** The MAC of the beginning of `packet`, over version, suite, share and block; `work` after its stream. */
export function headerMac(geometry: Geometry, packet: Uint8Array, work: Uint8Array): Uint8Array {
  const covered = packet.subarray(0, geometry.headerBytes - MAC_BYTES)
  return rawBlake2b(MAC_BYTES, covered, work.subarray(0, KEY_BYTES))
}

/** A copy of the replay tag; `work` after its stream. */
export function replayTagOf(work: Uint8Array): Uint8Array {
  return work.slice(KEY_BYTES, KEY_BYTES + REPLAY_TAG_BYTES)
}
