import { DAY_MS, dayOf, equalBytes, uniform } from '../base/index.ts'
import { signKeyPairFromSeed, wipe } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import type { BoxKeys } from '../stream/index.ts'
import { DEVICE_ID_BYTES, FORMER_STREAMS_MAX, RESET_SLOTS, RESETS_PER_DAY } from './constants.ts'
import { type Announced, type Contact, eraseGroups, eraseInvitation, hasMet } from './contact.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import { contactEvent } from './events.ts'
import type { Ledger } from './ledger.ts'
import { drawOffers } from './offers.ts'
import type { Outbox } from './outbox.ts'
import type { Places } from './places.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import type { StreamReader } from './reader.ts'
import { tryDecodeRecord } from './records.ts'
import { claimerPlace, keysAt } from './rendezvous.ts'
import { accountKeyOf, answerPlace, encodeAnnouncement, resetPlace } from './reset-stream.ts'
import type { WaitClock } from './wait-clock.ts'
import type { Watch } from './watch.ts'
import type { WriteEpoch } from './writer.ts'

export interface RecoveriesPorts extends Pick<ConversationPorts, 'clock' | 'rng' | 'store'> {
  readonly waits: WaitClock
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly places: Places
  readonly watch: Watch
}

const NOBODY = new Uint8Array(32)

/**
 * The one way back (SPEC §9): a device whose state was rolled back or no longer fits becomes a new device of its
 * account, and both sides make keys anew inside the contact. What the old keys could write is never written again.
 */
export class Recoveries {
  readonly #ports: RecoveriesPorts
  readonly #options: ConversationOptions

  constructor(ports: RecoveriesPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Whether account and reset secret are there, without which nobody could be told. */
  isPossible(contact: Contact): boolean {
    const { accountSeed, resetSecret, theirAccount } = contact.keys
    const secrets = [accountSeed, resetSecret, theirAccount]
    return hasMet(contact) && !secrets.includes(undefined)
  }

  /**
   * This device comes back as a new one, `over` a recovery of the other side's. `wasPutBack`: its state is older than what
   * it has sent. The caller commits.
   */
  begin(
    batch: Batch,
    contact: Contact,
    over: Announced | undefined = answeredClaim(contact),
    wasPutBack = false,
  ): void {
    const { waits, rng, store, ledger, outbox, places } = this.#ports
    const { networkId } = this.#options
    const { keys, card } = contact
    const { resetSecret, theirAccount, theirDevice, recovery: before } = keys
    if (!this.isPossible(contact) || resetSecret === undefined || theirAccount === undefined) return
    const now = waits.now()
    const ownSeed = rng.bytes(32)
    const claimerRoot = signKeyPairFromSeed(ownSeed).publicKey
    // Verdicts are written under addresses of their own, and which of them were used is not known any more.
    places.unwatch(contact)
    eraseInvitation(keys)
    this.#leaveStreams(batch, contact)
    const isRolledBack = wasPutBack || card.storeEpoch !== store.epoch
    const epoch: WriteEpoch = {
      tag: RENDEZVOUS_TAG,
      chain: claimerPlace(networkId, resetSecret, claimerRoot).chain,
      rootSeed: ownSeed.slice(),
      since: now,
    }
    outbox.move(batch, contact, epoch, isRolledBack)
    keys.deviceId = rng.bytes(DEVICE_ID_BYTES)
    keys.recovery = {
      side: 'claimer',
      isOurs: true,
      claimerRoot,
      ownSeed,
      over,
      answer: undefined,
      formerDevice: before === undefined ? theirDevice : before.formerDevice,
      startedAt: now,
      announcements: 0,
      firstSlot: this.#drawSlot(),
      announceAt: now,
    }
    const isNews = before?.isOurs !== true || isRolledBack
    card.phase = 'recovering'
    card.storeEpoch = store.epoch
    ledger.saveAll(batch, contact)
    if (isNews) contactEvent(batch, contact, 'contact.recovering')
  }

  /** As `begin`, at most `RESETS_PER_DAY` times a day: what keeps on failing must not go on for ever. */
  tryBegin(batch: Batch, contact: Contact, over?: Announced, wasPutBack = false): boolean {
    if (!this.isPossible(contact) || !this.hasBudget(contact)) return false
    this.#spend(contact)
    this.begin(batch, contact, over, wasPutBack)
    return true
  }

  /** Nothing is written in the old stream from here on; of the other side's, texts are still read. */
  #leaveStreams(batch: Batch, contact: Contact): void {
    const { waits } = this.#ports
    const { reader, formers } = contact
    // Before the keys held nothing was acknowledged there: all of it comes again.
    if (reader !== undefined && contact.card.phase !== 'ready') this.#forget(contact, reader)
    else if (reader !== undefined) {
      const until = waits.now() + this.#options.ttlDays * DAY_MS
      contact.formers = [...formers, { reader, until }]
      const missing = reader.lost + this.#forgetOldest(contact)
      if (missing > 0) contactEvent(batch, contact, 'message.gap', { missing: String(missing) })
      reader.forgetLost()
    }
    contact.reader = undefined
    contact.ackDueAt = undefined
    contact.ackLeft = undefined
    contact.ackDay = 0
    eraseGroups(contact.keys)
  }

