import { equalBytes, fromHex, HearsayError, toHex } from '../base/index.ts'
import { constantTimeEqual, isValidPoint, signKeyPairFromSeed } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { CLAIMS_MAX } from './constants.ts'
import { type Contact, dropKeyPackages, hasEnded, replaceGroup } from './contact.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import { contactEvent } from './events.ts'
import { invitationBinding } from './identifiers.ts'
import type { Ledger } from './ledger.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Outbox } from './outbox.ts'
import { peerOf, safetyNumberOf, selfOf } from './parties.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import { StreamReader } from './reader.ts'
import { encodeRecord, type RecordOf } from './records.ts'
import { claimerPlace, claimHash, inviterPlace } from './rendezvous.ts'
import { enterEpoch, writeEpochOf } from './stream-epochs.ts'
import type { Watch } from './watch.ts'

export interface ExchangePorts extends Pick<ConversationPorts, 'clock' | 'store' | 'jobs'> {
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly lifecycle: Lifecycle
  readonly watch: Watch
}

/**
 * The key exchange of two strangers who share an invitation (SPEC §4): claim, offer, finish, confirm. Each
 * step is one batch: keys, streams, records to send and the event land together or not at all. A contact that
 * ended while a job ran stays as it is.
 */
export class Exchange {
  readonly #ports: ExchangePorts
  readonly #options: ConversationOptions

