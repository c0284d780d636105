import { type Address, toHex } from '../base/index.ts'
import { ADDRESSES_PER_TURN, TAKEN_MAX } from './constants.ts'
import { type Contact, streamsOf } from './contact.ts'
import type { StreamReader, WatchedAddress } from './reader.ts'

/** What a heard address means to this device. */
export type WatchRef =
  | {
      readonly kind: 'stream'
      readonly contact: Contact
      readonly reader: StreamReader
      readonly tag: string
      readonly index: number
    }
  | {
      readonly kind: 'candidate'
      readonly contact: Contact
      readonly claimer: string
      readonly tag: string
      readonly index: number
    }
  | { readonly kind: 'claim'; readonly contact: Contact; readonly index: number }
  | { readonly kind: 'verdict'; readonly contact: Contact; readonly index: number }
  | {
      readonly kind: 'reset'
      readonly contact: Contact
      readonly day: number
      readonly slot: number
    }
  /** Its box was read: another one under it is equivocation. */
  | { readonly kind: 'taken'; readonly contact: Contact; readonly reader: StreamReader }

/**
 * Every address that any conversation of this device waits for, in one map: hearing a box is one look-up. The
 * look-up is the same for a box of ours and for a stranger's.
 */
export class Watch {
  readonly #refs = new Map<string, WatchRef>()
  readonly #taken = new Map<string, { readonly contact: Contact; readonly reader: StreamReader }>()
  /** Contacts whose windows may lack addresses. */
  readonly #short = new Set<Contact>()
  #fresh: Address[] = []

  add(address: Address, ref: WatchRef): void {
    const key = toHex(address)
    if (this.#refs.has(key)) return
    this.#refs.set(key, ref)
    this.#fresh.push(address)
  }

  addStream(contact: Contact, reader: StreamReader, entries: readonly WatchedAddress[]): void {
    for (const { tag, index, address } of entries) {
      this.add(address, { kind: 'stream', contact, reader, tag, index })
    }
  }

  addCandidate(contact: Contact, claimer: string, entries: readonly WatchedAddress[]): void {
    for (const { tag, index, address } of entries) {
      this.add(address, { kind: 'candidate', contact, claimer, tag, index })
    }
  }

  /** A window of this contact was opened or has moved: `fill` derives what it lacks. */
  widen(contact: Contact): void {
    this.#short.add(contact)
  }

  /** Derives and adds at most `ADDRESSES_PER_TURN` addresses that windows lack. False when none does. */
  fill(): boolean {
    let left = ADDRESSES_PER_TURN
    for (const contact of this.#short) {
      left -= this.#fillOne(contact, left)
      if (left === 0) return true
      this.#short.delete(contact)
    }
    return left < ADDRESSES_PER_TURN
  }

  #fillOne(contact: Contact, count: number): number {
    let added = 0
    for (const reader of streamsOf(contact)) {
      const stream = reader.extend(count - added)
      this.addStream(contact, reader, stream)
      added += stream.length
    }
    for (const [claimer, reader] of contact.claims) {
      const candidate = reader.extend(count - added)
      this.addCandidate(contact, claimer, candidate)
      added += candidate.length
    }
    return added
  }

  find(address: Address): WatchRef | undefined {
    const key = toHex(address)
    const taken = this.#taken.get(key)
    return this.#refs.get(key) ?? (taken && { kind: 'taken', ...taken })
  }

  /** The box of this address was read; its memory fades after `TAKEN_MAX` further boxes. */
  take(contact: Contact, reader: StreamReader, address: Address): void {
    const key = toHex(address)
    this.#refs.delete(key)
    this.#taken.set(key, { contact, reader })
    for (const oldest of this.#taken.keys()) {
      if (this.#taken.size <= TAKEN_MAX) break
      this.#taken.delete(oldest)
    }
  }

  removeEntries(entries: readonly WatchedAddress[]): void {
    this.removeAddresses(entries.map(({ address }) => address))
  }

  removeAddresses(addresses: readonly Address[]): void {
    for (const address of addresses) this.#refs.delete(toHex(address))
  }

  removeContact(contact: Contact): void {
    this.#short.delete(contact)
    for (const [key, ref] of this.#refs) if (ref.contact === contact) this.#refs.delete(key)
    for (const [key, taken] of this.#taken) if (taken.contact === contact) this.#taken.delete(key)
  }

  /** Addresses added since the last call: their boxes may be in the local store already. */
  takeFresh(): Address[] {
    const fresh = this.#fresh
    this.#fresh = []
    return fresh
  }
}
