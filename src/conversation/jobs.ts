import { equalBytes, HearsayError, type NetworkId, type Rng } from '../base/index.ts'
import { constantTimeEqual, signKeyPairFromSeed } from '../crypto/index.ts'
import { KEY_PACKAGE_LIFETIME_MS } from './constants.ts'
import type { HeldGroup, HeldKeyPackage } from './contact.ts'
import { createCredential, tryOpenCredential } from './credential.ts'
import { conversationId, invitationBinding, sendGroupId } from './identifiers.ts'
import type { Leaf, LeafIdentity, LeafSecrets, MlsAdapter, Psk } from './mls/index.ts'
import { encodeRecord } from './records.ts'
import { invitationPsk } from './rendezvous.ts'

/**
 * The conversation's public-key cryptography as jobs: plain data in, plain data out, nothing kept. They run in
 * a worker, begun by the slot timer; 20 to 70 ms each would otherwise be visible to a neighbour.
 */

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
  readonly now: number
}

export interface RefreshOutput {
  readonly ownGroup: HeldGroup
  readonly writeEpoch: NewWriteEpoch
  /** The commit, or the Welcome when the other side had offered a fresh KeyPackage. */
  readonly record: Uint8Array
  readonly kind: 'commit' | 'welcome'
  /** Our next KeyPackage for the other side's group. */
  readonly keyPackage: HeldKeyPackage
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

const refused = (reason: string) => new HearsayError('mls-rejected', 'key exchange refused', { reason })

function need(ok: boolean, reason: string): asserts ok {
  if (!ok) throw refused(reason)
}

export class ConversationJobs {
  readonly #mls: MlsAdapter
  readonly #rng: Rng

  constructor(ports: { mls: MlsAdapter; rng: Rng }) {
    this.#mls = ports.mls
    this.#rng = ports.rng
  }

