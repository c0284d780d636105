import { type NetworkId, systemRng } from '../../src/base/index.ts'
import type { JobRunner } from '../../src/conversation/index.ts'
import type { HeldGroup } from '../../src/conversation/contact.ts'
import { invitationBinding } from '../../src/conversation/identifiers.ts'
import type { Peer, Self } from '../../src/conversation/job-types.ts'
import { tryDecodeRecord } from '../../src/conversation/records.ts'
import { signKeyPairFromSeed } from '../../src/crypto/index.ts'

interface Side {
  readonly self: Self
  readonly accountKey: Uint8Array
}

/** The key exchange of two strangers, and then one commit after another: the jobs of a much used conversation. */
export class Commits {
  readonly #jobs: JobRunner
  readonly #writer: Side
  readonly #reader: Side
  readonly #conversation: Uint8Array
  #own: HeldGroup
  #followed: HeldGroup

  private constructor(
    jobs: JobRunner,
    sides: { writer: Side; reader: Side; conversation: Uint8Array },
    groups: { own: HeldGroup; followed: HeldGroup },
  ) {
    this.#jobs = jobs
    this.#writer = sides.writer
    this.#reader = sides.reader
    this.#conversation = sides.conversation
    this.#own = groups.own
    this.#followed = groups.followed
  }

  static async between(jobs: JobRunner, networkId: NetworkId): Promise<Commits> {
    const [writer, reader] = [someSide(networkId), someSide(networkId)]
    const [inviterRoot, claimerRoot] = [someRoot(), someRoot()]
    const inviteSecret = systemRng.bytes(32)
    const now = Date.now()
    const keyPackage = await jobs.introduce({
      self: reader.self,
      context: invitationBinding(networkId, inviterRoot),
      mailboxRoot: claimerRoot,
      now,
    })
    const claim = {
      accountKey: reader.accountKey,
      deviceId: reader.self.deviceId,
      keyPackage: keyPackage.keyPackage,
    }
    const shared = { inviteSecret, inviterRoot }
    const claimed = await jobs.acceptClaim({
      ...shared,
      self: writer.self,
      claimerRoot,
      claim,
      now,
    })
    const offer = tryDecodeRecord(claimed.offer)
    if (offer?.kind !== 'offer') throw new Error('no offer')
    const joined = await jobs.acceptOffer({ ...shared, self: reader.self, keyPackage, offer })
    return new Commits(
      jobs,
      { writer, reader, conversation: claimed.conversation },
      { own: claimed.ownGroup, followed: joined.peerGroup },
    )
  }

  /** One side refreshes its keys, the other follows: two jobs. */
  async next(): Promise<void> {
    const made = await this.#jobs.refresh({
      self: this.#writer.self,
      peer: this.#peer(this.#reader),
      ownGroup: this.#own,
      theirKeyPackage: undefined,
      offersKeyPackage: true,
      now: Date.now(),
    })
    const record = tryDecodeRecord(made.record)
    if (record?.kind !== 'commit') throw new Error('no commit')
    const { peerGroup } = await this.#jobs.followCommit({
      self: this.#reader.self,
      peer: this.#peer(this.#writer),
      peerGroup: this.#followed,
      commit: record.commit,
    })
    this.#own = made.ownGroup
    this.#followed = peerGroup
  }

  #peer({ self, accountKey }: Side): Peer {
    return { conversation: this.#conversation, accountKey, deviceId: self.deviceId }
  }
}

function someSide(networkId: NetworkId): Side {
  const accountSeed = systemRng.bytes(32)
  const { publicKey: accountKey } = signKeyPairFromSeed(accountSeed)
  return { self: { networkId, accountSeed, deviceId: systemRng.bytes(16) }, accountKey }
}

const someRoot = (): Uint8Array => signKeyPairFromSeed(systemRng.bytes(32)).publicKey
