import { type Address, type BoxBytes, dayOf, toHex } from '../base/index.ts'
import { signKeyPairFromSeed, wipe } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import {
  BOX_PAYLOAD_BYTES,
  BOX_SALT_BYTES,
  type BoxKeys,
  parseBox,
  SALTED_PAYLOAD_BYTES,
  sealBox,
  sealSaltedBox,
  wipeBoxKeys,
} from '../stream/index.ts'
import { ANNOUNCEMENTS_MAX } from './constants.ts'
import { type Contact, hasEnded } from './contact.ts'
import type { Ledger } from './ledger.ts'
import { drawOffers } from './offers.ts'
import type { Outbox } from './outbox.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import { encodeRecord } from './records.ts'
import type { Recoveries } from './recoveries.ts'
import { claimPlace, keysAt, verdictPlace } from './rendezvous.ts'
import type { WaitClock } from './wait-clock.ts'
import type { Draft, StreamWriter } from './writer.ts'

export interface SenderPorts
  extends Pick<ConversationPorts, 'clock' | 'rng' | 'store' | 'linked' | 'failpoints'> {
  readonly waits: WaitClock
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly recoveries: Recoveries
  /** A box of ours left; `messages` end in it. It may be audited at its keepers. */
  readonly onLeft: (address: Address, day: number, messages: readonly number[]) => void
}

/** A box that was given out and whose fate is not known yet. */
type Flight =
  | {
      readonly kind: 'stream'
      readonly contact: Contact
      /** A later stream of the contact has another. */
      readonly writer: StreamWriter
      readonly draft: Draft
      readonly hasAck: boolean
    }
  | { readonly kind: 'announcement' | 'verdict' | 'reset'; readonly contact: Contact }

interface Sealing {
  readonly flight: Flight
  readonly keys: BoxKeys
  readonly rootSeed: Uint8Array
  readonly payload: Uint8Array
  readonly salted?: true
}

/**
 * Seals boxes, one per call, as late as the slot allows. Once published, the writer treats its box like any
 * other node. The stream index is on disk before a box is sealed, so no crash uses an address twice; a box
 * that is lost in a crash is made up for by fresh ones.
 */
export class Sender {
  readonly #ports: SenderPorts
  readonly #options: ConversationOptions
  readonly #flights = new Map<string, Flight>()
  /** Boxes that did not leave. Nobody has seen them, so they may go again as they are, and no address is lost. */
  readonly #unsent: { readonly box: BoxBytes; readonly flight: Flight }[] = []
  #turn = 0

