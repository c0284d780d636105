import { type Address, fromHex, toHex } from '../base/index.ts'
import type { Contact } from './contact.ts'
import type { WatchedAddress } from './reader.ts'

/** What a heard address means to this device. */
export type WatchRef =
  | { readonly kind: 'stream'; readonly contact: Contact; readonly tag: string; readonly index: number }
  | {
      readonly kind: 'candidate'
      readonly contact: Contact
      readonly claimer: string
      readonly tag: string
      readonly index: number
    }
  | { readonly kind: 'claim'; readonly contact: Contact; readonly index: number }
  | { readonly kind: 'verdict'; readonly contact: Contact }

/**
 * Every address that any conversation of this device waits for, in one map: hearing a box is one look-up. The
 * look-up is the same for a box of ours and for a stranger's.
 */
export class Watch {
  readonly #refs = new Map<string, WatchRef>()
  #fresh: Address[] = []

  add(address: Address, ref: WatchRef): void {
    const key = toHex(address)
    if (this.#refs.has(key)) return
    this.#refs.set(key, ref)
    this.#fresh.push(address)
  }

  addStream(contact: Contact, entries: readonly WatchedAddress[]): void {
    for (const { tag, index, address } of entries) {
      this.add(address, { kind: 'stream', contact, tag, index })
    }
  }

  addCandidate(contact: Contact, claimer: string, entries: readonly WatchedAddress[]): void {
    for (const { tag, index, address } of entries) {
      this.add(address, { kind: 'candidate', contact, claimer, tag, index })
    }
  }

  find(address: Address): WatchRef | undefined {
    return this.#refs.get(toHex(address))
  }

  remove(address: Address): void {
    this.#refs.delete(toHex(address))
  }

  removeEntries(entries: readonly WatchedAddress[]): void {
    for (const { address } of entries) this.remove(address)
  }

  removeContact(contact: Contact): void {
    for (const [key, ref] of this.#refs) if (ref.contact === contact) this.#refs.delete(key)
  }

  /** Addresses added since the last call: their boxes may be in the local store already. */
  takeFresh(): Address[] {
    const fresh = this.#fresh
    this.#fresh = []
    return fresh
  }

  addresses(): Address[] {
    return [...this.#refs.keys()].map((key) => fromHex(key) as Address)
  }

  get size(): number {
    return this.#refs.size
  }
}
