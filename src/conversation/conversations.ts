import { type Address, type BoxBytes, HearsayError, toHex } from '../base/index.ts'
import { constantTimeEqual } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { boxHash, parseBox } from '../stream/index.ts'
import { ALIAS_BYTES_MAX, CONTACTS_MAX, EXCHANGE_BOXES, INVITE_TTL_MS_MAX } from './constants.ts'
import type { Contact } from './contact.ts'
import { Exchange } from './exchange.ts'
import { History, type Message, type MessageFilter } from './history.ts'
import { type Heard, Incoming } from './incoming.ts'
import { Ledger } from './ledger.ts'
import { Outgoing } from './outgoing.ts'
import { type BoxSource, type ConversationOptions, type ConversationPorts } from './ports.ts'
import { Repair, type RepairJob } from './repair.ts'
import { Watch } from './watch.ts'

/** Boxes that wait for the next slot. Past it a box is left to the local store and found there again. */
const HEARD_MAX = 4096

/** A contact as others see it. */
export interface ContactSummary {
  readonly id: Uint8Array
  readonly alias: string
  readonly role: 'inviter' | 'claimer'
  readonly inviteId: string
  readonly inviteExpiresAt: number
  readonly phase: Contact['card']['phase']
  readonly reason: string
  readonly verified: boolean
  readonly createdAt: number
  readonly lastHeardAt: number
  readonly boxesDone: number
  readonly boxesTotal: number
  readonly safetyNumber: string | undefined
}

/**
 * All conversations of one device in one network: the only entry of this module. Work is done in slots
 * (`work`, `nextBox`, `nextRepair`); what arrives is only noted (`hear`). Mutations add to the caller's batch
 * and are in force at once; the caller commits in the same turn and promises nothing before that.
 */
export class Conversations {
  readonly #ports: ConversationPorts
  readonly #options: ConversationOptions
  readonly #ledger: Ledger
  readonly #history: History
  readonly #watch = new Watch()
  readonly #outgoing: Outgoing
  readonly #exchange: Exchange
  readonly #incoming: Incoming
  readonly #repair: Repair
  #heard: Heard[] = []
  #rescan = false

