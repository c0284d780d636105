import type { NetworkId } from '../base/index.ts'
import type { HeldGroup, HeldKeyPackage } from './contact.ts'

/** What goes into the jobs and comes out of them: plain data that `postMessage` can clone. */

/** Who we are in one conversation. SECRET. */
export interface Self {
  readonly networkId: NetworkId
  readonly accountSeed: Uint8Array
  readonly deviceId: Uint8Array
}

/** Who introduces themselves in a claim or an offer. */
export interface Stranger {
  readonly accountKey: Uint8Array
  readonly deviceId: Uint8Array
  readonly keyPackage: Uint8Array
}

/** The other side, known. */
export interface Peer {
  readonly conversation: Uint8Array
  readonly accountKey: Uint8Array
  readonly deviceId: Uint8Array
}

/** A stream epoch that a job made or entered. SECRET. */
export interface NewEpoch {
  readonly tag: string
  readonly streamSecret: Uint8Array
}
export interface NewWriteEpoch extends NewEpoch {
  readonly rootSeed: Uint8Array
}
export interface NewReadEpoch extends NewEpoch {
  readonly root: Uint8Array
}

export interface IntroduceInput {
  readonly self: Self
  /** Invitation binding or conversation id. */
  readonly context: Uint8Array
  readonly mailboxRoot: Uint8Array
  readonly now: number
}

export interface ClaimInput {
  readonly self: Self
  readonly inviteSecret: Uint8Array
  readonly inviterRoot: Uint8Array
  readonly claimerRoot: Uint8Array
  readonly claim: Stranger
  readonly now: number
}

export interface ClaimOutput {
  readonly conversation: Uint8Array
  readonly offer: Uint8Array
  readonly keyPackage: HeldKeyPackage
  readonly ownGroup: HeldGroup
  readonly writeEpoch: NewWriteEpoch
  readonly authenticator: Uint8Array
}

export interface OfferInput {
  readonly self: Self
  readonly inviteSecret: Uint8Array
  readonly inviterRoot: Uint8Array
  readonly keyPackage: HeldKeyPackage
  readonly offer: Stranger & { readonly welcome: Uint8Array }
}

export interface OfferOutput {
  readonly conversation: Uint8Array
  readonly finish: Uint8Array
  readonly ownGroup: HeldGroup
  readonly writeEpoch: NewWriteEpoch
  readonly peerGroup: HeldGroup
  readonly readEpoch: NewReadEpoch
  readonly inviterAuthenticator: Uint8Array
  readonly claimerAuthenticator: Uint8Array
}

export interface FinishInput {
  readonly self: Self
  readonly peer: Peer
  readonly inviteSecret: Uint8Array
  readonly keyPackage: HeldKeyPackage
  readonly authenticator: Uint8Array
  readonly finish: {
    readonly welcome: Uint8Array
    readonly inviterGroup: Uint8Array
    readonly claimerGroup: Uint8Array
  }
}

export interface FinishOutput {
  readonly peerGroup: HeldGroup
  readonly readEpoch: NewReadEpoch
  readonly confirm: Uint8Array
}

export interface RefreshJobInput {
  readonly self: Self
  readonly peer: Peer
  readonly ownGroup: HeldGroup
  readonly theirKeyPackage: Uint8Array | undefined
  /** Whether to make a fresh KeyPackage for the other side's group. */
  readonly offersKeyPackage: boolean
  readonly now: number
}

export interface RefreshOutput {
  readonly ownGroup: HeldGroup
  readonly writeEpoch: NewWriteEpoch
  /** The commit, or the Welcome when the other side had offered a fresh KeyPackage. */
  readonly record: Uint8Array
  readonly kind: 'commit' | 'welcome'
  /** Our next KeyPackage for the other side's group. */
  readonly keyPackage: HeldKeyPackage | undefined
}

export interface FollowInput {
  readonly self: Self
  readonly peer: Peer
  readonly peerGroup: HeldGroup
}

export interface FollowOutput {
  readonly peerGroup: HeldGroup
  readonly readEpoch: NewReadEpoch
}

export interface FollowWelcomeInput extends FollowInput {
  readonly welcome: Uint8Array
  readonly generation: number
  /** Ours that the Welcome may answer. */
  readonly keyPackages: readonly HeldKeyPackage[]
}

export interface FollowWelcomeOutput extends FollowOutput {
  /** Index of the KeyPackage that it answered. */
  readonly used: number
}
