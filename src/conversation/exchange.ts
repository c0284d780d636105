import { equalBytes, fromHex, HearsayError, toHex } from '../base/index.ts'
import { constantTimeEqual, isValidPoint, signKeyPairFromSeed } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { CLAIMS_MAX } from './constants.ts'
import { dropClaim, followClaim } from './claims.ts'
import { type Contact, dropKeyPackages, hasEnded, hasMet, replaceGroup } from './contact.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import { contactEvent } from './events.ts'
import { invitationBinding } from './identifiers.ts'
import type { Ledger } from './ledger.ts'
import type { Lifecycle } from './lifecycle.ts'
import { answeringMeeting, meetingOf } from './meeting.ts'
import type { Outbox } from './outbox.ts'
import { peerOf, safetyNumberOf, selfOf } from './parties.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import { encodeRecord, type RecordOf } from './records.ts'
import type { Recoveries } from './recoveries.ts'
import { claimHash, inviterPlace } from './rendezvous.ts'
import type { ResetClaims } from './reset-claims.ts'
import { resetSecretOf } from './reset-stream.ts'
import { enterEpoch, writeEpochOf } from './stream-epochs.ts'
import type { WaitClock } from './wait-clock.ts'
import type { Watch } from './watch.ts'
import type { WriteEpoch } from './writer.ts'

export interface ExchangePorts extends Pick<ConversationPorts, 'clock' | 'store' | 'jobs'> {
  readonly waits: WaitClock
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly lifecycle: Lifecycle
  readonly recoveries: Recoveries
  readonly claims: ResetClaims
  readonly watch: Watch
}

