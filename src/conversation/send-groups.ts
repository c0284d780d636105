import { equalBytes, HearsayError, type Rng } from '../base/index.ts'
import { signKeyPairFromSeed, wipe } from '../crypto/index.ts'
import type { HeldGroup, HeldKeyPackage } from './contact.ts'
import { createCredential, tryOpenCredential } from './credential.ts'
import { epochTag } from './epoch-tag.ts'
import { sendGroupId } from './identifiers.ts'
import type { NewReadEpoch, NewWriteEpoch, Peer, Self, Stranger } from './job-types.ts'
import type { Leaf, LeafIdentity, LeafSecrets, MlsAdapter, Psk } from './mls/index.ts'
import { invitationPsk } from './rendezvous.ts'

export interface SendGroupsPorts {
  readonly mls: MlsAdapter
  readonly rng: Rng
}

export interface FoundedGroup {
  readonly welcome: Uint8Array
  readonly group: HeldGroup
  readonly writeEpoch: NewWriteEpoch
  readonly authenticator: Uint8Array
}

export interface JoinedGroup {
  readonly group: HeldGroup
  readonly readEpoch: NewReadEpoch
  readonly authenticator: Uint8Array
}

export interface WelcomeInput {
  readonly peer: Peer
  readonly generation: number
  readonly welcome: Uint8Array
  readonly keyPackage: HeldKeyPackage
  readonly psk?: Psk
  readonly afterEpoch?: number
}

/** @throws HearsayError `mls-rejected` with the reason unless `ok`. */
export function need(ok: boolean, reason: string): asserts ok {
  if (!ok) throw new HearsayError('mls-rejected', 'key exchange refused', { reason })
}

/** The PSK of both send groups: it proves that whoever made or entered them held the invitation. */
export function pskOf(inviteSecret: Uint8Array, conversation: Uint8Array): Psk {
  return { id: conversation, secret: invitationPsk(inviteSecret, conversation) }
}

/**
 * Send groups of two devices whose leaves are vouched for by the account keys of the conversation: what MLS
 * leaves to the application. Every leaf that enters a group here has passed `#checkLeaf`.
 */
export class SendGroups {
  readonly #mls: MlsAdapter
  readonly #rng: Rng

  constructor(ports: SendGroupsPorts) {
    this.#mls = ports.mls
    this.#rng = ports.rng
  }

  /** A fresh leaf of ours in `context`, signed by our account key. SECRET. */
  leaf(self: Self, context: Uint8Array, mailboxRoot: Uint8Array): LeafSecrets {
    const signatureSeed = this.#rng.bytes(32)
    const account = signKeyPairFromSeed(self.accountSeed)
    const credential = createCredential(account, {
      leafKey: signKeyPairFromSeed(signatureSeed).publicKey,
      mailboxRoot,
      deviceId: self.deviceId,
      conversation: context,
    })
    wipe(account.secretKey)
    return { signatureSeed, mailboxRoot, credential }
  }

  /** A group of ours with the device of `keyPackage` in it, which the caller has checked. */
  async found(
    self: Self,
    conversation: Uint8Array,
    keyPackage: Uint8Array,
    inviteSecret: Uint8Array,
  ): Promise<FoundedGroup> {
    const rootSeed = this.#rng.bytes(32)
    const root = signKeyPairFromSeed(rootSeed).publicKey
    const founded = await this.#mls.createSendGroup({
      groupId: sendGroupId(conversation, self.deviceId, 0),
      owner: this.leaf(self, conversation, root),
    })
    const added = await this.#mls.addMembers({
      state: founded.state,
      keyPackages: [keyPackage],
      psk: pskOf(inviteSecret, conversation),
    })
    const out = await this.#mls.exportStream({ state: added.state })
    wipe(founded.state, added.state)
    return {
      welcome: added.welcome,
      group: { generation: 0, epoch: out.epoch, state: out.state, writerRoot: root },
      writeEpoch: { tag: epochTag(0, out.epoch), streamSecret: out.streamSecret, rootSeed },
      authenticator: out.epochAuthenticator,
    }
  }

  /** Joins the group of `peer`: owner and own leaf, nobody else, in the right group and a later epoch. */
  async join(input: WelcomeInput): Promise<JoinedGroup> {
    const { peer, welcome, keyPackage, generation, psk, afterEpoch } = input
    const opening = { welcome, keyPackageSecret: keyPackage.secret, psk }
    const preview = await this.#mls.readWelcome(opening)
    const owner = preview.leaves.find((leaf) => leaf.index === 0)
    const own = preview.leaves.find((leaf) => leaf.index === preview.ownLeaf)
    need(owner !== undefined && own !== undefined && preview.leaves.length === 2, 'membership')
    this.#checkLeaf(peer, owner)
    const joined = await this.#mls.joinSendGroup({
      ...opening,
      expect: {
        groupId: sendGroupId(peer.conversation, peer.deviceId, generation),
        ownerSignatureKey: owner.signatureKey,
        roster: [owner, own],
        ...(afterEpoch === undefined ? {} : { afterEpoch }),
      },
    })
    return this.enter(generation, joined.state, owner)
  }

  /** The stream of an epoch that was just entered; its secret leaves the state here. */
  async enter(generation: number, state: Uint8Array, owner: LeafIdentity): Promise<JoinedGroup> {
    const out = await this.#mls.exportStream({ state })
    wipe(state)
    const root = owner.mailboxRoot
    return {
      group: { generation, epoch: out.epoch, state: out.state, writerRoot: root },
      readEpoch: { tag: epochTag(generation, out.epoch), streamSecret: out.streamSecret, root },
      authenticator: out.epochAuthenticator,
    }
  }

  /** The owner's next commit changes nothing but the owner's leaf, and that is still the same device. */
  async follow(peer: Peer, group: HeldGroup, commit: Uint8Array): Promise<JoinedGroup> {
    const preview = await this.#mls.readCommit({ state: group.state, commit })
    need(preview.added.length === 0 && preview.removed.length === 0, 'membership')
    this.#checkLeaf(peer, preview.owner)
    const view = await this.#mls.inspect({ state: group.state })
    const own = view.leaves.find((leaf) => leaf.index === view.ownLeaf)
    need(own !== undefined, 'own-leaf')
    const done = await this.#mls.processCommit({
      state: group.state,
      commit,
      expect: { ownerSignatureKey: preview.owner.signatureKey, roster: [preview.owner, own] },
    })
    need(done.kind === 'advanced', 'membership')
    return this.enter(group.generation, done.state, preview.owner)
  }

  /** A KeyPackage of somebody who is met here: its leaf stands at `root`, signed for the invitation. */
  async checkStranger(stranger: Stranger, binding: Uint8Array, root: Uint8Array): Promise<void> {
    const { leaf } = await this.#mls.readKeyPackage({ keyPackage: stranger.keyPackage })
    need(equalBytes(leaf.mailboxRoot, root), 'mailbox-root')
    this.#checkLeaf({ ...stranger, conversation: binding }, leaf)
  }

  /** A KeyPackage of the peer. */
  async checkKeyPackage(peer: Peer, keyPackage: Uint8Array): Promise<void> {
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