  constructor(ports: ExchangePorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Inviter: a claim box was opened. The first whole claim will win, not the first box. */
  announced(batch: Batch, contact: Contact, payload: Uint8Array): void {
    const root = payload.slice(0, 32)
    const { inviteSecret, wonBy } = contact.keys
    const { clock, watch } = this.#ports
    if (inviteSecret === undefined || clock.now() >= contact.card.inviteExpiresAt) return
    if (!isValidPoint(root)) return
    if (wonBy !== undefined) {
      if (!equalBytes(wonBy, claimHash(root))) contact.verdictDue = true
      return
    }
    const claimer = toHex(root)
    if (contact.claims.has(claimer) || contact.claims.size >= CLAIMS_MAX) return
    const reader = new StreamReader(this.#options)
    const place = claimerPlace(this.#options.networkId, inviteSecret, root)
    reader.open(RENDEZVOUS_TAG, root, place.chain)
    contact.claims.set(claimer, reader)
    watch.widen(contact)
    if (contact.card.phase === 'waiting') {
      contact.card.phase = 'exchanging'
      contact.card.boxesDone = 1
    }
    contactEvent(batch, contact, 'contact.exchanging')
  }

  /** Gives up a claim that is no claim; the invitation stays open for others. */
  dropClaim(contact: Contact, claimer: string): void {
    const reader = contact.claims.get(claimer)
    if (reader === undefined) return
    this.#ports.watch.removeEntries(reader.watched())
    reader.clear()
    contact.claims.delete(claimer)
  }

  /** Claimer: the inviter said whose claim won. */
  judged(batch: Batch, contact: Contact, payload: Uint8Array): void {
    const seed = contact.keys.rendezvousSeed
    if (seed === undefined || contact.card.role !== 'claimer') return
    const own = claimHash(signKeyPairFromSeed(seed).publicKey)
    if (constantTimeEqual(own, payload.subarray(0, own.length))) return
    this.#ports.lifecycle.fail(batch, contact, 'already used')
  }

  /** Claimer, first slot: makes the KeyPackage and queues the claim. */
  async introduce(contact: Contact): Promise<void> {
    const { clock, jobs, store, outbox, ledger } = this.#ports
    const { keys } = contact
    if (keys.rendezvousSeed === undefined) return
    const self = selfOf(contact, this.#options.networkId)
    const keyPackage = await jobs.introduce({
      self,
      context: invitationBinding(this.#options.networkId, keys.inviterRoot),
      mailboxRoot: signKeyPairFromSeed(keys.rendezvousSeed).publicKey,
      now: clock.now(),
    })
    if (hasEnded(contact)) return
    const batch = store.batch()
    keys.keyPackages = [keyPackage]
    const accountKey = signKeyPairFromSeed(self.accountSeed).publicKey
    const { deviceId } = keys
    const claim = { accountKey, deviceId, keyPackage: keyPackage.keyPackage }
    outbox.enqueue(batch, contact, 'claim', encodeRecord({ kind: 'claim', ...claim }))
    ledger.saveAll(batch, contact)
    await batch.commit()
  }

  /** Inviter: a claim is whole. The first one to get here wins the invitation. */
  async onClaim(contact: Contact, claimer: string, record: RecordOf<'claim'>): Promise<void> {
    const { outbox, watch, ledger, store, clock, jobs } = this.#ports
    const { networkId } = this.#options
    const { keys } = contact
    const reader = contact.claims.get(claimer)
    const { inviteSecret, rendezvousSeed, inviterRoot } = keys
    if (inviteSecret === undefined || rendezvousSeed === undefined || reader === undefined) return
    const claimerRoot = fromHex(claimer)
    const done = await jobs.acceptClaim({
      self: selfOf(contact, networkId),
      inviteSecret,
      inviterRoot,
      claimerRoot,
      claim: record,
      now: clock.now(),
    })
    if (hasEnded(contact)) return
    const batch = store.batch()
    keys.wonBy = claimHash(claimerRoot)
    keys.conversation = done.conversation
    keys.theirAccount = record.accountKey
    keys.theirDevice = record.deviceId
    keys.keyPackages = [done.keyPackage]
    replaceGroup(keys, 'ownGroup', done.ownGroup)
    keys.authenticators = { inviterGroup: done.authenticator, claimerGroup: undefined }
    contact.verdictDue = contact.claims.size > 1
    watch.removeEntries(reader.watched())
    contact.claims.delete(claimer)
    for (const loser of contact.claims.keys()) this.dropClaim(contact, loser)
    contact.reader = reader
    reader.applied(1)
    watch.addStream(contact, reader.watched())
    watch.widen(contact)
    contact.writer = ledger.newWriter({
      epoch: {
        tag: RENDEZVOUS_TAG,
        chain: inviterPlace(networkId, inviteSecret, inviterRoot, claimerRoot).chain,
        rootSeed: rendezvousSeed.slice(),
        since: clock.now(),
      },
      staged: undefined,
      nextSeq: 1,
      nextQueued: 1,
    })
    const queued = outbox.enqueue(batch, contact, 'offer', done.offer)
    contact.writer.stage(writeEpochOf(done.writeEpoch, clock.now()), queued, clock.now())
    ledger.saveAll(batch, contact)
    contactEvent(batch, contact, 'contact.exchanging')
    await batch.commit()
  }

  /** Claimer: the offer is whole. */
  async onOffer(contact: Contact, seq: number, record: RecordOf<'offer'>): Promise<void> {
    const { outbox, watch, ledger, store, clock, jobs } = this.#ports
    const { keys, writer, reader } = contact
    const { inviteSecret, inviterRoot } = keys
    const [keyPackage] = keys.keyPackages
    if (contact.card.role !== 'claimer' || keys.ownGroup !== undefined) throw unexpected()
    if (inviteSecret === undefined || keyPackage === undefined) throw unexpected()
    if (writer === undefined || reader === undefined) throw unexpected()
    const self = selfOf(contact, this.#options.networkId)
    const offer = { self, inviteSecret, inviterRoot, keyPackage, offer: record }
    const done = await jobs.acceptOffer(offer)
    if (hasEnded(contact)) return
    const batch = store.batch()
    keys.conversation = done.conversation
    keys.theirAccount = record.accountKey
    keys.theirDevice = record.deviceId
    dropKeyPackages(keys, [keyPackage])
    replaceGroup(keys, 'ownGroup', done.ownGroup)
    replaceGroup(keys, 'peerGroup', done.peerGroup)
    keys.authenticators = {
      inviterGroup: done.inviterAuthenticator,
      claimerGroup: done.claimerAuthenticator,
    }
    contact.card.phase = 'exchanging'
    outbox.acknowledgeAll(batch, contact)
    const queued = outbox.enqueue(batch, contact, 'finish', done.finish)
    writer.stage(writeEpochOf(done.writeEpoch, clock.now()), queued, clock.now())
    reader.applied(seq)
    enterEpoch(watch, contact, done.readEpoch)
    ledger.saveAll(batch, contact)
    contactEvent(batch, contact, 'contact.exchanging')
    await batch.commit()
  }

  /** Inviter: the finish is whole; from here on texts may flow. */
  async onFinish(contact: Contact, seq: number, record: RecordOf<'finish'>): Promise<void> {
    const { outbox, watch, lifecycle, store, jobs } = this.#ports
    const { keys, reader } = contact
    const { inviteSecret, authenticators } = keys
    const [keyPackage] = keys.keyPackages
    if (contact.card.role !== 'inviter' || authenticators === undefined) throw unexpected()
    if (inviteSecret === undefined || keyPackage === undefined || reader === undefined) {
      throw unexpected()
    }
    const done = await jobs.acceptFinish({
      self: selfOf(contact, this.#options.networkId),
      peer: peerOf(contact),
      inviteSecret,
      keyPackage,
      authenticator: authenticators.inviterGroup,
      finish: record,
    })
    if (hasEnded(contact)) return
    const batch = store.batch()
    replaceGroup(keys, 'peerGroup', done.peerGroup)
    dropKeyPackages(keys, [keyPackage])
    outbox.acknowledgeAll(batch, contact)
    outbox.enqueue(batch, contact, 'confirm', done.confirm)
    reader.applied(seq)
    enterEpoch(watch, contact, done.readEpoch)
    lifecycle.ready(batch, contact, safetyNumberOf(contact, this.#options.networkId) ?? '')
    await batch.commit()
  }

  /**
   * Claimer: the inviter's view of both groups. Any difference means that somebody sits in the middle.
   * @throws HearsayError `mls-rejected` when it differs or is not due.
   */
  onConfirm(batch: Batch, contact: Contact, record: RecordOf<'confirm'>): void {
    const { outbox, lifecycle } = this.#ports
    const own = contact.keys.authenticators
    if (contact.card.role !== 'claimer' || own?.claimerGroup === undefined) throw unexpected()
    const same =
      constantTimeEqual(own.inviterGroup, record.inviterGroup) &&
      constantTimeEqual(own.claimerGroup, record.claimerGroup)
    if (!same) throw unexpected()
    outbox.acknowledgeAll(batch, contact)
    lifecycle.ready(batch, contact, safetyNumberOf(contact, this.#options.networkId) ?? '')
  }
}

/** A record that the exchange does not expect now. */
function unexpected(): HearsayError {
  return new HearsayError('mls-rejected', 'a record that is not due', { reason: 'unexpected' })
}