  constructor(ports: SenderPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** The next box, contact after contact, or undefined when nothing waits. One call at a time. */
  async nextBox(): Promise<BoxBytes | undefined> {
    if (!this.#ports.linked()) return undefined
    const unsent = await this.#nextUnsent()
    if (unsent !== undefined) return unsent
    const contacts = [...this.#ports.ledger.contacts.values()]
    for (let i = 0; i < contacts.length; i++) {
      const contact = contacts[(this.#turn + i) % contacts.length]
      if (contact === undefined || !this.#wants(contact)) continue
      const sealing = await this.#next(contact)
      // While the disk worked the contact or its stream may have ended, and the keys with it.
      if (sealing === undefined || isOver(sealing.flight)) continue
      this.#turn = (this.#turn + i + 1) % contacts.length
      const box = this.#seal(sealing)
      this.#ports.failpoints?.reach('send-sealed')
      return box
    }
    return undefined
  }

  async #nextUnsent(): Promise<BoxBytes | undefined> {
    for (;;) {
      const next = this.#unsent.shift()
      if (next === undefined) return undefined
      const { box, flight } = next
      if (isOver(flight)) continue
      if (parseBox(box).expiryDay === this.#expiryDay()) {
        this.#flights.set(toHex(parseBox(box).address), flight)
        return box
      }
      // Its day is over: what it carried goes in a fresh one.
      const batch = this.#ports.store.batch()
      this.#unsend(batch, flight)
      await batch.commit()
    }
  }

  #expiryDay(): number {
    return dayOf(this.#ports.clock.now()) + this.#options.ttlDays
  }

  /** Asked of every contact, so without a promise for each. */
  #wants(contact: Contact): boolean {
    if (hasEnded(contact)) return false
    if (contact.verdictDue || this.#announcementDue(contact) || this.#ackDue(contact)) return true
    if (this.#ports.recoveries.isAnnouncementDue(contact)) return true
    return contact.writer?.wants(this.#ports.waits.now(), contact.card.phase === 'ready') === true
  }

  /** Not a moment early, even beside a text: when an ack comes tells how near its writer is to the box. */
  #ackDue(contact: Contact): boolean {
    const { card, ackDueAt } = contact
    if (card.phase !== 'ready' || ackDueAt === undefined) return false
    return this.#ports.waits.now() >= ackDueAt
  }

  #next(contact: Contact): Promise<Sealing | undefined> {
    if (contact.verdictDue) return this.#verdict(contact)
    if (this.#announcementDue(contact)) return this.#announcement(contact)
    if (this.#ports.recoveries.isAnnouncementDue(contact)) return this.#reset(contact)
    return this.#streamBox(contact)
  }

  async #streamBox(contact: Contact): Promise<Sealing | undefined> {
    const { waits, store, ledger } = this.#ports
    const { writer, reader } = contact
    if (writer === undefined) return undefined
    const now = waits.now()
    const isReady = contact.card.phase === 'ready'
    const state = this.#ackDue(contact) ? reader?.ackState() : undefined
    const ack = state && encodeRecord({ kind: 'ack', ...state })
    const draft = writer.draft(now, isReady, ack)
    if (draft === undefined) return undefined
    const batch = store.batch()
    ledger.saveWriter(batch, contact)
    for (const record of draft.bound) ledger.saveRecord(batch, contact, record)
    if (ack !== undefined) {
      contact.ackDueAt = undefined
      ledger.saveReader(batch, contact)
    }
    if (!isReady) {
      contact.card.boxesDone++
      ledger.saveCard(batch, contact)
    }
    await batch.commit()
    const { keys, rootSeed, payload } = draft
    const hasAck = ack !== undefined
    return { flight: { kind: 'stream', contact, writer, draft, hasAck }, keys, rootSeed, payload }
  }

  #announcementDue(contact: Contact): boolean {
    const { card, keys } = contact
    if (card.role !== 'claimer' || card.phase !== 'waiting' || keys.keyPackages.length === 0) {
      return false
    }
    return keys.announcements < ANNOUNCEMENTS_MAX && this.#ports.waits.now() >= contact.announceAt
  }

  /** Says R_C under the next claim address; each claimer uses each of them once. */
  async #announcement(contact: Contact): Promise<Sealing | undefined> {
    const { waits, rng, store, ledger } = this.#ports
    const { keys, card } = contact
    if (keys.inviteSecret === undefined || keys.rendezvousSeed === undefined) return undefined
    const place = claimPlace(this.#options.networkId, keys.inviteSecret)
    const boxKeys = keysAt(place, keys.announcements)
    const payload = new Uint8Array(SALTED_PAYLOAD_BYTES)
    payload.set(signKeyPairFromSeed(keys.rendezvousSeed).publicKey)
    const wait = drawOffers(rng, this.#options)[keys.announcements] ?? Infinity
    contact.announceAt = waits.now() + wait
    keys.announcements++
    card.boxesDone++
    const batch = store.batch()
    ledger.saveKeys(batch, contact)
    ledger.saveCard(batch, contact)
    await batch.commit()
    const flight: Flight = { kind: 'announcement', contact }
    return { flight, keys: boxKeys, rootSeed: place.rootSeed, payload, salted: true }
  }

  /** Says to the other side that this device came back, in the next slot of the day. */
  async #reset(contact: Contact): Promise<Sealing | undefined> {
    const { store, ledger, recoveries } = this.#ports
    const said = recoveries.announce(contact)
    if (said === undefined) return undefined
    const batch = store.batch()
    ledger.saveKeys(batch, contact)
    await batch.commit()
    return { flight: { kind: 'reset', contact }, ...said, salted: true }
  }

  /** Tells later claimers whose claim won, under the next verdict address. */
  async #verdict(contact: Contact): Promise<Sealing | undefined> {
    const { store, ledger } = this.#ports
    const { keys } = contact
    const { inviteSecret, inviterRoot, rendezvousSeed, wonBy } = keys
    contact.verdictDue = false
    if (inviteSecret === undefined || rendezvousSeed === undefined || wonBy === undefined) {
      return undefined
    }
    if (keys.verdicts >= ANNOUNCEMENTS_MAX) return undefined
    const place = verdictPlace(this.#options.networkId, inviteSecret, inviterRoot)
    const boxKeys = keysAt(place, keys.verdicts)
    const payload = new Uint8Array(BOX_PAYLOAD_BYTES)
    payload.set(wonBy)
    const rootSeed = rendezvousSeed.slice()
    keys.verdicts++
    const batch = store.batch()
    ledger.saveKeys(batch, contact)
    await batch.commit()
    return { flight: { kind: 'verdict', contact }, keys: boxKeys, rootSeed, payload }
  }

  #seal({ flight, keys, rootSeed, payload, salted }: Sealing): BoxBytes {
    const { networkId } = this.#options
    const input = { networkId, expiryDay: this.#expiryDay(), rootSeed, keys, payload }
    const box = salted
      ? sealSaltedBox({ ...input, salt: this.#ports.rng.bytes(BOX_SALT_BYTES) })
      : sealBox(input)
    this.#flights.set(toHex(parseBox(box).address), flight)
    wipeBoxKeys(keys)
    wipe(payload)
    if (flight.kind !== 'stream') wipe(rootSeed)
    return box
  }

  /** What became of a box: one that has not left is the next to go. */
  async published(box: BoxBytes, hasLeft: boolean): Promise<void> {
    const { address } = parseBox(box)
    const key = toHex(address)
    const flight = this.#flights.get(key)
    this.#flights.delete(key)
    if (flight === undefined || isOver(flight)) return
    const { store, outbox, clock, onLeft, failpoints } = this.#ports
    if (!hasLeft) {
      this.#unsent.push({ box, flight })
      return
    }
    if (flight.kind !== 'stream' || flight.draft.finished.length === 0) return
    failpoints?.reach('send-left')
    const batch = store.batch()
    const messages = outbox.left(batch, flight.contact, flight.draft.finished)
    onLeft(address.slice() as Address, dayOf(clock.now()), messages)
    await batch.commit()
  }

  #unsend(batch: Batch, flight: Flight): void {
    const { waits, ledger } = this.#ports
    const { contact } = flight
    if (flight.kind === 'stream') {
      contact.writer?.lost(flight.draft.touched)
      if (flight.hasAck) contact.ackDueAt ??= waits.now()
      ledger.saveReader(batch, contact)
      return
    }
    if (flight.kind === 'announcement') {
      // A claim address may carry several boxes; there are too few of them to give one up.
      contact.keys.announcements--
      contact.announceAt = waits.now()
    } else if (flight.kind === 'verdict') contact.verdictDue = true
    else if (contact.keys.recovery !== undefined) contact.keys.recovery.announceAt = waits.now()
    ledger.saveKeys(batch, contact)
  }
}

/** The contact has ended, or its stream: what was sealed for it must not leave any more. */
function isOver(flight: Flight): boolean {
  const { contact } = flight
  return hasEnded(contact) || (flight.kind === 'stream' && flight.writer !== contact.writer)
}
