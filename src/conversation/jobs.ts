import { HearsayError, isHearsayError } from '../base/index.ts'
import { constantTimeEqual, signKeyPairFromSeed, wipe } from '../crypto/index.ts'
import { KEY_PACKAGE_LIFETIME_MS } from './constants.ts'
import type { HeldKeyPackage } from './contact.ts'
import { epochTag } from './epoch-tag.ts'
import { conversationId, invitationBinding } from './identifiers.ts'
import type {
  ClaimInput,
  ClaimOutput,
  FinishInput,
  FinishOutput,
  FollowInput,
  FollowOutput,
  FollowWelcomeInput,
  FollowWelcomeOutput,
  IntroduceInput,
  OfferInput,
  OfferOutput,
  RefreshJobInput,
  RefreshOutput,
} from './job-types.ts'
import type { MlsAdapter } from './mls/index.ts'
import { encodeRecord } from './records.ts'
import { need, pskOf, SendGroups, type SendGroupsPorts } from './send-groups.ts'

/**
 * The conversation's public-key cryptography as jobs: plain data in, plain data out, nothing kept. They run in
 * a worker, begun by the slot timer; 20 to 70 ms each would otherwise be visible to a neighbour. Whatever the
 * other side can cause is `mls-rejected`.
 */
export class ConversationJobs {
  readonly #mls: MlsAdapter
  readonly #groups: SendGroups
  readonly #rng: SendGroupsPorts['rng']

  constructor(ports: SendGroupsPorts) {
    this.#mls = ports.mls
    this.#rng = ports.rng
    this.#groups = new SendGroups(ports)
  }

