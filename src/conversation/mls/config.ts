import {
  type Capabilities,
  type ClientConfig,
  defaultKeyPackageEqualityConfig,
  type PskIndex,
} from 'ts-mls'
import { equalBytes } from '../../base/index.ts'
import {
  MAILBOX_ROOT_EXTENSION,
  MAX_KEY_PACKAGE_LIFETIME_S,
  MAX_PSK_ID_BYTES,
  MLS_CIPHER_SUITE,
  PSK_SECRET_BYTES,
} from './constants.ts'
import { needBytes } from './reject.ts'

/** The one set of capabilities. Every leaf has exactly these, so they tell no implementation from another. */
export const CAPABILITIES: Capabilities = {
  versions: ['mls10'],
  ciphersuites: [MLS_CIPHER_SUITE],
  extensions: [MAILBOX_ROOT_EXTENSION],
  proposals: [],
  credentials: ['basic'],
}

/**
 * The library's options. It takes `retainKeysForEpochs: 0` to mean "keep every epoch" (`slice(-0)`), so the
 * adapter empties the history itself (state.ts); and it reads `Date.now` for lifetimes, so those are ours.
 */
export const CLIENT_CONFIG: ClientConfig = {
  keyRetentionConfig: {
    retainKeysForEpochs: 0,
    retainKeysForGenerations: 0,
    maximumForwardRatchetSteps: 0,
  },
  lifetimeConfig: {
    maximumTotalLifetime: BigInt(MAX_KEY_PACKAGE_LIFETIME_S),
    validateLifetimeOnReceive: false,
  },
  keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
  paddingConfig: { kind: 'alwaysPad', paddingLength: 0 },
  authService: {
    validateCredential: async (credential) => credential.credentialType === 'basic',
  },
}

/** An external PSK: an id of 1 to 64 bytes (public) and a secret of 32 bytes. */
export interface Psk {
  readonly id: Uint8Array
  readonly secret: Uint8Array
}

export function checkPsk(psk: Psk | undefined): void {
  if (psk === undefined) return
  needBytes('psk.id', psk.id, 1, MAX_PSK_ID_BYTES)
  needBytes('psk.secret', psk.secret, PSK_SECRET_BYTES, PSK_SECRET_BYTES)
}

/** Finds the given PSK and no other: no resumption PSKs. */
export function pskIndex(psk: Psk | undefined): PskIndex {
  return {
    findPsk: (id) =>
      psk !== undefined && id.psktype === 'external' && equalBytes(id.pskId, psk.id)
        ? psk.secret
        : undefined,
  }
}
