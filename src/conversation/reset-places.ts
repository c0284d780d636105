import { type Address, type Clock, dayOf } from '../base/index.ts'
import { addressOf, advanceChain, type BoxKeys, wipeBoxKeys } from '../stream/index.ts'
import { ADDRESSES_PER_TURN, RESET_SLOTS } from './constants.ts'
import { type Contact, hasMet } from './contact.ts'
import type { Ledger } from './ledger.ts'
import type { ConversationOptions } from './ports.ts'
import { keysAt, type RendezvousPlace } from './rendezvous.ts'
import { resetPlace } from './reset-stream.ts'
import type { Watch } from './watch.ts'

export interface ResetPlacesPorts {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly watch: Watch
}

/**
 * Where the other side of each contact would say that it came back: watched from the last day on which it was heard,
 * at most as far back as boxes live, to tomorrow. Addresses are derived a few at a time, like those of windows.
 */
export class ResetPlaces {
  readonly #ports: ResetPlacesPorts
  readonly #options: ConversationOptions
  readonly #days = new WeakMap<Contact, Map<number, readonly Address[]>>()
  /** Contacts that may lack a day. */
  readonly #short = new Set<Contact>()
  #today = 0

  constructor(ports: ResetPlacesPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** The contact has met the other side, or was loaded: `fill` derives what it lacks. */
  widen(contact: Contact): void {
    this.#short.add(contact)
  }

  /** Derives and watches at most `ADDRESSES_PER_TURN` addresses. False when none is missing. */
  fill(): boolean {
    const today = dayOf(this.#ports.clock.now())
    if (today !== this.#today) {
      this.#today = today
      for (const contact of this.#ports.ledger.contacts.values()) this.#short.add(contact)
    }
    let left = ADDRESSES_PER_TURN
    for (const contact of this.#short) {
      for (const day of this.#missing(contact)) {
        if (left < RESET_SLOTS) return true
        left -= RESET_SLOTS
        this.#watchDay(contact, day)
      }
      this.#short.delete(contact)
    }
    return left < ADDRESSES_PER_TURN
  }

  /** Days that are to be watched and are not; days that are over are forgotten on the way. */
  #missing(contact: Contact): number[] {
    if (!hasMet(contact)) return []
    const { missingSince, createdAt } = contact.card
    const first = Math.max(
      this.#today - this.#options.ttlDays,
      Math.min(dayOf(createdAt), this.#today),
      Math.min(missingSince, this.#today - 1),
    )
    const days = this.#daysOf(contact)
    for (const [day, addresses] of days) {
      if (day >= first) continue
      this.#ports.watch.removeAddresses(addresses)
      days.delete(day)
    }
    const wanted = Array.from({ length: this.#today + 2 - first }, (_, i) => first + i)
    return wanted.filter((day) => !days.has(day))
  }

  #daysOf(contact: Contact): Map<number, readonly Address[]> {
    const days = this.#days.get(contact) ?? new Map<number, readonly Address[]>()
    this.#days.set(contact, days)
    return days
  }

  #watchDay(contact: Contact, day: number): void {
    const place = this.#placeOf(contact, day)
    if (place === undefined) return
    let { chain } = place
    const addresses = Array.from({ length: RESET_SLOTS }, (_, slot) => {
      const { next, keys } = advanceChain(chain)
      chain = next
      const address = addressOf(place.root, keys.blind)
      wipeBoxKeys(keys)
      this.#ports.watch.add(address, { kind: 'reset', contact, day, slot })
      return address
    })
    this.#daysOf(contact).set(day, addresses)
  }

  #placeOf({ keys }: Contact, day: number): RendezvousPlace | undefined {
    const { resetSecret, theirAccount } = keys
    if (resetSecret === undefined || theirAccount === undefined) return undefined
    return resetPlace(this.#options.networkId, resetSecret, theirAccount, day)
  }

  /** False while a day of this contact is not watched. */
  isFull(contact: Contact): boolean {
    return !this.#short.has(contact)
  }

  /** What is watched for a contact, by the day of publishing. */
  *addresses(contact: Contact): Generator<{ readonly address: Address; readonly day: number }> {
    for (const [day, addresses] of this.#daysOf(contact)) {
      for (const address of addresses) yield { address, day }
    }
  }

  /** Keys of the box in a slot; undefined when the contact has ended. */
  keysOf(contact: Contact, day: number, slot: number): BoxKeys | undefined {
    const place = this.#placeOf(contact, day)
    return place && keysAt(place, slot)
  }
}
