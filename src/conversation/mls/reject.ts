import { HearsayError } from '../../base/index.ts'

/** Why a message, a key package or a call was refused: `details.reason` of `mls-rejected`. SPEC §7. */
export const MLS_REASONS = [
  'too-large',
  'malformed',
  'wrong-message',
  'wrong-suite',
  'wrong-version',
  'foreign-group',
  'stale-epoch',
  'future-epoch',
  'not-a-commit',
  'not-owner',
  'external-sender',
  'unexpected-data',
  'no-path',
  'proposal-by-reference',
  'proposal-type',
  'proposal-target',
  'bad-signature',
  'bad-leaf',
  'bad-credential',
  'bad-lifetime',
  'expired',
  'not-yet-valid',
  'bad-extension',
  'bad-tree',
  'duplicate-key',
  'too-many-leaves',
  'last-member',
  'not-in-roster',
  'wrong-owner',
  'psk-missing',
  'psk-unexpected',
  'not-for-us',
  'undecryptable',
  'path-mismatch',
  'own-group',
  'already-exported',
  'bad-state',
  'replayed',
  'library',
] as const

export type MlsReason = (typeof MLS_REASONS)[number]

/** @throws HearsayError always: `mls-rejected` with the reason. */
export function reject(reason: MlsReason, cause?: unknown): never {
  throw new HearsayError('mls-rejected', 'the MLS message or call was refused', { reason }, cause)
}

export function requireThat(condition: boolean, reason: MlsReason): asserts condition {
  if (!condition) reject(reason)
}

/**
 * Runs `work` on input that others wrote. Whatever the library throws (it has seven classes, and WebCrypto
 * and RangeErrors beside them) leaves as `mls-rejected` with `reason`.
 */
export async function refusing<T>(reason: MlsReason, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof HearsayError) throw error
    return reject(reason, error)
  }
}

/** Checks an argument of the caller. @throws HearsayError `bug`: only our own code can get this wrong. */
export function needBytes(name: string, bytes: Uint8Array, min: number, max: number): void {
  if (!(bytes instanceof Uint8Array) || bytes.length < min || bytes.length > max) {
    throw new HearsayError('bug', 'an argument of the MLS adapter has the wrong length', {
      argument: name,
    })
  }
}