  /** There is room for so many. Returns how many texts waited in what goes: they were acknowledged, and are lost. */
  #forgetOldest(contact: Contact): number {
    const oldest = contact.formers.slice(0, -FORMER_STREAMS_MAX)
    contact.formers = contact.formers.slice(-FORMER_STREAMS_MAX)
    let texts = 0
    for (const { reader } of oldest) {
      for (const bytes of reader.upcoming(Number.POSITIVE_INFINITY)) {
        if (tryDecodeRecord(bytes)?.kind === 'text') texts++
      }
      this.#forget(contact, reader)
    }
    return texts
  }

  #forget(contact: Contact, reader: StreamReader): void {
    this.#ports.watch.removeEntries(reader.watched())
    reader.clear()
  }

  /**
   * The other side came back, and its claim holds, announced at `at` by its clock: the old streams end here. Returns the
   * epoch in which the caller answers.
   */
  answer(
    batch: Batch,
    contact: Contact,
    claimerRoot: Uint8Array,
    at: number,
  ): WriteEpoch | undefined {
    const { waits, rng } = this.#ports
    const { keys, card } = contact
    const { recovery: before, theirDevice, resetSecret } = keys
    if (resetSecret === undefined) return undefined
    const now = waits.now()
    const ownSeed = rng.bytes(32)
    const answerRoot = signKeyPairFromSeed(ownSeed).publicKey
    card.resetSince = at
    this.#spend(contact)
    this.#leaveStreams(batch, contact)
    card.phase = 'recovering'
    keys.recovery = {
      side: 'inviter',
      isOurs: before?.isOurs ?? false,
      claimerRoot,
      ownSeed,
      over: undefined,
      answer: undefined,
      formerDevice: before === undefined ? theirDevice : before.formerDevice,
      startedAt: now,
      announcements: 0,
      firstSlot: this.#drawSlot(),
      announceAt: now,
    }
    const { networkId } = this.#options
    const { chain } = answerPlace(networkId, resetSecret, answerRoot, claimerRoot)
    return { tag: RENDEZVOUS_TAG, chain, rootSeed: ownSeed.slice(), since: now }
  }

  #drawSlot(): number {
    return Math.floor(uniform(this.#ports.rng) * RESET_SLOTS)
  }

  /** Both sides hold the same new keys: texts flow again, and what waited leaves. */
  complete(batch: Batch, contact: Contact): void {
    const { ledger } = this.#ports
    const { keys, card } = contact
    const { recovery, theirDevice } = keys
    if (recovery === undefined) return
    wipe(recovery.ownSeed)
    keys.recovery = undefined
    keys.authenticators = undefined
    card.phase = 'ready'
    // Claims that came before the answer are over: the former life of this device may have answered them. By the clock
    // of the other side, because ours may be ahead.
    if (recovery.isOurs) card.resetSince = Math.max(card.resetSince, recovery.answer?.at ?? 0)
    ledger.saveAll(batch, contact)
    if (recovery.isOurs) contactEvent(batch, contact, 'contact.recovered')
    const isSame =
      theirDevice && recovery.formerDevice && equalBytes(theirDevice, recovery.formerDevice)
    if (isSame !== true) contactEvent(batch, contact, 'contact.reset', { reason: 'new device' })
  }

  /** A step of the other side was refused: we begin again, or wait until they do. */
  refused(batch: Batch, contact: Contact, seq: number | undefined): void {
    const isClaimer = contact.keys.recovery?.side === 'claimer'
    if (isClaimer && this.tryBegin(batch, contact, contact.keys.recovery?.over)) return
    if (seq !== undefined) contact.reader?.applied(seq)
    this.#ports.ledger.saveReader(batch, contact)
  }

  /**
   * What is read of an old stream ends. A claim that nobody took up is made anew before its boxes have expired; an answer
   * that nobody took up becomes a claim of our own, because the claim may have been one of before we were put back.
   */
  tick(batch: Batch, contact: Contact): boolean {
    const now = this.#ports.waits.now()
    const changed = this.#endFormers(batch, contact, now)
    if (this.#isUnread(contact)) return this.tryBegin(batch, contact) || changed
    const { recovery } = contact.keys
    const patience = (this.#options.ttlDays * DAY_MS) / 2
    if (recovery === undefined || now - recovery.startedAt < patience) return changed
    if (recovery.side === 'inviter') return this.tryBegin(batch, contact) || changed
    this.begin(batch, contact, recovery.over)
    return true
  }

  /**
   * The other side cannot read this stream any more: the record that leads to its keys was sent for the last time so long
   * ago that no box has it, and an ack from after that does not cover it.
   */
  #isUnread({ card, writer, ackDay, ackLeft }: Contact): boolean {
    if (card.phase !== 'ready' || ackLeft !== undefined) return false
    const sentAt = writer?.unreadKeysSince
    if (sentAt === undefined) return false
    // A box lives until the end of its day at least.
    return ackDay * DAY_MS >= sentAt + (this.#options.ttlDays + 1) * DAY_MS
  }

  /** Streams whose time is over are heard no more, and go when nothing waits there any longer. */
  #endFormers(batch: Batch, contact: Contact, now: number): boolean {
    const { watch, ledger } = this.#ports
    const over = contact.formers.filter(({ until }) => now >= until)
    if (over.length === 0) return false
    for (const { reader } of over) watch.removeEntries(reader.close())
    const empty = over.filter(({ reader }) => !reader.isHolding)
    contact.formers = contact.formers.filter((former) => !empty.includes(former))
    ledger.saveReader(batch, contact)
    return true
  }

  /** Until the other side has answered: our KeyPackage is used then. */
  isAnnouncementDue(contact: Contact): boolean {
    const { recovery, keyPackages } = contact.keys
    if (recovery === undefined || keyPackages.length === 0) return false
    return this.#ports.waits.now() >= recovery.announceAt
  }

  /**
   * The next announcement: every slot of a day once, then one a day for as long as it takes; salted, because a device
   * that comes back twice from one copy chooses its slots anew. SECRET, owned by the caller.
   */
  announce(
    contact: Contact,
  ): { keys: BoxKeys; rootSeed: Uint8Array; payload: Uint8Array } | undefined {
    const { clock, waits, rng } = this.#ports
    const { recovery, accountSeed, resetSecret } = contact.keys
    if (recovery === undefined || accountSeed === undefined || resetSecret === undefined) {
      return undefined
    }
    const now = clock.now()
    const account = accountKeyOf(accountSeed)
    const place = resetPlace(this.#options.networkId, resetSecret, account, dayOf(now))
    const count = recovery.announcements++
    const keys = keysAt(place, (recovery.firstSlot + count) % RESET_SLOTS)
    const soon = count < RESET_SLOTS - 1 ? drawOffers(rng, this.#options)[count] : undefined
    recovery.announceAt = waits.now() + (soon ?? Math.round(DAY_MS * (1 + uniform(rng) / 4)))
    const { side, claimerRoot, over } = recovery
    const root = signKeyPairFromSeed(recovery.ownSeed).publicKey
    const isClaim = side === 'claimer'
    const payload = encodeAnnouncement({
      kind: isClaim ? 'claim' : 'answer',
      root,
      at: now,
      other: isClaim ? (over?.root ?? NOBODY) : claimerRoot,
    })
    return { keys, rootSeed: accountSeed.slice(), payload }
  }

  /** Whether one more recovery may be begun or answered today. */
  hasBudget(contact: Contact): boolean {
    return this.#recent(contact).length < RESETS_PER_DAY
  }

  #spend(contact: Contact): void {
    contact.card.resets = [...this.#recent(contact), this.#ports.waits.now()]
  }

  #recent({ card }: Contact): number[] {
    const since = this.#ports.waits.now() - DAY_MS
    return card.resets.filter((at) => at > since)
  }
}

/** The claim that this device is answering, or goes before: the other side listens only to a claim that names it. */
function answeredClaim({ keys, card }: Contact): Announced | undefined {
  const { recovery } = keys
  if (recovery?.side !== 'inviter') return recovery?.over
  return { root: recovery.claimerRoot, at: card.resetSince }
}
