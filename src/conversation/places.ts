import type { Address } from '../base/index.ts'
import type { BoxKeys } from '../stream/index.ts'
import { type Contact, hasEnded, streamsOf } from './contact.ts'
import type { ConversationOptions } from './ports.ts'
import type { WatchedAddress } from './reader.ts'
import { addressesOf, claimPlace, keysAt, verdictPlace } from './rendezvous.ts'
import type { Watch } from './watch.ts'

/** Where the boxes of a contact can appear, beside its stream: the places of its invitation. */
export class Places {
  readonly #watch: Watch
  readonly #options: ConversationOptions
  /** They never change, and cost half a millisecond. */
  readonly #known = new WeakMap<Contact, readonly Address[]>()

  constructor(ports: { watch: Watch }, options: ConversationOptions) {
    this.#watch = ports.watch
    this.#options = options
  }

  /** Watches everything that this contact waits for, at creation and after a restart. Returns the addresses. */
  watchAll(contact: Contact): Address[] {
    if (hasEnded(contact)) return []
    const kind = contact.card.role === 'inviter' ? 'claim' : 'verdict'
    const places = this.addresses(contact)
    places.forEach((address, index) => this.#watch.add(address, { kind, contact, index }))
    const entries: WatchedAddress[] = []
    for (const reader of streamsOf(contact)) {
      const stream = reader.watched()
      this.#watch.addStream(contact, reader, stream)
      entries.push(...stream)
    }
    for (const [claimer, reader] of contact.claims) {
      const candidates = reader.watched()
      this.#watch.addCandidate(contact, claimer, candidates)
      entries.push(...candidates)
    }
    this.#watch.widen(contact)
    return [...places, ...entries.map(({ address }) => address)]
  }

  /** The invitation is over: nobody is waited for there any more. To be called before its secret goes. */
  unwatch(contact: Contact): void {
    this.#watch.removeAddresses(this.addresses(contact))
  }

  /** An inviter waits for claims until the invitation is over, a claimer for the verdict until it is ready. */
  addresses(contact: Contact): readonly Address[] {
    const { inviteSecret, inviterRoot } = contact.keys
    if (inviteSecret === undefined || hasEnded(contact)) return []
    const known = this.#known.get(contact)
    if (known !== undefined) return known
    const { networkId } = this.#options
    const place =
      contact.card.role === 'inviter'
        ? claimPlace(networkId, inviteSecret)
        : verdictPlace(networkId, inviteSecret, inviterRoot)
    const addresses = addressesOf(place)
    this.#known.set(contact, addresses)
    return addresses
  }

  /** Keys of the box under one of these addresses; undefined when the invitation is over. */
  keysOf(contact: Contact, kind: 'claim' | 'verdict', index: number): BoxKeys | undefined {
    const { inviteSecret, inviterRoot } = contact.keys
    const { networkId } = this.#options
    if (inviteSecret === undefined) return undefined
    return kind === 'claim'
      ? keysAt(claimPlace(networkId, inviteSecret), index)
      : keysAt(verdictPlace(networkId, inviteSecret, inviterRoot), index)
  }
}
