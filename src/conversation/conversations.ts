import { type Address, type BoxBytes, DAY_MS, HearsayError, toHex } from '../base/index.ts'
import { constantTimeEqual } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import type { AddressBook, ContactSummary } from './address-book.ts'
import { assemble } from './assemble.ts'
import type { AuditTally } from './audits.ts'
import { INVITE_TTL_MS_MAX, INVITE_TTL_MS_MIN } from './constants.ts'
import { type Contact, hasEnded, hasMet } from './contact.ts'
import { contactEvent } from './events.ts'
import type { Exchange } from './exchange.ts'
import type { History, MessageFilter } from './history.ts'
import type { Incoming } from './incoming.ts'
import type { JobQueue } from './job-queue.ts'
import type { Ledger } from './ledger.ts'
import type { Lifecycle } from './lifecycle.ts'
import { isOfOneWriter, type Listener } from './listener.ts'
import type { Mending } from './mending.ts'
import type { Message } from './message.ts'
import type { Orphans } from './orphans.ts'
import type { Outbox, OutboxDepth } from './outbox.ts'
import { safetyNumberOf } from './parties.ts'
import type { Places } from './places.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import type { Recoveries } from './recoveries.ts'
import type { Removals } from './removals.ts'
import type { LookUps, LookUp } from './look-ups.ts'
import type { ResetPlaces } from './reset-places.ts'
import type { Sender } from './sender.ts'
import type { WaitClock } from './wait-clock.ts'
import type { Watch, WatchRef } from './watch.ts'

/**
 * All conversations of one device in one network: the only entry of this module. Work is done in slots
 * (`work`, `nextBox`, `nextLookUp`); what arrives is only noted (`hear`). Mutations add to the caller's batch
 * and are in force at once; the caller commits in the same turn and promises nothing before that.
 */
export class Conversations {
  readonly #ports: ConversationPorts
  readonly #options: ConversationOptions
  readonly #waits: WaitClock
  readonly #ledger: Ledger
  readonly #history: History
  readonly #watch: Watch
  readonly #places: Places
  readonly #outbox: Outbox
  readonly #orphans: Orphans
  readonly #recoveries: Recoveries
  readonly #resets: ResetPlaces
  readonly #lifecycle: Lifecycle
  readonly #mending: Mending
  readonly #removals: Removals
  readonly #exchange: Exchange
  readonly #incoming: Incoming
  readonly #jobs: JobQueue
  readonly #listener: Listener
  readonly #lookUps: LookUps
  readonly #sender: Sender
  readonly #book: AddressBook
  readonly #stored: number[]
  /** Of contacts that have begun anew too often today: one conflict each, for it ends the stream of all. */
  readonly #postponed = new Map<Contact, WatchRef>()

  constructor(ports: ConversationPorts, options: ConversationOptions) {
    const parts = assemble(ports, options)
    this.#ports = ports
    this.#options = options
    this.#waits = parts.waits
    this.#ledger = parts.ledger
    this.#history = parts.history
    this.#watch = parts.watch
    this.#places = parts.places
    this.#outbox = parts.outbox
    this.#orphans = parts.orphans
    this.#recoveries = parts.recoveries
    this.#resets = parts.resets
    this.#lifecycle = parts.lifecycle
    this.#mending = parts.mending
    this.#removals = parts.removals
    this.#exchange = parts.exchange
    this.#incoming = parts.incoming
    this.#jobs = parts.jobs
    this.#listener = parts.listener
    this.#lookUps = parts.lookUps
    this.#sender = parts.sender
    this.#book = parts.book
    this.#stored = parts.stored
  }

  /** Loads everything and looks for boxes that came while nobody listened. */
  async start(): Promise<void> {
    await this.#waits.load()
    await this.#history.load()
    const losses = await this.#ledger.load()
    await this.#outbox.load()
    await this.#mending.run(losses)
    this.catchUp()
  }

  /** After any absence: what may have been missed is looked for here and at the keepers. */
  catchUp(): void {
    this.#listener.rescan()
    this.#lookUps.catchUp()
  }

  // What arrives

  /**
   * Notes a verified box of gossip if any conversation waits for it. Cheap, and the same for every box. `conflict`: another
   * box was heard under its address.
   */
  hear(box: BoxBytes, { conflict }: { readonly conflict: boolean }): void {
    this.#listener.hear(box, conflict)
  }

  /** The local store gives the box of this address out from now on: further peers have it too. */
  confirmed(address: Address): void {
    this.#listener.confirmed(address)
  }