  /** A fresh KeyPackage whose leaf the account vouches for. */
  async introduce(input: IntroduceInput): Promise<HeldKeyPackage> {
    const leaf = this.#leaf(input.self, input.context, input.mailboxRoot)
    const notBefore = Math.floor(input.now / 1000)
    const made = await this.#mls.generateKeyPackage({
      ...leaf,
      lifetime: { notBefore, notAfter: notBefore + KEY_PACKAGE_LIFETIME_MS / 1000 },
    })
    return { keyPackage: made.keyPackage, secret: made.secret, createdAt: input.now }
  }

  /** Inviter, on a whole claim: checks it, makes the own send group and the offer. */
  async acceptClaim(input: ClaimInput): Promise<ClaimOutput> {
    const { self, claim, inviterRoot } = input
    const binding = invitationBinding(self.networkId, inviterRoot)
    await this.#checkStranger(claim, binding, input.claimerRoot)
    const account = signKeyPairFromSeed(self.accountSeed)
    const keyPackage = await this.introduce({
      self,
      context: binding,
      mailboxRoot: inviterRoot,
      now: input.now,
    })
    const conversation = conversationId({
      networkId: self.networkId,
      inviterRoot,
      inviterAccount: account.publicKey,
      claimerAccount: claim.accountKey,
      inviterKeyPackage: keyPackage.keyPackage,
      claimerKeyPackage: claim.keyPackage,
    })
    const own = await this.#foundGroup(self, conversation, claim.keyPackage, input.inviteSecret)
    return {
      conversation,
      offer: encodeRecord({
        kind: 'offer',
        accountKey: account.publicKey,
        deviceId: self.deviceId,
        keyPackage: keyPackage.keyPackage,
        welcome: own.welcome,
      }),
      keyPackage,
      ownGroup: own.group,
      writeEpoch: own.writeEpoch,
      authenticator: own.authenticator,
    }
  }

  /** Claimer, on the offer: joins the inviter's group, makes the own one and the finish. */
  async acceptOffer(input: OfferInput): Promise<OfferOutput> {
    const { self, offer, inviterRoot } = input
    await this.#checkStranger(offer, invitationBinding(self.networkId, inviterRoot), inviterRoot)
    const conversation = conversationId({
      networkId: self.networkId,
      inviterRoot,
      inviterAccount: offer.accountKey,
      claimerAccount: signKeyPairFromSeed(self.accountSeed).publicKey,
      inviterKeyPackage: offer.keyPackage,
      claimerKeyPackage: input.keyPackage.keyPackage,
    })
    const peer = { conversation, accountKey: offer.accountKey, deviceId: offer.deviceId }
    const joined = await this.#join({
      self,
      peer,
      generation: 0,
      welcome: offer.welcome,
      keyPackage: input.keyPackage,
      psk: pskOf(input.inviteSecret, conversation),
    })
    const own = await this.#foundGroup(self, conversation, offer.keyPackage, input.inviteSecret)
    return {
      conversation,
      finish: encodeRecord({
        kind: 'finish',
        welcome: own.welcome,
        inviterGroup: joined.authenticator,
        claimerGroup: own.authenticator,
      }),
      ownGroup: own.group,
      writeEpoch: own.writeEpoch,
      peerGroup: joined.group,
      readEpoch: joined.readEpoch,
      inviterAuthenticator: joined.authenticator,
      claimerAuthenticator: own.authenticator,
    }
  }

  /** Inviter, on the finish: joins the claimer's group and compares both epoch authenticators. */
  async acceptFinish(input: FinishInput): Promise<FinishOutput> {
    const joined = await this.#join({
      self: input.self,
      peer: input.peer,
      generation: 0,
      welcome: input.finish.welcome,
      keyPackage: input.keyPackage,
      psk: pskOf(input.inviteSecret, input.peer.conversation),
    })
    need(constantTimeEqual(input.finish.inviterGroup, input.authenticator), 'authenticator')
    need(constantTimeEqual(input.finish.claimerGroup, joined.authenticator), 'authenticator')
    return {
      peerGroup: joined.group,
      readEpoch: joined.readEpoch,
      confirm: encodeRecord({
        kind: 'confirm',
        inviterGroup: input.authenticator,
        claimerGroup: joined.authenticator,
      }),
    }
  }

  /**
   * Owner: a new path, leaf key and mailbox root; with a fresh KeyPackage of the other side its leaf too, in
   * which case the Welcome says everything and the commit is not sent.
   */
  async refresh(input: RefreshJobInput): Promise<RefreshOutput> {
    const { self, peer, ownGroup } = input
    const rootSeed = this.#rng.bytes(32)
    const root = signKeyPairFromSeed(rootSeed).publicKey
    const newLeaf = this.#leaf(self, peer.conversation, root)
    const healed = await this.#mls.refresh({ state: ownGroup.state, newLeaf })
    let state = healed.state
    let record = encodeRecord({ kind: 'commit', commit: healed.commit })
    if (input.theirKeyPackage !== undefined) {
      await this.#checkLeafOf(peer, input.theirKeyPackage)
      const replaced = await this.#mls.replaceMember({
        state,
        leafIndex: 1,
        keyPackage: input.theirKeyPackage,
      })
      state = replaced.state
      need(replaced.welcome !== undefined, 'library')
      const welcome = replaced.welcome
      record = encodeRecord({ kind: 'welcome', generation: ownGroup.generation, welcome })
    }
    const out = await this.#mls.exportStream({ state })
    const tag = epochTag(ownGroup.generation, out.epoch)
    return {
      ownGroup: {
        generation: ownGroup.generation,
        epoch: out.epoch,
        state: out.state,
        writerRoot: root,
      },
      writeEpoch: { tag, streamSecret: out.streamSecret, rootSeed },
      record,
      kind: input.theirKeyPackage === undefined ? 'commit' : 'welcome',
      keyPackage: await this.introduce({
        self,
        context: peer.conversation,
        mailboxRoot: root,
        now: input.now,
      }),
    }
  }

  /** Member: follows the owner's commit; the owner's new leaf must be the same device of the same account. */
  async followCommit(input: FollowInput & { commit: Uint8Array }): Promise<FollowOutput> {
    const { peer, peerGroup } = input
    const preview = await this.#mls.readCommit({ state: peerGroup.state, commit: input.commit })
    need(preview.added.length === 0 && preview.removed.length === 0, 'membership')
    this.#checkLeaf(peer, preview.owner)
    const view = await this.#mls.inspect({ state: peerGroup.state })
    const own = view.leaves.find((leaf) => leaf.index === view.ownLeaf)
    need(own !== undefined, 'own-leaf')
    const done = await this.#mls.processCommit({
      state: peerGroup.state,
      commit: input.commit,
      expect: { ownerSignatureKey: preview.owner.signatureKey, roster: [preview.owner, own] },
    })
    need(done.kind === 'advanced', 'membership')
    return this.#entered(peerGroup.generation, done.state, preview.owner)
  }

  /** Member: joins again with the KeyPackage that it offered for this; the old state is discarded. */
  async followWelcome(
    input: FollowInput & { welcome: Uint8Array; generation: number; keyPackage: HeldKeyPackage },
  ): Promise<FollowOutput> {
    need(input.generation === input.peerGroup.generation, 'generation')
    const joined = await this.#join({ ...input, afterEpoch: input.peerGroup.epoch })
    return { peerGroup: joined.group, readEpoch: joined.readEpoch }
  }

  #leaf(self: Self, context: Uint8Array, mailboxRoot: Uint8Array): LeafSecrets {
    const signatureSeed = this.#rng.bytes(32)
    return {
      signatureSeed,
      mailboxRoot,
      credential: createCredential(signKeyPairFromSeed(self.accountSeed), {
        leafKey: signKeyPairFromSeed(signatureSeed).publicKey,
        mailboxRoot,
        deviceId: self.deviceId,
        conversation: context,
      }),
    }
  }

  async #foundGroup(
    self: Self,
    conversation: Uint8Array,
    member: Uint8Array,
    inviteSecret: Uint8Array,
  ) {
    const rootSeed = this.#rng.bytes(32)
    const root = signKeyPairFromSeed(rootSeed).publicKey
    const founded = await this.#mls.createSendGroup({
      groupId: sendGroupId(conversation, self.deviceId, 0),
      owner: this.#leaf(self, conversation, root),
    })
    const added = await this.#mls.addMembers({
      state: founded.state,
      keyPackages: [member],
      psk: pskOf(inviteSecret, conversation),
    })
    const out = await this.#mls.exportStream({ state: added.state })
    return {
      welcome: added.welcome,
      group: { generation: 0, epoch: out.epoch, state: out.state, writerRoot: root },
      writeEpoch: { tag: epochTag(0, out.epoch), streamSecret: out.streamSecret, rootSeed },
      authenticator: out.epochAuthenticator,
    }
  }

  async #join(input: {
    self: Self
    peer: Peer
    generation: number
    welcome: Uint8Array
    keyPackage: HeldKeyPackage
    psk?: Psk
    afterEpoch?: number
  }) {
    const { peer, welcome } = input
    const opening = { welcome, keyPackageSecret: input.keyPackage.secret, psk: input.psk }
    const preview = await this.#mls.readWelcome(opening)
    const owner = preview.leaves.find((leaf) => leaf.index === 0)
    const own = preview.leaves.find((leaf) => leaf.index === preview.ownLeaf)
    need(owner !== undefined && own !== undefined && preview.leaves.length === 2, 'membership')
    this.#checkLeaf(peer, owner)
    const offered = await this.#mls.readKeyPackage({ keyPackage: input.keyPackage.keyPackage })
    need(equalBytes(offered.leaf.signatureKey, own.signatureKey), 'own-leaf')
    const joined = await this.#mls.joinSendGroup({
      ...opening,
      expect: {
        groupId: sendGroupId(peer.conversation, peer.deviceId, input.generation),
        ownerSignatureKey: owner.signatureKey,
        roster: [owner, offered.leaf],
        ...(input.afterEpoch === undefined ? {} : { afterEpoch: input.afterEpoch }),
      },
    })
    const out = await this.#entered(input.generation, joined.state, owner)
    return { group: out.peerGroup, readEpoch: out.readEpoch, authenticator: out.authenticator }
  }

  async #entered(generation: number, state: Uint8Array, owner: LeafIdentity) {
    const out = await this.#mls.exportStream({ state })
    const root = owner.mailboxRoot
    return {
      peerGroup: { generation, epoch: out.epoch, state: out.state, writerRoot: root },
      readEpoch: { tag: epochTag(generation, out.epoch), streamSecret: out.streamSecret, root },
      authenticator: out.epochAuthenticator,
    }
  }

  async #checkStranger(stranger: Stranger, binding: Uint8Array, root: Uint8Array): Promise<void> {
    const { leaf } = await this.#mls.readKeyPackage({ keyPackage: stranger.keyPackage })
    need(equalBytes(leaf.mailboxRoot, root), 'mailbox-root')
    this.#checkLeaf({ ...stranger, conversation: binding }, leaf)
  }

  async #checkLeafOf(peer: Peer, keyPackage: Uint8Array): Promise<void> {
    this.#checkLeaf(peer, (await this.#mls.readKeyPackage({ keyPackage })).leaf)
  }

  /** The leaf belongs to that device of that account in that conversation. */
  #checkLeaf(peer: Peer, leaf: Leaf): void {
    const credential = tryOpenCredential(leaf.credential, {
      leafKey: leaf.signatureKey,
      mailboxRoot: leaf.mailboxRoot,
      conversation: peer.conversation,
    })
    need(credential !== undefined, 'credential')
    need(equalBytes(credential.accountKey, peer.accountKey), 'account')
    need(equalBytes(credential.deviceId, peer.deviceId), 'device')
  }
}

/** Names an epoch of a stream. */
export function epochTag(generation: number, epoch: number): string {
  return `${generation}.${epoch}`
}

function pskOf(inviteSecret: Uint8Array, conversation: Uint8Array): Psk {
  return { id: conversation, secret: invitationPsk(inviteSecret, conversation) }
}

/** The jobs as the engine sees them: in this process in tests, in a worker in the daemon. */
export type JobRunner = Pick<
  ConversationJobs,
  | 'introduce'
  | 'acceptClaim'
  | 'acceptOffer'
  | 'acceptFinish'
  | 'refresh'
  | 'followCommit'
  | 'followWelcome'
>
export type JobName = keyof JobRunner