/**
 * The key exchange (SPEC §4): claim, offer, finish, confirm. Strangers share an invitation; a device that came back
 * shares the reset secret with the other side (§9). Each step is one batch: keys, streams, records to send and the
 * event land together or not at all. A contact that ended while a job ran stays as it is.
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
    followClaim(watch, contact, this.#options, { claimer, root, secret: inviteSecret })
    if (contact.card.phase === 'waiting') {
      contact.card.phase = 'exchanging'
      contact.card.boxesDone = 1
    }
    contactEvent(batch, contact, 'contact.exchanging')
  }

  /** Gives up a claim that is no claim; the place stays open for others. */
  dropClaim(contact: Contact, claimer: string): void {
    dropClaim(this.#ports.watch, contact, claimer)
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
    const meeting = meetingOf(contact)
    if (meeting?.claimerSeed === undefined) return
    const self = selfOf(contact, this.#options.networkId)
    const keyPackage = await jobs.introduce({
      self,
      context: invitationBinding(this.#options.networkId, meeting.inviterRoot),
      mailboxRoot: signKeyPairFromSeed(meeting.claimerSeed).publicKey,
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

  /**
   * Inviter: a claim is whole. The first one to get here wins the invitation; one of a device that came back is
   * answered inside the contact. @throws HearsayError `mls-rejected`; nothing has changed then.
   */
  async onClaim(contact: Contact, claimer: string, record: RecordOf<'claim'>): Promise<void> {
    const { outbox, watch, ledger, store, clock, waits, jobs, recoveries, claims } = this.#ports
    const { networkId } = this.#options
    const { keys } = contact
    const reader = contact.claims.get(claimer)
    const meeting = answeringMeeting(contact)
    if (meeting === undefined || reader === undefined) return
    const isReset = hasMet(contact)
    if (isReset) claims.check(contact, claimer, record)
    const claimerRoot = fromHex(claimer)
    const { secret: inviteSecret, inviterRoot } = meeting
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
    const epoch = isReset
      ? recoveries.answer(batch, contact, claimerRoot, claims.accept(contact, claimer))
      : this.#won(contact, claimer, claimerRoot)
    if (epoch === undefined) return
    keys.conversation = done.conversation
    keys.resetSecret ??= resetSecretOf(done.writeEpoch.streamSecret, done.conversation)
    keys.theirAccount = record.accountKey
    keys.theirDevice = record.deviceId
    keys.keyPackages = [done.keyPackage]
    replaceGroup(keys, 'ownGroup', done.ownGroup)
    keys.authenticators = { inviterGroup: done.authenticator, claimerGroup: undefined }
    watch.removeEntries(reader.watched())
    contact.claims.delete(claimer)
    contact.reader = reader
    reader.applied(1)
    watch.addStream(contact, reader, reader.watched())
    watch.widen(contact)
    outbox.move(batch, contact, epoch, false)
    const queued = outbox.enqueue(batch, contact, 'offer', done.offer)
    contact.writer?.stage(writeEpochOf(done.writeEpoch, waits.now()), queued, waits.now())
    ledger.saveAll(batch, contact)
    if (!isReset) contactEvent(batch, contact, 'contact.exchanging')
    await batch.commit()
  }

  /** The epoch in which the winner is answered; undefined when the invitation is over. */
  #won(contact: Contact, claimer: string, claimerRoot: Uint8Array): WriteEpoch | undefined {
    const { networkId } = this.#options
    const { inviteSecret, inviterRoot, rendezvousSeed } = contact.keys
    if (inviteSecret === undefined || rendezvousSeed === undefined) return undefined
    contact.keys.wonBy = claimHash(claimerRoot)
    contact.verdictDue = contact.claims.size > 1
    for (const other of contact.claims.keys()) {
      if (other !== claimer) this.dropClaim(contact, other)
    }
    return {
      tag: RENDEZVOUS_TAG,
      chain: inviterPlace(networkId, inviteSecret, inviterRoot, claimerRoot).chain,
      rootSeed: rendezvousSeed.slice(),
      since: this.#ports.waits.now(),
    }
  }

  /** Claimer: the offer is whole. */
  async onOffer(contact: Contact, seq: number, record: RecordOf<'offer'>): Promise<void> {
    const { outbox, watch, ledger, store, waits, jobs } = this.#ports
    const { keys, writer, reader } = contact
    const meeting = meetingOf(contact)
    const [keyPackage] = keys.keyPackages
    if (meeting?.side !== 'claimer' || keys.ownGroup !== undefined) throw unexpected()
    if (keyPackage === undefined || !isKnownAccount(contact, record.accountKey)) throw unexpected()
    if (writer === undefined || reader === undefined) throw unexpected()
    const self = selfOf(contact, this.#options.networkId)
    const { secret: inviteSecret, inviterRoot } = meeting
    const offer = { self, inviteSecret, inviterRoot, keyPackage, offer: record }
    const done = await jobs.acceptOffer(offer)
    if (hasEnded(contact)) return
    const batch = store.batch()
    keys.conversation = done.conversation
    keys.resetSecret ??= resetSecretOf(done.readEpoch.streamSecret, done.conversation)
    keys.theirAccount = record.accountKey
    keys.theirDevice = record.deviceId
    dropKeyPackages(keys, [keyPackage])
    replaceGroup(keys, 'ownGroup', done.ownGroup)
    replaceGroup(keys, 'peerGroup', done.peerGroup)
    keys.authenticators = {
      inviterGroup: done.inviterAuthenticator,
      claimerGroup: done.claimerAuthenticator,
    }
    if (!hasMet(contact)) contact.card.phase = 'exchanging'
    outbox.acknowledgeAll(batch, contact)
    const queued = outbox.enqueue(batch, contact, 'finish', done.finish)
    writer.stage(writeEpochOf(done.writeEpoch, waits.now()), queued, waits.now())
    reader.applied(seq)
    enterEpoch(watch, contact, done.readEpoch)
    ledger.saveAll(batch, contact)
    if (!hasMet(contact)) contactEvent(batch, contact, 'contact.exchanging')
    await batch.commit()
  }

  /** Inviter: the finish is whole; from here on texts may flow. */
  async onFinish(contact: Contact, seq: number, record: RecordOf<'finish'>): Promise<void> {
    const { outbox, watch, store, jobs } = this.#ports
    const { keys, reader } = contact
    const { authenticators } = keys
    const meeting = meetingOf(contact)
    const [keyPackage] = keys.keyPackages
    if (meeting?.side !== 'inviter' || authenticators === undefined) throw unexpected()
    if (keyPackage === undefined || reader === undefined) throw unexpected()
    const done = await jobs.acceptFinish({
      self: selfOf(contact, this.#options.networkId),
      peer: peerOf(contact),
      inviteSecret: meeting.secret,
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
    this.#done(batch, contact)
    await batch.commit()
  }

  #done(batch: Batch, contact: Contact): void {
    const { lifecycle, recoveries } = this.#ports
    const safetyNumber = safetyNumberOf(contact, this.#options.networkId) ?? ''
    if (hasMet(contact)) recoveries.complete(batch, contact)
    else lifecycle.ready(batch, contact, safetyNumber)
  }

  /**
   * Claimer: the inviter's view of both groups. Any difference means that somebody sits in the middle.
   * @throws HearsayError `mls-rejected` when it differs or is not due.
   */
  onConfirm(batch: Batch, contact: Contact, record: RecordOf<'confirm'>): void {
    const own = contact.keys.authenticators
    if (meetingOf(contact)?.side !== 'claimer' || own?.claimerGroup === undefined) {
      throw unexpected()
    }
    const { inviterGroup, claimerGroup } = own
    const same =
      constantTimeEqual(inviterGroup, record.inviterGroup) &&
      constantTimeEqual(claimerGroup, record.claimerGroup)
    if (!same) throw unexpected()
    this.#ports.outbox.acknowledgeAll(batch, contact)
    this.#done(batch, contact)
  }
}

/** Once the other side is known it stays the same account, whatever its devices are. */
function isKnownAccount({ keys }: Contact, accountKey: Uint8Array): boolean {
  return keys.theirAccount === undefined || equalBytes(keys.theirAccount, accountKey)
}

/** A record that the exchange does not expect now. */
function unexpected(): HearsayError {
  return new HearsayError('mls-rejected', 'a record that is not due', { reason: 'unexpected' })
}
