import {
  equalBytes,
  fromHex,
  HearsayError,
  isHearsayError,
  toBase64Url,
  toHex,
} from '../base/index.ts'
import { constantTimeEqual, hash, isValidPoint, LABELS, signKeyPairFromSeed } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { addressOf, advanceChain, type BoxKeys, firstChain } from '../stream/index.ts'
import { CLAIMS_MAX, DEVICE_ID_BYTES, EXCHANGE_BOXES } from './constants.ts'
import type { Contact, ContactKeys, FailureReason } from './contact.ts'
import { invitationBinding, safetyNumber } from './identifiers.ts'
import { decodeInvitation, encodeInvitation } from './invitation.ts'
import type { NewReadEpoch, NewWriteEpoch, Peer, Self } from './jobs.ts'
import type { Ledger } from './ledger.ts'
import { ANNOUNCEMENTS_MAX, type Outgoing } from './outgoing.ts'
import { type ConversationOptions, type ConversationPorts, dayOf } from './ports.ts'
import { StreamReader } from './reader.ts'
import { encodeRecord, type RecordBody } from './records.ts'
import { claimerPlace, claimPlace, inviterPlace, verdictPlace } from './rendezvous.ts'
import type { Watch } from './watch.ts'
import { RENDEZVOUS_TAG, type WriteEpoch } from './writer.ts'

export interface ExchangePorts extends Pick<ConversationPorts, 'clock' | 'rng' | 'store' | 'jobs' | 'log'> {
  readonly ledger: Ledger
  readonly outgoing: Outgoing
  readonly watch: Watch
}

type Of<K extends RecordBody['kind']> = Extract<RecordBody, { kind: K }>

/**
 * The key exchange of two strangers who share an invitation (SPEC §4): claim, offer, finish, confirm. Each
 * step is one batch: keys, streams, records to send and the event land together or not at all.
 */
export class Exchange {
  readonly #ports: ExchangePorts
  readonly #options: ConversationOptions