  /**
   * The slot's work: everything heard since the last slot, then what time and keys ask for. One call at a
   * time.
   */
  async work(signal: AbortSignal): Promise<void> {
    await this.#drain()
    await this.#incoming.tick()
    await this.#jobs.run(signal)
    await this.#drain()
    this.#lookUps.settled()
    if (this.#stored.length > 0) await this.#outbox.stored(this.#stored.splice(0))
    const orphans = this.#orphans.take()
    if (orphans.length > 0) await this.#mending.end(orphans)
  }

  /** Looks for messages that nothing would ever end, a few with each call: see `Orphans`. One call at a time. */
  lookForOrphans(): Promise<void> {
    return this.#orphans.look()
  }

  async #drain(): Promise<void> {
    if (this.#listener.takeRescan()) await this.#rescan()
    // A little at a time: whoever times this node's packets must not see that it heard a contact.
    for (;;) {
      const isFilling = this.#watch.fill() || this.#resets.fill()
      const confirmed = this.#listener.takeConfirmed()
      await this.#listener.lookUp([...this.#watch.takeFresh(), ...confirmed])
      // First: once the box is read, a stop would leave nothing that tells of the other one.
      await this.#endEquivocated()
      const heard = this.#listener.takeHeard()
      if (heard.length > 0) await this.#incoming.take(heard)
      else if (!isFilling && confirmed.length === 0) break
    }
  }

  async #rescan(): Promise<void> {
    for (const contact of this.#ledger.contacts.values()) {
      const addresses = this.#places.watchAll(contact)
      for (const { address } of this.#resets.addresses(contact)) addresses.push(address)
      // They are among these, or belong to a contact that comes next.
      this.#watch.takeFresh()
      await this.#listener.lookUp(addresses)
    }
  }

  async #endEquivocated(): Promise<void> {
    const postponed = [...this.#postponed.values()]
    this.#postponed.clear()
    for (const ref of [...postponed, ...this.#listener.takeConflicts()]) {
      const claimer = claimerOf(ref)
      if (claimer !== undefined) {
        this.#exchange.dropClaim(ref.contact, claimer)
        continue
      }
      // A stream that was left because of one conflict has no further ones.
      if (hasEnded(ref.contact) || !isOfOneWriter(ref)) continue
      await this.#equivocated(ref)
    }
  }

  /** Its writer was put back and cannot know it, or is not alone: these keys are over, the contact need not be. */
  async #equivocated(ref: WatchRef): Promise<void> {
    const { contact } = ref
    const batch = this.#ports.store.batch()
    if (!this.#recoveries.isPossible(contact)) {
      this.#lifecycle.fail(batch, contact, 'equivocation')
    } else if (this.#recoveries.hasBudget(contact)) {
      contactEvent(batch, contact, 'contact.equivocated')
      this.#recoveries.tryBegin(batch, contact)
    } else {
      // As every other reason to begin anew it waits for its day.
      this.#postponed.set(contact, ref)
      return
    }
    await batch.commit()
  }

  // What leaves

  /** See `Sender.nextBox`. */
  nextBox(): Promise<BoxBytes | undefined> {
    return this.#sender.nextBox()
  }

  /** See `Sender.published`. */
  published(box: BoxBytes, hasLeft: boolean): Promise<void> {
    return this.#sender.published(box, hasLeft)
  }

  /** The next look-up at the keepers, or undefined when nothing is due. */
  nextLookUp(): LookUp | undefined {
    return this.#lookUps.next()
  }

  /** Of the last own boxes that their keepers were asked for: how many nobody had. */
  audited(): AuditTally {
    return this.#lookUps.audited
  }

  /** True while look-ups of the last catch-up are due or under way. */
  isCatchingUp(): boolean {
    return this.#lookUps.isCatchingUp
  }

  /** Look-ups of the running catch-up: how many are over, of how many that are known to be due. */
  catchUpProgress(): { readonly done: number; readonly total: number } {
    return this.#lookUps.progress
  }

  /** Whether there is anybody whose boxes may have been missed. */
  hasContacts(): boolean {
    return this.#ledger.contacts.size > 0
  }

  // Contacts

  /** @throws HearsayError `contact-exists`, `bad-value`, `quota-exceeded`. */
  invite(
    batch: Batch,
    params: { alias: string | undefined; ttlMs: number },
  ): { contact: ContactSummary; uri: string } {
    const alias = params.alias ?? `invite-${toHex(this.#ports.rng.bytes(3))}`
    this.#book.checkAlias(alias)
    this.#book.checkRoom()
    const { ttlMs } = params
    if (!Number.isSafeInteger(ttlMs) || ttlMs < INVITE_TTL_MS_MIN || ttlMs > INVITE_TTL_MS_MAX) {
      throw new HearsayError('bad-value', 'an invitation lives for 1 minute to 14 days')
    }
    const { contact, uri } = this.#lifecycle.invite(batch, alias, ttlMs)
    return { contact: this.#book.summary(contact), uri }
  }

  /** @throws HearsayError as `invite`, and the faults of an invitation. */
  add(batch: Batch, params: { uri: string; alias: string }): ContactSummary {
    this.#book.checkAlias(params.alias)
    this.#book.checkRoom()
    const contact = this.#lifecycle.claim(batch, params.uri, params.alias)
    this.#lookUps.probe(contact)
    return this.#book.summary(contact)
  }

  /** @throws HearsayError `not-found`; `invite-used` when the contact is ready or has failed. */
  cancelInvite(batch: Batch, inviteId: string): void {
    for (const contact of this.#ledger.contacts.values()) {
      if (contact.card.inviteId !== inviteId || inviteId === '') continue
      if (contact.card.phase !== 'waiting' && contact.card.phase !== 'exchanging') {
        throw new HearsayError('invite-used', 'the invitation has been used or has ended')
      }
      this.#lifecycle.fail(batch, contact, 'cancelled')
      return
    }
    throw new HearsayError('not-found', 'no invitation with this id')
  }

  contacts(): ContactSummary[] {
    return [...this.#ledger.contacts.values()].map((contact) => this.#book.summary(contact))
  }

  /** By alias or by id. @throws HearsayError `contact-not-found`. */
  contact(aliasOrId: string): ContactSummary {
    return this.#book.summary(this.#book.find(aliasOrId))
  }

  /** @throws HearsayError `contact-not-found`, `contact-exists`, `bad-value`. */
  rename(batch: Batch, aliasOrId: string, alias: string): ContactSummary {
    const contact = this.#book.find(aliasOrId)
    if (contact.card.alias !== alias) this.#book.checkAlias(alias)
    contact.card.alias = alias
    this.#ledger.saveCard(batch, contact)
    contactEvent(batch, contact, 'contact.renamed')
    return this.#book.summary(contact)
  }

  /** @throws HearsayError `identity-changed` when the numbers differ; `contact-not-ready`. */
  verify(batch: Batch, aliasOrId: string, number: string): void {
    const contact = this.#book.find(aliasOrId)
    const own = safetyNumberOf(contact, this.#options.networkId)
    if (own === undefined || !hasMet(contact)) {
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
    contactEvent(batch, contact, 'contact.verified')
  }

  /**
   * Ends a contact and erases its keys and streams; nothing of it is shown any more. What is left of it on disk is noted
   * durably, and erased by whoever asks `Removals`. Returns its id. @throws HearsayError `contact-not-found`.
   */
  remove(batch: Batch, aliasOrId: string): Uint8Array {
    const contact = this.#book.find(aliasOrId)
    this.#lifecycle.remove(batch, contact)
    this.#removals.note(batch, contact.id)
    this.#history.hide(contact.id)
    return contact.id
  }

  // Messages

  /** @throws HearsayError `contact-not-found`, and as `Outbox.accept`. */
  send(
    batch: Batch,
    params: { to: string; text: string; expiresInMs: number | undefined },
  ): Message {
    const contact = this.#book.find(params.to)
    const ttlMs = this.#options.ttlDays * DAY_MS
    const expiresAt = this.#waits.now() + Math.min(params.expiresInMs ?? ttlMs, ttlMs)
    return this.#outbox.accept(batch, contact, params.text, expiresAt)
  }

  /** @throws HearsayError `message-not-found`. */
  async message(id: Uint8Array): Promise<Message> {
    const stored = await this.#history.byId(id)
    if (stored === undefined) throw new HearsayError('message-not-found', 'no message with this id')
    return this.#outbox.live(stored.number) ?? stored
  }

  async messages(filter: MessageFilter): Promise<Message[]> {
    const found = await this.#history.list(filter)
    return found.map((message) => this.#outbox.live(message.number) ?? message)
  }

  /** Accepted and not final, oldest first. */
  outbox(): readonly Message[] {
    return this.#outbox.liveMessages.toSorted((a, b) => a.number - b.number)
  }

  /** @throws HearsayError `message-too-late` with `alreadySent`. */
  cancel(batch: Batch, message: Message): void {
    this.#outbox.cancel(batch, message)
  }

  /** The received, unread messages among these. @throws HearsayError `message-not-found`. */
  async toMarkRead(ids: readonly Uint8Array[]): Promise<Message[]> {
    const messages = await Promise.all(ids.map((id) => this.message(id)))
    return messages.filter((message) => message.direction === 'in' && !message.read)
  }

  /** Marks messages as read, here only. Those of a contact that was removed meanwhile stay erased. */
  markRead(batch: Batch, messages: readonly Message[]): void {
    for (const message of messages) {
      if (!this.#ledger.contacts.has(toHex(message.contactId))) continue
      message.read = true
      this.#history.put(batch, message)
    }
  }

  depth(): OutboxDepth & { readonly toFetch: number; readonly messages: number } {
    return {
      ...this.#outbox.depth(),
      toFetch: this.#lookUps.pending,
      messages: this.#history.count,
    }
  }
}

/** Whose claim it is of several that an address belongs to. */
function claimerOf(ref: WatchRef): string | undefined {
  if (ref.kind === 'candidate') return ref.claimer
  if (ref.kind !== 'taken') return undefined
  for (const [claimer, reader] of ref.contact.claims) if (reader === ref.reader) return claimer
  return undefined
}
