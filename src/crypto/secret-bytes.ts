import type { Rng } from '../base/index.ts'
import sodium from 'sodium-native'
import { KEY_BYTES } from './constants.ts'

/** A fresh uniform key, 32 bytes. */
export function randomKey(rng: Rng): Uint8Array {
  return rng.bytes(KEY_BYTES)
}

/** Equality in time that depends on the lengths only. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && sodium.sodium_memcmp(a, b)
}

/** Overwrites the bytes with zeros. Copies that the runtime made are out of reach. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0)
}