  constructor(ports: ExchangePorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Begins as the inviter. The caller commits. */
  invite(batch: Batch, alias: string, ttlMs: number): { contact: Contact; uri: string } {
    const { clock, rng, ledger } = this.#ports
    const now = clock.now()
    const secret = rng.bytes(32)
    const rendezvousSeed = rng.bytes(32)
    const inviterRoot = signKeyPairFromSeed(rendezvousSeed).publicKey
    const contact = ledger.create(
      {
        alias,
        role: 'inviter',
        inviteId: toBase64Url(rng.bytes(12)),
        createdAt: now,
        inviteExpiresAt: now + ttlMs,
        phase: 'waiting',
        reason: '',
        verified: false,
        boxesDone: 0,
        lastHeardAt: 0,
        heardDay: dayOf(now),
      },
      this.#freshKeys(secret, inviterRoot, rendezvousSeed),
    )
    this.#persist(batch, contact)
    this.#event(batch, contact, 'contact.waiting')
    this.watchPlaces(contact)
    const invitation = { secret, inviterRoot, expiresAt: contact.card.inviteExpiresAt }
    return { contact, uri: encodeInvitation(this.#options.networkId, invitation) }
  }

  /**
   * Begins as the claimer. The caller commits; the KeyPackage is made by the next slot.
   * @throws HearsayError as `decodeInvitation`; `contact-exists` for one's own or a known invitation.
   */
  claim(batch: Batch, uri: string, alias: string): Contact {
    const { clock, rng, ledger } = this.#ports
    const { networkId } = this.#options
    const now = clock.now()
    const invitation = decodeInvitation(uri, networkId, now)
    for (const other of ledger.contacts.values()) {
      if (!equalBytes(other.keys.inviterRoot, invitation.inviterRoot)) continue
      if (other.card.role === 'inviter') {
        throw new HearsayError('contact-exists', 'this is an invitation of your own')
      }
      throw new HearsayError('contact-exists', 'this invitation was added before')
    }
    const rendezvousSeed = rng.bytes(32)
    const contact = ledger.create(
      {
        alias,
        role: 'claimer',
        inviteId: '',
        createdAt: now,
        inviteExpiresAt: invitation.expiresAt,
        phase: 'waiting',
        reason: '',
        verified: false,
        boxesDone: 0,
        lastHeardAt: 0,
        heardDay: dayOf(now),
      },
      this.#freshKeys(invitation.secret, invitation.inviterRoot, rendezvousSeed),
    )
    const claimerRoot = signKeyPairFromSeed(rendezvousSeed).publicKey
    const { secret, inviterRoot } = invitation
    contact.writer = ledger.newWriter({
      epoch: {
        tag: RENDEZVOUS_TAG,
        chain: claimerPlace(networkId, secret, claimerRoot).chain,
        rootSeed: rendezvousSeed,
        since: now,
      },
      staged: undefined,
      nextSeq: 1,
      nextQueued: 1,
    })
    contact.reader = new StreamReader(this.#options)
    const place = inviterPlace(networkId, secret, inviterRoot, claimerRoot)
    contact.reader.open(RENDEZVOUS_TAG, place.root, place.chain)
    this.#persist(batch, contact)
    this.#event(batch, contact, 'contact.waiting')
    this.watchPlaces(contact)
    return contact
  }

  #freshKeys(secret: Uint8Array, inviterRoot: Uint8Array, rendezvousSeed: Uint8Array): ContactKeys {
    const { rng } = this.#ports
    return {
      accountSeed: rng.bytes(32),
      deviceId: rng.bytes(DEVICE_ID_BYTES),
      inviteSecret: secret,
      inviterRoot,
      rendezvousSeed,
      conversation: undefined,
      theirAccount: undefined,
      theirDevice: undefined,
      keyPackage: undefined,
      theirKeyPackage: undefined,
      ownGroup: undefined,
      peerGroup: undefined,
      authenticators: undefined,
      wonBy: undefined,
      announcements: 0,
    }
  }

  /** Watches everything that this contact waits for: at creation and after a restart. */
  watchPlaces(contact: Contact): void {
    const { watch } = this.#ports
    const { keys, card } = contact
    if (card.phase === 'failed') return
    if (keys.inviteSecret !== undefined) {
      if (card.role === 'inviter') {
        for (const { keys: at, address } of this.#claimAddresses(keys.inviteSecret)) {
          watch.add(address, { kind: 'claim', contact, index: at.index })
        }
      } else if (card.phase !== 'ready') {
        const place = verdictPlace(this.#options.networkId, keys.inviteSecret, keys.inviterRoot)
        const at = advanceChain(place.chain).keys
        watch.add(addressOf(place.root, at.blind), { kind: 'verdict', contact })
      }
    }
    if (contact.reader !== undefined) watch.addStream(contact, contact.reader.watched())
    for (const [claimer, reader] of contact.claims) {
      watch.addCandidate(contact, claimer, reader.watched())
    }
  }

  #claimAddresses(secret: Uint8Array): { keys: BoxKeys; address: ReturnType<typeof addressOf> }[] {
    const place = claimPlace(this.#options.networkId, secret)
    let chain = place.chain
    return Array.from({ length: ANNOUNCEMENTS_MAX }, () => {
      const step = advanceChain(chain)
      chain = step.next
      return { keys: step.keys, address: addressOf(place.root, step.keys.blind) }
    })
  }

  /** Keys that open the box under the claim address of this index. */
  claimKeys(contact: Contact, index: number): BoxKeys | undefined {
    const secret = contact.keys.inviteSecret
    return secret && this.#claimAddresses(secret)[index]?.keys
  }

  verdictKeys(contact: Contact): BoxKeys | undefined {
    const { inviteSecret, inviterRoot } = contact.keys
    if (inviteSecret === undefined) return undefined
    return advanceChain(verdictPlace(this.#options.networkId, inviteSecret, inviterRoot).chain).keys
  }

  /** A claim box was opened: `payload` begins with R_C. The first whole claim will win, not the first box. */
  announced(batch: Batch, contact: Contact, payload: Uint8Array): void {
    const root = payload.slice(0, 32)
    const { inviteSecret, wonBy } = contact.keys
    if (inviteSecret === undefined || this.#ports.clock.now() >= contact.card.inviteExpiresAt) return
    if (!isValidPoint(root)) return
    if (wonBy !== undefined) {
      if (!equalBytes(wonBy, claimHash(root))) this.#ports.outgoing.owesVerdict(contact)
      return
    }
    const claimer = toHex(root)
    if (contact.claims.has(claimer) || contact.claims.size >= CLAIMS_MAX) return
    const reader = new StreamReader(this.#options)
    const place = claimerPlace(this.#options.networkId, inviteSecret, root)
    const entries = reader.open(RENDEZVOUS_TAG, root, place.chain)
    contact.claims.set(claimer, reader)
    this.#ports.watch.addCandidate(contact, claimer, entries)
    if (contact.card.phase === 'waiting') {
      contact.card.phase = 'exchanging'
      contact.card.boxesDone = 1
    }
    this.#ports.ledger.saveCard(batch, contact)
    this.#ports.ledger.saveReader(batch, contact)
    this.#event(batch, contact, 'contact.exchanging')
  }

  /** The inviter said whose claim won. */
  judged(batch: Batch, contact: Contact, payload: Uint8Array): void {
    const seed = contact.keys.rendezvousSeed
    if (seed === undefined || contact.card.role !== 'claimer') return
    const own = claimHash(signKeyPairFromSeed(seed).publicKey)
    if (!constantTimeEqual(own, payload.slice(0, 32))) this.fail(batch, contact, 'already used')
  }

  /** Claimer, first slot: makes the KeyPackage and queues the claim. */
  async introduce(contact: Contact): Promise<void> {
    const { keys } = contact
    if (keys.rendezvousSeed === undefined) return
    const keyPackage = await this.#ports.jobs.introduce({
      self: this.#self(contact),
      context: invitationBinding(this.#options.networkId, keys.inviterRoot),
      mailboxRoot: signKeyPairFromSeed(keys.rendezvousSeed).publicKey,
      now: this.#ports.clock.now(),
    })
    const batch = this.#ports.store.batch()
    keys.keyPackage = keyPackage
    this.#ports.outgoing.enqueue(
      batch,
      contact,
      'claim',
      encodeRecord({
        kind: 'claim',
        accountKey: signKeyPairFromSeed(keys.accountSeed).publicKey,
        deviceId: keys.deviceId,
        keyPackage: keyPackage.keyPackage,
      }),
    )
    this.#persist(batch, contact)
    await batch.commit()
  }

  /** Inviter: a claim is whole. The first one to get here wins the invitation. */
  async onClaim(contact: Contact, claimer: string, record: Of<'claim'>): Promise<void> {
    const { keys } = contact
    const reader = contact.claims.get(claimer)
    if (keys.inviteSecret === undefined || keys.rendezvousSeed === undefined) return
    if (keys.wonBy !== undefined || reader === undefined) return
    const claimerRoot = fromHex(claimer)
    const done = await this.#ports.jobs.acceptClaim({
      self: this.#self(contact),
      inviteSecret: keys.inviteSecret,
      inviterRoot: keys.inviterRoot,
      claimerRoot,
      claim: record,
      now: this.#ports.clock.now(),
    })
    const { outgoing, watch, ledger, store, clock } = this.#ports
    const batch = store.batch()
    keys.wonBy = claimHash(claimerRoot)
    keys.conversation = done.conversation
    keys.theirAccount = record.accountKey
    keys.theirDevice = record.deviceId
    keys.keyPackage = done.keyPackage
    keys.ownGroup = done.ownGroup
    keys.authenticators = { inviterGroup: done.authenticator, claimerGroup: undefined }
    if (contact.claims.size > 1) outgoing.owesVerdict(contact)
    for (const [, loser] of contact.claims) watch.removeEntries(loser.watched())
    contact.claims.clear()
    contact.reader = reader
    reader.applied(1)
    watch.addStream(contact, reader.watched())
    const place = inviterPlace(
      this.#options.networkId,
      keys.inviteSecret,
      keys.inviterRoot,
      claimerRoot,
    )
    contact.writer = ledger.newWriter({
      epoch: {
        tag: RENDEZVOUS_TAG,
        chain: place.chain,
        rootSeed: keys.rendezvousSeed,
        since: clock.now(),
      },
      staged: undefined,
      nextSeq: 1,
      nextQueued: 1,
    })
    const queued = outgoing.enqueue(batch, contact, 'offer', done.offer)
    contact.writer.stage(this.#writeEpoch(done.writeEpoch), queued, clock.now())
    this.#persist(batch, contact)
    this.#event(batch, contact, 'contact.exchanging')
    await batch.commit()
  }

  /** Claimer: the offer is whole. */
  async onOffer(contact: Contact, seq: number, record: Of<'offer'>): Promise<void> {
    const { keys, writer, reader } = contact
    const { inviteSecret, keyPackage } = keys
    if (inviteSecret === undefined || keyPackage === undefined) throw unexpected()
    if (writer === undefined || reader === undefined || contact.card.role !== 'claimer') throw unexpected()
    const done = await this.#ports.jobs.acceptOffer({
      self: this.#self(contact),
      inviteSecret,
      inviterRoot: keys.inviterRoot,
      keyPackage,
      offer: record,
    })
    const { outgoing, store, clock } = this.#ports
    const batch = store.batch()
    keys.conversation = done.conversation
    keys.theirAccount = record.accountKey
    keys.theirDevice = record.deviceId
    keys.keyPackage = undefined
    keys.ownGroup = done.ownGroup
    keys.peerGroup = done.peerGroup
    keys.authenticators = {
      inviterGroup: done.inviterAuthenticator,
      claimerGroup: done.claimerAuthenticator,
    }
    contact.card.phase = 'exchanging'
    outgoing.acknowledgeAll(batch, contact)
    const queued = outgoing.enqueue(batch, contact, 'finish', done.finish)
    writer.stage(this.#writeEpoch(done.writeEpoch), queued, clock.now())
    reader.applied(seq)
    this.openEpoch(contact, done.readEpoch)
    this.#persist(batch, contact)
    this.#event(batch, contact, 'contact.exchanging')
    await batch.commit()
  }

  /** Inviter: the finish is whole; from here on texts may flow. */
  async onFinish(contact: Contact, seq: number, record: Of<'finish'>): Promise<void> {
    const { keys, reader } = contact
    const { inviteSecret, keyPackage, authenticators } = keys
    if (inviteSecret === undefined || keyPackage === undefined || reader === undefined) throw unexpected()
    if (authenticators === undefined || contact.card.role !== 'inviter') throw unexpected()
    const done = await this.#ports.jobs.acceptFinish({
      self: this.#self(contact),
      peer: this.peer(contact),
      inviteSecret,
      keyPackage,
      authenticator: authenticators.inviterGroup,
      finish: record,
    })
    const batch = this.#ports.store.batch()
    keys.peerGroup = done.peerGroup
    keys.keyPackage = undefined
    this.#ports.outgoing.acknowledgeAll(batch, contact)
    this.#ports.outgoing.enqueue(batch, contact, 'confirm', done.confirm)
    reader.applied(seq)
    this.openEpoch(contact, done.readEpoch)
    this.#ready(batch, contact)
    await batch.commit()
  }

  /** Claimer: the inviter's view of both groups. Any difference means that somebody sits in the middle. */
  onConfirm(batch: Batch, contact: Contact, record: Of<'confirm'>): void {
    const own = contact.keys.authenticators
    if (own?.claimerGroup === undefined || contact.card.role !== 'claimer') throw unexpected()
    const same =
      constantTimeEqual(own.inviterGroup, record.inviterGroup) &&
      constantTimeEqual(own.claimerGroup, record.claimerGroup)
    if (!same) throw unexpected()
    contact.keys.inviteSecret = undefined
    this.#ports.outgoing.acknowledgeAll(batch, contact)
    this.#ready(batch, contact)
  }

  #ready(batch: Batch, contact: Contact): void {
    contact.keys.authenticators = undefined
    contact.card.phase = 'ready'
    this.#persist(batch, contact)
    this.#event(batch, contact, 'contact.ready', { safetyNumber: this.safetyNumber(contact) ?? '' })
  }

  /** Ends a contact: its keys go, its messages end as failed, its history stays. */
  fail(batch: Batch, contact: Contact, reason: FailureReason): void {
    const { outgoing, watch, ledger } = this.#ports
    if (contact.card.phase === 'failed') return
    contact.card.phase = 'failed'
    contact.card.reason = reason
    outgoing.fail(batch, contact, reason)
    watch.removeContact(contact)
    ledger.erase(batch, contact, true)
    eraseKeys(contact.keys)
    ledger.saveKeys(batch, contact)
    ledger.saveCard(batch, contact)
    this.#event(batch, contact, 'contact.failed', { reason })
  }

  /** An invitation whose time is over: it ends if nobody finished it; its secret goes in any case. */
  expire(batch: Batch, contact: Contact): boolean {
    const { card, keys } = contact
    if (keys.inviteSecret === undefined || this.#ports.clock.now() < card.inviteExpiresAt) return false
    if (card.phase === 'ready') {
      keys.inviteSecret = undefined
      this.#ports.ledger.saveKeys(batch, contact)
    } else if (card.phase === 'waiting' || card.role === 'inviter') {
      this.fail(batch, contact, 'expired')
    } else return false
    return true
  }

  /** Begins to read an epoch of the other side's stream. */
  openEpoch(contact: Contact, epoch: NewReadEpoch): void {
    const entries = contact.reader?.open(epoch.tag, epoch.root, firstChain(epoch.streamSecret))
    this.#ports.watch.addStream(contact, entries ?? [])
  }

  #writeEpoch(epoch: NewWriteEpoch): WriteEpoch {
    return {
      tag: epoch.tag,
      chain: firstChain(epoch.streamSecret),
      rootSeed: epoch.rootSeed,
      since: this.#ports.clock.now(),
    }
  }

  /** The write epoch that a refresh made, for the writer. */
  stageEpoch(contact: Contact, epoch: NewWriteEpoch, afterQueued: number): void {
    contact.writer?.stage(this.#writeEpoch(epoch), afterQueued, this.#ports.clock.now())
  }

  #self(contact: Contact): Self {
    const { accountSeed, deviceId } = contact.keys
    return { networkId: this.#options.networkId, accountSeed, deviceId }
  }

  self(contact: Contact): Self {
    return this.#self(contact)
  }

  /** @throws HearsayError `bug` before the other side is known. */
  peer(contact: Contact): Peer {
    const { conversation, theirAccount, theirDevice } = contact.keys
    if (conversation === undefined || theirAccount === undefined || theirDevice === undefined) {
      throw new HearsayError('bug', 'the other side is not known yet')
    }
    return { conversation, accountKey: theirAccount, deviceId: theirDevice }
  }

  safetyNumber(contact: Contact): string | undefined {
    const { accountSeed, theirAccount } = contact.keys
    if (theirAccount === undefined || accountSeed.length === 0) return undefined
    const own = signKeyPairFromSeed(accountSeed).publicKey
    return safetyNumber(this.#options.networkId, own, theirAccount)
  }

  #persist(batch: Batch, contact: Contact): void {
    const { ledger } = this.#ports
    ledger.saveCard(batch, contact)
    ledger.saveKeys(batch, contact)
    ledger.saveWriter(batch, contact)
    ledger.saveReader(batch, contact)
  }

  persist(batch: Batch, contact: Contact): void {
    this.#persist(batch, contact)
  }

  #event(batch: Batch, contact: Contact, type: string, more: Record<string, string> = {}): void {
    const { card } = contact
    batch.append({
      type,
      data: {
        contactId: toBase64Url(contact.id),
        alias: card.alias,
        ...(card.phase === 'exchanging'
          ? { done: Math.min(card.boxesDone, EXCHANGE_BOXES), total: EXCHANGE_BOXES }
          : {}),
        ...more,
      },
    })
  }

  event(batch: Batch, contact: Contact, type: string, more: Record<string, string> = {}): void {
    this.#event(batch, contact, type, more)
  }
}

/** Thrown for a record that the exchange does not expect now; the reader skips it. */
function unexpected(): HearsayError {
  return new HearsayError('mls-rejected', 'a record that is not due', { reason: 'unexpected' })
}

/** Whether a job failed because of what the other side sent, not because of us or the disk. */
export function isRefusal(error: unknown): boolean {
  return isHearsayError(error, 'mls-rejected')
}

function claimHash(claimerRoot: Uint8Array): Uint8Array {
  return hash(LABELS.claimHash, claimerRoot)
}

function eraseKeys(keys: ContactKeys): void {
  keys.inviteSecret = undefined
  keys.rendezvousSeed = undefined
  keys.keyPackage = undefined
  keys.theirKeyPackage = undefined
  keys.ownGroup = undefined
  keys.peerGroup = undefined
  keys.authenticators = undefined
}
