import type { Address } from '../base/index.ts'
import type { BoxKeys } from '../stream/index.ts'
import { hasEnded, type Contact } from './contact.ts'
import type { ConversationOptions } from './ports.ts'
import { addressesOf, claimPlace, keysAt, verdictPlace } from './rendezvous.ts'
import type { Watch } from './watch.ts'

/** Where the boxes of a contact can appear, beside its stream: the places of its invitation. */
export class Places {
  readonly #watch: Watch
  readonly #options: ConversationOptions

  constructor(ports: { watch: Watch }, options: ConversationOptions) {
    this.#watch = ports.watch
    this.#options = options
  }

  /** Watches everything that this contact waits for: at creation and after a restart. */
  watchAll(contact: Contact): void {
    if (hasEnded(contact)) return
    const kind = contact.card.role === 'inviter' ? 'claim' : 'verdict'
    this.addresses(contact).forEach((address, index) => {
      this.#watch.add(address, { kind, contact, index })
    })
    this.#watch.addStream(contact, contact.reader?.watched() ?? [])
    for (const [claimer, reader] of contact.claims) {
      this.#watch.addCandidate(contact, claimer, reader.watched())
    }
  }

  /** The invitation is over: nobody is waited for there any more. To be called before its secret goes. */
  unwatch(contact: Contact): void {
    this.#watch.removeAddresses(this.addresses(contact))
  }

  /** An inviter waits for claims until the invitation is over, a claimer for the verdict until it is ready. */
  addresses(contact: Contact): readonly Address[] {
    const { role, phase } = contact.card
    const { inviteSecret, inviterRoot } = contact.keys
    const { networkId } = this.#options
    if (inviteSecret === undefined || phase === 'failed') return []
    if (role === 'inviter') return addressesOf(claimPlace(networkId, inviteSecret))
    return addressesOf(verdictPlace(networkId, inviteSecret, inviterRoot))
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
