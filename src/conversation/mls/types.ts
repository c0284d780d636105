import type { Psk } from './config.ts'
import type { LeafSecrets, Lifetime } from './key-package.ts'
import type { ExpectedMembers, Leaf } from './leaf.ts'

/**
 * Inputs and results of the adapter: plain objects of bytes, numbers and strings that `postMessage` can
 * clone. SECRET marks what must rest on the secret shelf and be overwritten after use.
 */

export interface GenerateKeyPackageInput extends LeafSecrets {
  readonly lifetime: Lifetime
}

export interface KeyPackageView {
  readonly leaf: Leaf
  readonly keyPackageRef: Uint8Array
  readonly lifetime: Lifetime
}

export interface CreateSendGroupInput {
  /** 32 bytes: H(conversation id, writer device, generation). */
  readonly groupId: Uint8Array
  readonly owner: LeafSecrets
}

export interface AddMembersInput {
  /** SECRET. */
  readonly state: Uint8Array
  readonly keyPackages: readonly Uint8Array[]
  /** SECRET. Needed by the new members for the Welcome and by all others for the commit. */
  readonly psk?: Psk | undefined
}

export interface RefreshInput {
  /** SECRET. */
  readonly state: Uint8Array
  /** SECRET. */
  readonly newLeaf?: LeafSecrets | undefined
}

export interface ReplaceMemberInput {
  /** SECRET. */
  readonly state: Uint8Array
  readonly leafIndex: number
  readonly keyPackage: Uint8Array
  /** SECRET. */
  readonly psk?: Psk | undefined
}

export interface RemoveMemberInput {
  /** SECRET. */
  readonly state: Uint8Array
  readonly leafIndex: number
}

export interface Committed {
  /** SECRET. Takes the place of the old state. */
  readonly state: Uint8Array
  /** For all members of the old epoch. */
  readonly commit: Uint8Array
  /** For the added members. */
  readonly welcome?: Uint8Array | undefined
  /** The leaves of the new epoch. */
  readonly leaves: readonly Leaf[]
}

export interface CommittedWithWelcome extends Committed {
  readonly welcome: Uint8Array
}

export interface ReadWelcomeInput {
  readonly welcome: Uint8Array
  /** SECRET. */
  readonly keyPackageSecret: Uint8Array
  /** SECRET. */
  readonly psk?: Psk | undefined
}

export interface WelcomePreview {
  readonly groupId: Uint8Array
  readonly epoch: number
  readonly leaves: readonly Leaf[]
  readonly ownLeaf: number
  readonly keyPackageRef: Uint8Array
}

export interface JoinInput extends ReadWelcomeInput {
  readonly expect: ExpectedMembers & {
    readonly groupId: Uint8Array
    /** The last epoch that this device knows of the group, when it joins again after a refresh. */
    readonly afterEpoch?: number | undefined
  }
}

export interface Joined {
  /** SECRET. */
  readonly state: Uint8Array
  readonly epoch: number
  readonly leaves: readonly Leaf[]
  readonly ownLeaf: number
  readonly keyPackageRef: Uint8Array
  /** `group id 32 | key package ref 64`: accepted once, see `OnceRegister`. */
  readonly welcomeId: Uint8Array
}

export interface CommitPreview {
  /** The epoch that the commit makes. */
  readonly epoch: number
  /** Leaf 0 as it will be. */
  readonly owner: Leaf
  /** The added leaves; their index is not known yet (-1). */
  readonly added: readonly Leaf[]
  readonly removed: readonly number[]
  readonly removesSelf: boolean
  /** Id of the PSK that `processCommit` needs. */
  readonly pskId?: Uint8Array
}

export interface ProcessCommitInput {
  /** SECRET. */
  readonly state: Uint8Array
  readonly commit: Uint8Array
  /** SECRET. */
  readonly psk?: Psk | undefined
  readonly expect: ExpectedMembers
}

export type ProcessedCommit =
  | {
      readonly kind: 'advanced'
      readonly epoch: number
      /** SECRET. Takes the place of the old state. */
      readonly state: Uint8Array
      readonly leaves: readonly Leaf[]
    }
  | { readonly kind: 'removed'; readonly epoch: number }

export interface ExportedStream {
  /** SECRET. Takes the place of the old state. */
  readonly state: Uint8Array
  /** SECRET. 32 bytes: the first chain key of the stream in this epoch. */
  readonly streamSecret: Uint8Array
  /** 64 bytes, equal for all members of the epoch. Safe to exchange. */
  readonly epochAuthenticator: Uint8Array
  readonly epoch: number
}

export interface GroupView {
  readonly groupId: Uint8Array
  readonly epoch: number
  readonly ownLeaf: number
  readonly exported: boolean
  readonly epochAuthenticator: Uint8Array
  readonly leaves: readonly Leaf[]
}
