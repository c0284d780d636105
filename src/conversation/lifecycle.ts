import { DAY_MS, dayOf, equalBytes, HearsayError, toBase64Url } from '../base/index.ts'
import { signKeyPairFromSeed } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { DEVICE_ID_BYTES } from './constants.ts'
import {
  type Contact,
  eraseInvitation,
  eraseKeys,
  type FailureReason,
  hasEnded,
  hasMet,
} from './contact.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import { contactEvent } from './events.ts'
import { decodeInvitation, encodeInvitation } from './invitation.ts'
import type { Ledger } from './ledger.ts'
import type { Outbox } from './outbox.ts'
import type { Places } from './places.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import { StreamReader } from './reader.ts'
import type { ResetPlaces } from './reset-places.ts'
import { claimerPlace, inviterPlace } from './rendezvous.ts'
import type { WaitClock } from './wait-clock.ts'
import type { Watch } from './watch.ts'

export interface LifecyclePorts extends Pick<ConversationPorts, 'clock' | 'rng'> {
  readonly waits: WaitClock
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly places: Places
  readonly resets: ResetPlaces
  readonly watch: Watch
}

/** How a contact begins and how it ends. */
export class Lifecycle {
  readonly #ports: LifecyclePorts
  readonly #options: ConversationOptions

  constructor(ports: LifecyclePorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Begins as the inviter. The caller commits. */
  invite(batch: Batch, alias: string, ttlMs: number): { contact: Contact; uri: string } {
    const { clock, rng } = this.#ports
    const secret = rng.bytes(32)
    const rendezvousSeed = rng.bytes(32)
    const inviterRoot = signKeyPairFromSeed(rendezvousSeed).publicKey
    const expiresAt = clock.now() + ttlMs
    const contact = this.#create(
      { alias, role: 'inviter', inviteId: toBase64Url(rng.bytes(12)), expiresAt },
      { secret, inviterRoot, rendezvousSeed },
    )
    this.#begin(batch, contact)
    const uri = encodeInvitation(this.#options.networkId, { secret, inviterRoot, expiresAt })
    return { contact, uri }
  }

  /**
   * Begins as the claimer. The caller commits; the KeyPackage is made by the next slot.
   * @throws HearsayError as `decodeInvitation`; `contact-exists` for one's own or a known invitation.
   */
  claim(batch: Batch, uri: string, alias: string): Contact {
    const { clock, waits, rng, ledger } = this.#ports
    const { networkId } = this.#options
    const { secret, inviterRoot, expiresAt } = decodeInvitation(uri, networkId, clock.now())
    for (const other of ledger.contacts.values()) {
      if (!equalBytes(other.keys.inviterRoot, inviterRoot)) continue
      if (other.card.role === 'inviter') {
        throw new HearsayError('contact-exists', 'this is an invitation of your own')
      }
      throw new HearsayError('contact-exists', 'this invitation was added before')
    }
    const rendezvousSeed = rng.bytes(32)
    const claimerRoot = signKeyPairFromSeed(rendezvousSeed).publicKey
    const contact = this.#create(
      { alias, role: 'claimer', inviteId: '', expiresAt },
      { secret, inviterRoot, rendezvousSeed },
    )
    contact.writer = ledger.newWriter({
      epoch: {
        tag: RENDEZVOUS_TAG,
        chain: claimerPlace(networkId, secret, claimerRoot).chain,
        rootSeed: rendezvousSeed.slice(),
        since: waits.now(),
      },
      staged: undefined,
      nextSeq: 1,
      nextQueued: 1,
    })
    const place = inviterPlace(networkId, secret, inviterRoot, claimerRoot)
    contact.reader = new StreamReader(this.#options)
    contact.reader.open(RENDEZVOUS_TAG, place.root, place.chain)
    this.#begin(batch, contact)
    return contact
  }

  #create(
    card: { alias: string; role: 'inviter' | 'claimer'; inviteId: string; expiresAt: number },
    keys: { secret: Uint8Array; inviterRoot: Uint8Array; rendezvousSeed: Uint8Array },
  ): Contact {
    const { clock, rng, ledger } = this.#ports
    const now = clock.now()
    return ledger.create(
      {
        alias: card.alias,
        role: card.role,
        inviteId: card.inviteId,
        createdAt: now,
        inviteExpiresAt: card.expiresAt,
        phase: 'waiting',
        reason: '',
        verified: false,
        boxesDone: 0,
        lastHeardAt: 0,
        heardDay: dayOf(now),
        missingSince: dayOf(now),
        missingNext: dayOf(now),
        awayDay: 0,
        resetSince: 0,
        resets: [],
      },
      {
        accountSeed: rng.bytes(32),
        deviceId: rng.bytes(DEVICE_ID_BYTES),
        inviteSecret: keys.secret,
        inviterRoot: keys.inviterRoot,
        rendezvousSeed: keys.rendezvousSeed,
      },
    )
  }