  /** A fresh KeyPackage whose leaf the account vouches for. */
  async introduce(input: IntroduceInput): Promise<HeldKeyPackage> {
    const leaf = this.#groups.leaf(input.self, input.context, input.mailboxRoot)
    const notBefore = Math.floor(input.now / 1000)
    const made = await this.#mls.generateKeyPackage({
      ...leaf,
      lifetime: { notBefore, notAfter: notBefore + KEY_PACKAGE_LIFETIME_MS / 1000 },
    })
    wipe(leaf.signatureSeed)
    return { keyPackage: made.keyPackage, secret: made.secret, createdAt: input.now }
  }

  /** Inviter, on a whole claim: checks it, makes the own send group and the offer. */
  async acceptClaim(input: ClaimInput): Promise<ClaimOutput> {
    const { self, claim, inviterRoot } = input
    const binding = invitationBinding(self.networkId, inviterRoot)
    await this.#groups.checkStranger(claim, binding, input.claimerRoot)
    const accountKey = signKeyPairFromSeed(self.accountSeed).publicKey
    const introduction = { self, context: binding, mailboxRoot: inviterRoot, now: input.now }
    const keyPackage = await this.introduce(introduction)
    const conversation = conversationId({
      networkId: self.networkId,
      inviterRoot,
      inviterAccount: accountKey,
      claimerAccount: claim.accountKey,
      inviterKeyPackage: keyPackage.keyPackage,
      claimerKeyPackage: claim.keyPackage,
    })
    const { keyPackage: member } = claim
    const own = await this.#groups.found(self, conversation, member, input.inviteSecret)
    return {
      conversation,
      offer: encodeRecord({
        kind: 'offer',
        accountKey,
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
    const { self, offer, inviterRoot, inviteSecret } = input
    const binding = invitationBinding(self.networkId, inviterRoot)
    await this.#groups.checkStranger(offer, binding, inviterRoot)
    const conversation = conversationId({
      networkId: self.networkId,
      inviterRoot,
      inviterAccount: offer.accountKey,
      claimerAccount: signKeyPairFromSeed(self.accountSeed).publicKey,
      inviterKeyPackage: offer.keyPackage,
      claimerKeyPackage: input.keyPackage.keyPackage,
    })
    const joined = await this.#groups.join({
      peer: { conversation, accountKey: offer.accountKey, deviceId: offer.deviceId },
      generation: 0,
      welcome: offer.welcome,
      keyPackage: input.keyPackage,
      psk: pskOf(inviteSecret, conversation),
    })
    const own = await this.#groups.found(self, conversation, offer.keyPackage, inviteSecret)
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
    const { peer, finish, keyPackage } = input
    const psk = pskOf(input.inviteSecret, peer.conversation)
    const { welcome } = finish
    const joined = await this.#groups.join({ peer, generation: 0, welcome, keyPackage, psk })
    need(constantTimeEqual(finish.inviterGroup, input.authenticator), 'authenticator')
    need(constantTimeEqual(finish.claimerGroup, joined.authenticator), 'authenticator')
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
   * which case the Welcome says everything and the commit is not sent. A KeyPackage that does not hold is
   * left out: a contact cannot stop our healing with a bad one.
   */
  async refresh(input: RefreshJobInput): Promise<RefreshOutput> {
    const { self, peer, ownGroup } = input
    const { generation } = ownGroup
    const rootSeed = this.#rng.bytes(32)
    const root = signKeyPairFromSeed(rootSeed).publicKey
    const newLeaf = this.#groups.leaf(self, peer.conversation, root)
    const healed = await this.#mls.refresh({ state: ownGroup.state, newLeaf })
    wipe(newLeaf.signatureSeed)
    const replaced = await this.#replacePeer(input, healed.state)
    const out = await this.#mls.exportStream({ state: replaced?.state ?? healed.state })
    const { welcome } = replaced ?? {}
    const record =
      welcome === undefined
        ? encodeRecord({ kind: 'commit', commit: healed.commit })
        : encodeRecord({ kind: 'welcome', generation, welcome })
    const offer = { self, context: peer.conversation, mailboxRoot: root, now: input.now }
    return {
      ownGroup: { generation, epoch: out.epoch, state: out.state, writerRoot: root },
      writeEpoch: {
        tag: epochTag(generation, out.epoch),
        streamSecret: out.streamSecret,
        rootSeed,
      },
      record,
      kind: welcome === undefined ? 'commit' : 'welcome',
      keyPackage: input.offersKeyPackage ? await this.introduce(offer) : undefined,
    }
  }

  async #replacePeer(input: RefreshJobInput, state: Uint8Array) {
    const { peer, theirKeyPackage } = input
    if (theirKeyPackage === undefined) return undefined
    try {
      await this.#groups.checkKeyPackage(peer, theirKeyPackage)
      const keyPackage = theirKeyPackage
      return await this.#mls.replaceMember({ state, leafIndex: 1, keyPackage })
    } catch (error) {
      if (isHearsayError(error, 'mls-rejected')) return undefined
      throw error
    }
  }

  /** Member: follows the owner's commit; the owner's new leaf must be the same device of the same account. */
  async followCommit(input: FollowInput & { commit: Uint8Array }): Promise<FollowOutput> {
    const next = await this.#groups.follow(input.peer, input.peerGroup, input.commit)
    return { peerGroup: next.group, readEpoch: next.readEpoch }
  }

  /** Member: joins again with the KeyPackage that the Welcome answers; the old state is discarded. */
  async followWelcome(input: FollowWelcomeInput): Promise<FollowWelcomeOutput> {
    const { peer, peerGroup, generation, welcome } = input
    need(generation === peerGroup.generation, 'generation')
    const afterEpoch = peerGroup.epoch
    for (const [used, keyPackage] of input.keyPackages.entries()) {
      try {
        const opening = { peer, generation, welcome, keyPackage, afterEpoch }
        const joined = await this.#groups.join(opening)
        return { peerGroup: joined.group, readEpoch: joined.readEpoch, used }
      } catch (error) {
        if (!isForAnotherKeyPackage(error)) throw error
      }
    }
    throw new HearsayError('mls-rejected', 'key exchange refused', { reason: 'not-for-us' })
  }
}

function isForAnotherKeyPackage(error: unknown): boolean {
  return isHearsayError(error, 'mls-rejected') && error.details['reason'] === 'not-for-us'
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