  constructor(ports: ConversationPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
    const { clock, rng, store, jobs, log, linked } = ports
    const ledger = new Ledger({ store, rng }, options)
    const history = new History({ store })
    const watch = this.#watch
    this.#ledger = ledger
    this.#history = history
    this.#repair = new Repair(
      {
        clock,
        ledger,
        onBox: (box) => this.hear(box, { source: 'fetch', confirmed: true, conflict: false }),
        onStored: (messages) => this.#storedMessages.push(...messages),
      },
      options,
    )
    const repair = this.#repair
    this.#outgoing = new Outgoing(
      {
        clock,
        rng,
        store,
        linked,
        ledger,
        history,
        onLeft: (address, day, messages) => repair.audit(address, day, messages),
      },
      options,
    )
    const outgoing = this.#outgoing
    this.#exchange = new Exchange(
      { clock, rng, store, jobs, log, ledger, outgoing, watch },
      options,
    )
    const exchange = this.#exchange
    this.#incoming = new Incoming(
      { clock, rng, store, jobs, log, ledger, history, outgoing, exchange, watch },
      options,
    )
  }

  readonly #storedMessages: number[] = []

  /** Loads everything and looks for boxes that came while nobody listened. */
  async start(): Promise<void> {
    await this.#history.load()
    await this.#ledger.load()
    await this.#outgoing.load()
    for (const contact of this.#ledger.contacts.values()) this.#exchange.watchPlaces(contact)
    this.catchUp()
  }

  /** After any absence: what may have been missed is looked for here and at the keepers. */
  catchUp(): void {
    this.#rescan = true
    this.#repair.catchUp()
  }

  // What arrives

  /** Notes a verified box if any conversation waits for it. Cheap, and the same for every box. */
  hear(
    box: BoxBytes,
    how: { readonly source: BoxSource; readonly confirmed: boolean; readonly conflict: boolean },
  ): void {
    const { address, expiryDay } = parseBox(box)
    const ref = this.#watch.find(address)
    if (ref === undefined) return
    if (this.#heard.length >= HEARD_MAX) {
      this.#rescan = true
      return
    }
    if (how.conflict && ref.kind !== 'claim') this.#equivocated.add(ref.contact)
    if (!how.confirmed && ref.kind === 'stream') ref.contact.unconfirmed.add(toHex(boxHash(box)))
    this.#heard.push({ ref, box: box.slice() as BoxBytes, day: expiryDay - this.#options.ttlDays })
  }

  readonly #equivocated = new Set<Contact>()

  /** Further peers have this box too: reactions to it need not wait any more. */
  confirmed(hash: Uint8Array): void {
    const key = toHex(hash)
    for (const contact of this.#ledger.contacts.values()) contact.unconfirmed.delete(key)
  }

  /** The slot's work: everything heard since the last slot, then what time and keys ask for. */
  async work(signal: AbortSignal): Promise<void> {
    await this.#drain()
    await this.#incoming.tick()
    await this.#incoming.runJobs(signal)
    await this.#drain()
    if (this.#storedMessages.length > 0) {
      await this.#outgoing.stored(this.#storedMessages.splice(0))
    }
  }

  async #drain(): Promise<void> {
    if (this.#rescan) {
      this.#rescan = false
      for (const contact of this.#ledger.contacts.values()) this.#exchange.watchPlaces(contact)
      await this.#lookUp(this.#watch.addresses())
    }
    for (;;) {
      const fresh = this.#watch.takeFresh()
      if (fresh.length > 0) await this.#lookUp(fresh)
      const heard = this.#heard
      if (heard.length === 0) break
      this.#heard = []
      await this.#incoming.take(heard)
    }
    await this.#failEquivocated()
  }

  async #lookUp(addresses: readonly Address[]): Promise<void> {
    for (const { box, confirmed } of await this.#ports.boxes.find(addresses)) {
      this.hear(box, { source: 'store', confirmed, conflict: false })
    }
  }

  async #failEquivocated(): Promise<void> {
    for (const contact of this.#equivocated) {
      this.#equivocated.delete(contact)
      const batch = this.#ports.store.batch()
      this.#exchange.fail(batch, contact, 'equivocation')
      await batch.commit()
    }
  }

  // What leaves

  /** See `Outgoing.nextBox`. */
  nextBox(): Promise<BoxBytes | undefined> {
    return this.#outgoing.nextBox()
  }

  published(box: BoxBytes, peers: number): Promise<void> {
    return this.#outgoing.published(box, peers)
  }

  nextRepair(): RepairJob | undefined {
    return this.#repair.next()
  }

  // Contacts

  /** @throws HearsayError `contact-exists`, `bad-value`, `quota-exceeded`. */
  invite(
    batch: Batch,
    params: { alias: string | undefined; ttlMs: number },
  ): { contact: ContactSummary; uri: string } {
    const alias = params.alias ?? `invite-${toHex(this.#ports.rng.bytes(3))}`
    this.#checkAlias(alias)
    const { ttlMs } = params
    if (!Number.isSafeInteger(ttlMs) || ttlMs < 60_000 || ttlMs > INVITE_TTL_MS_MAX) {
      throw new HearsayError('bad-value', 'an invitation lives for 1 minute to 14 days')
    }
    const { contact, uri } = this.#exchange.invite(batch, alias, ttlMs)
    return { contact: this.#summary(contact), uri }
  }

  /** @throws HearsayError as `invite`, and the faults of an invitation. */
  add(batch: Batch, params: { uri: string; alias: string }): ContactSummary {
    this.#checkAlias(params.alias)
    return this.#summary(this.#exchange.claim(batch, params.uri, params.alias))
  }

  /** @throws HearsayError `not-found`; `message-too-late` when the contact is beyond `waiting`. */
  cancelInvite(batch: Batch, inviteId: string): void {
    for (const contact of this.#ledger.contacts.values()) {
      if (contact.card.inviteId !== inviteId || inviteId === '') continue
      if (contact.card.phase !== 'waiting' && contact.card.phase !== 'exchanging') {
        throw new HearsayError('message-too-late', 'the invitation has been used or has ended')
      }
      this.#exchange.fail(batch, contact, 'cancelled')
      return
    }
    throw new HearsayError('not-found', 'no invitation with this id')
  }

  contacts(): ContactSummary[] {
    return [...this.#ledger.contacts.values()].map((contact) => this.#summary(contact))
  }

  /** By alias or by id. @throws HearsayError `contact-not-found`. */
  contact(aliasOrId: string): ContactSummary {
    return this.#summary(this.#find(aliasOrId))
  }

  rename(batch: Batch, aliasOrId: string, alias: string): ContactSummary {
    const contact = this.#find(aliasOrId)
    if (contact.card.alias !== alias) this.#checkAlias(alias)
    contact.card.alias = alias
    this.#ledger.saveCard(batch, contact)
    this.#exchange.event(batch, contact, 'contact.renamed')
    return this.#summary(contact)
  }

  /** @throws HearsayError `identity-changed` when the numbers differ; `contact-not-ready`. */
  verify(batch: Batch, aliasOrId: string, number: string): void {
    const contact = this.#find(aliasOrId)
    const own = this.#exchange.safetyNumber(contact)
    if (own === undefined || contact.card.phase !== 'ready') {
      throw new HearsayError('contact-not-ready', 'there is no safety number yet')
    }
    const digits = (text: string) => Buffer.from(text.replaceAll(/\D/g, ''))
    if (!constantTimeEqual(digits(own), digits(number))) {
      throw new HearsayError(
        'identity-changed',
        'the safety numbers differ: this is not the person you think, or somebody sits in between',
      )
    }
    contact.card.verified = true
    this.#ledger.saveCard(batch, contact)
    this.#exchange.event(batch, contact, 'contact.verified')
  }

  /**
   * Prepares to erase a contact: keys, streams, history. The result fills a batch in one turn; the caller
   * redacts the events that mention the contact in it and compacts the store after it.
   */
  async toRemove(aliasOrId: string): Promise<(batch: Batch) => void> {
    const contact = this.#find(aliasOrId)
    const messages = await this.#history.allOf(contact.id)
    return (batch) => {
      this.#exchange.fail(batch, contact, 'cancelled')
      this.#outgoing.forget(contact)
      this.#history.erase(batch, contact.id, messages)
      this.#ledger.erase(batch, contact, false)
      this.#exchange.event(batch, contact, 'contact.removed')
    }
  }

  // Messages

  /** @throws HearsayError `contact-not-found`, `contact-not-ready`, `record-too-large`, `quota-exceeded`. */
  send(
    batch: Batch,
    params: { to: string; text: string; expiresInMs: number | undefined },
  ): Message {
    const contact = this.#find(params.to)
    const ttlMs = this.#options.ttlDays * 86_400_000
    const expiresAt = this.#ports.clock.now() + Math.min(params.expiresInMs ?? ttlMs, ttlMs)
    return this.#outgoing.accept(batch, contact, params.text, expiresAt)
  }

  /** @throws HearsayError `message-not-found`. */
  async message(id: Uint8Array): Promise<Message> {
    const stored = await this.#history.byId(id)
    if (stored === undefined) throw new HearsayError('message-not-found', 'no message with this id')
    return this.#outgoing.live(stored.number) ?? stored
  }

  async messages(filter: MessageFilter): Promise<Message[]> {
    const found = await this.#history.list(filter)
    return found.map((message) => this.#outgoing.live(message.number) ?? message)
  }

  /** Accepted and not final, oldest first. */
  outbox(): readonly Message[] {
    return this.#outgoing.liveMessages.toSorted((a, b) => a.number - b.number)
  }

  /** @throws HearsayError `message-too-late` with `alreadySent`. */
  cancel(batch: Batch, message: Message): void {
    this.#outgoing.cancel(batch, message)
  }

  /** The received, unread messages among these. @throws HearsayError `message-not-found`. */
  async toMarkRead(ids: readonly Uint8Array[]): Promise<Message[]> {
    const messages = await Promise.all(ids.map((id) => this.message(id)))
    return messages.filter((message) => message.direction === 'in' && !message.read)
  }

  /** Marks messages as read, here only. */
  markRead(batch: Batch, messages: readonly Message[]): void {
    for (const message of messages) {
      message.read = true
      this.#history.put(batch, message)
    }
  }

  depth(): { queued: number; oldestAt: number | undefined; toFetch: number; messages: number } {
    return {
      ...this.#outgoing.depth(),
      toFetch: this.#repair.pending,
      messages: this.#history.count,
    }
  }

  #find(aliasOrId: string): Contact {
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

  #checkAlias(alias: string): void {
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
    if (this.#ledger.contacts.size >= CONTACTS_MAX) {
      throw new HearsayError('quota-exceeded', 'too many contacts')
    }
  }

  #summary(contact: Contact): ContactSummary {
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
      safetyNumber: card.phase === 'ready' ? this.#exchange.safetyNumber(contact) : undefined,
    }
  }
}
