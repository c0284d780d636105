import type { KemKeyPair } from '../crypto/index.ts'
import { type MixSuite, SUITES } from './suites.ts'

/** A mix's key pair of one key epoch. The secret half stays behind `decapsulate`. */
export interface MixKeyPair extends KemKeyPair {
  readonly suite: MixSuite
}

/**
 * The mix key pair of a 32-byte seed, always the same. `wipe` erases the working copy; the seed is the
 * caller's to erase. @throws HearsayError `bad-length`.
 */
export function mixKeyPair(suite: MixSuite, seed: Uint8Array): MixKeyPair {
  return { suite, ...SUITES[suite].kem.keyPair(seed) }
}
