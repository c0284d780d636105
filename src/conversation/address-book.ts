import { HearsayError, type NetworkId, toHex } from '../base/index.ts'
import { ALIAS_BYTES_MAX, CONTACTS_MAX, EXCHANGE_BOXES } from './constants.ts'
import { type Contact, type ContactCard, hasMet } from './contact.ts'
import type { Ledger } from './ledger.ts'
import { safetyNumberOf } from './parties.ts'

/** A contact as others see it. */
export interface ContactSummary {
  readonly id: Uint8Array
  readonly alias: string
  readonly role: 'inviter' | 'claimer'
  readonly inviteId: string
  readonly inviteExpiresAt: number
  readonly phase: ContactCard['phase']
  readonly reason: string
  readonly verified: boolean
  readonly createdAt: number
  readonly lastHeardAt: number
  readonly boxesDone: number
  readonly boxesTotal: number
  /** From `ready` on. */
  readonly safetyNumber: string | undefined
}

/** Contacts by name. Names are chosen here and never leave this device. */
export class AddressBook {
  readonly #ledger: Ledger
  readonly #networkId: NetworkId

  constructor(ports: { ledger: Ledger }, options: { networkId: NetworkId }) {
    this.#ledger = ports.ledger
    this.#networkId = options.networkId
  }

  /** By alias or by id. @throws HearsayError `contact-not-found`. */
  find(aliasOrId: string): Contact {
    for (const contact of this.#ledger.contacts.values()) {
      if (contact.card.alias === aliasOrId) return contact
    }
    const id = Buffer.from(aliasOrId, 'base64url')
    const contact = this.#ledger.contacts.get(toHex(id))
    if (contact === undefined || id.toString('base64url') !== aliasOrId) {
      throw new HearsayError('contact-not-found', 'no contact with this name or id')
    }
    return contact
  }

  /** @throws HearsayError `bad-value`, `contact-exists`. */
  checkAlias(alias: string): void {
    const bytes = Buffer.byteLength(alias)
    const printable = /^[^\p{C}]+$/u.test(alias) && alias.trim() === alias
    if (bytes < 1 || bytes > ALIAS_BYTES_MAX || !printable) {
      throw new HearsayError('bad-value', 'a name is 1 to 64 bytes of printable text')
    }
    for (const contact of this.#ledger.contacts.values()) {
      if (contact.card.alias === alias) {
        throw new HearsayError('contact-exists', 'another contact has this name')
      }
    }
  }

  /** Room for one more contact. @throws HearsayError `quota-exceeded`. */
  checkRoom(): void {
    if (this.#ledger.contacts.size >= CONTACTS_MAX) {
      throw new HearsayError('quota-exceeded', 'too many contacts')
    }
  }

  summary(contact: Contact): ContactSummary {
    const { card } = contact
    return {
      id: contact.id,
      alias: card.alias,
      role: card.role,
      inviteId: card.inviteId,
      inviteExpiresAt: card.inviteExpiresAt,
      phase: card.phase,
      reason: card.reason,
      verified: card.verified,
      createdAt: card.createdAt,
      lastHeardAt: card.lastHeardAt,
      boxesDone: Math.min(card.boxesDone, EXCHANGE_BOXES),
      boxesTotal: EXCHANGE_BOXES,
      safetyNumber: hasMet(contact) ? safetyNumberOf(contact, this.#networkId) : undefined,
    }
  }
}