  #begin(batch: Batch, contact: Contact): void {
    const { ledger, places } = this.#ports
    ledger.saveAll(batch, contact)
    contactEvent(batch, contact, 'contact.waiting')
    places.watchAll(contact)
  }

  /** Both sides hold the same keys: texts may flow. */
  ready(batch: Batch, contact: Contact, safetyNumber: string): void {
    const { ledger, resets } = this.#ports
    contact.keys.authenticators = undefined
    contact.card.phase = 'ready'
    // The inviter goes on answering other claimers until the invitation expires.
    if (contact.card.role === 'claimer') this.#closeInvitation(contact)
    resets.widen(contact)
    ledger.saveAll(batch, contact)
    contactEvent(batch, contact, 'contact.ready', { safetyNumber })
  }

  #closeInvitation(contact: Contact): void {
    this.#ports.places.unwatch(contact)
    eraseInvitation(contact.keys)
  }

  /** Ends a contact: its keys go, its messages end as failed, its history stays. */
  fail(batch: Batch, contact: Contact, reason: FailureReason): void {
    if (hasEnded(contact)) return
    this.#end(batch, contact, reason)
    contactEvent(batch, contact, 'contact.failed', { reason })
  }

  #end(batch: Batch, contact: Contact, reason: FailureReason): void {
    const { outbox, watch, ledger } = this.#ports
    contact.card.phase = 'failed'
    contact.card.reason = reason
    outbox.fail(batch, contact, reason)
    watch.removeContact(contact)
    ledger.eraseStreams(batch, contact)
    eraseKeys(contact.keys)
    ledger.saveKeys(batch, contact)
    ledger.saveCard(batch, contact)
  }

  /** Ends a contact and erases all of it but its history. Its name goes too. */
  remove(batch: Batch, contact: Contact): void {
    const { outbox, ledger } = this.#ports
    this.#end(batch, contact, 'cancelled')
    outbox.forget(contact)
    ledger.remove(batch, contact)
    batch.append({ type: 'contact.removed', data: { contactId: toBase64Url(contact.id) } })
  }

  /** An invitation whose time is over: it ends if nobody finished it; its secret goes in any case. */
  expire(batch: Batch, contact: Contact): boolean {
    const { card, keys } = contact
    const now = this.#ports.clock.now()
    if (keys.inviteSecret === undefined || now < card.inviteExpiresAt) return false
    if (hasMet(contact)) {
      this.#closeInvitation(contact)
      this.#ports.ledger.saveKeys(batch, contact)
      return true
    }
    // A claimer whose finish is under way waits for the answer as long as its box may live.
    const rest = this.#options.ttlDays * DAY_MS
    const answerable = card.role === 'claimer' && keys.ownGroup !== undefined
    if (answerable && now < card.inviteExpiresAt + rest) return false
    this.fail(batch, contact, 'expired')
    return true
  }
}
