import { toHex } from '../base/index.ts'
import type { Batch } from '../store/index.ts'
import { type Contact, type FailureReason, hasEnded } from './contact.ts'
import { contactEvent, messageEvent } from './events.ts'
import type { History } from './history.ts'
import type { Ledger, Loss, Losses } from './ledger.ts'
import type { Lifecycle } from './lifecycle.ts'
import { advance, isFinal, type Message } from './message.ts'
import type { Outbox } from './outbox.ts'
import type { ConversationPorts } from './ports.ts'
import type { Recoveries } from './recoveries.ts'

export interface MendingPorts extends Pick<ConversationPorts, 'clock' | 'store'> {
  readonly ledger: Ledger
  readonly history: History
  readonly outbox: Outbox
  readonly lifecycle: Lifecycle
  readonly recoveries: Recoveries
}

/**
 * What a start finds rolled back or damaged: each contact goes on or ends by itself, every message that cannot go on is
 * reported, and all others are not touched.
 */
export class Mending {
  readonly #ports: MendingPorts
  /** Contacts whose texts were numbered anew since the start: what it has lost is no hole in their streams any more. */
  readonly #renumbered = new WeakSet<Contact>()

  constructor(ports: MendingPorts) {
    this.#ports = ports
  }

  /** After ledger and outbox were loaded, before anything is watched or written. Durable when it resolves. */
  async run(losses: Losses): Promise<void> {
    const { store, ledger } = this.#ports
    const contacts = new Map(losses.contacts)
    // Looked for only now: it reads all of the history.
    const messages = losses.records.length > 0 ? await this.#orphans() : []
    const batch = store.batch()
    ledger.dropRows(batch, losses.records)
    for (const message of messages) {
      this.#lose(batch, message)
      // The key of its row is damaged too.
      const contact = ledger.contacts.get(toHex(message.contactId))
      if (contact !== undefined && !contacts.has(contact)) contacts.set(contact, 'streams')
    }
    let any = losses.records.length > 0
    for (const contact of ledger.contacts.values()) {
      const loss = contacts.get(contact)
      if (hasEnded(contact)) continue
      const held = losses.held.get(contact) ?? 0
      const isBroken = loss !== undefined || contact.card.storeEpoch !== store.epoch
      if (!isBroken && held === 0) continue
      any = true
      for (const { reader } of contact.formers) reader.forgetLost()
      if (isBroken) this.#goOn(batch, contact, loss)
      else ledger.saveReader(batch, contact)
      // What was acknowledged of it is not sent again.
      if (held > 0) contactEvent(batch, contact, 'message.gap', { missing: String(held) })
    }
    if (any) await batch.commit()
  }

  /**
   * Ends messages whose records were gone at the start, and were missed only since. Their contacts come back as new
   * devices, once for all that a start has lost, and as often as that may be. Durable when it resolves.
   */
  async end(messages: readonly Message[]): Promise<void> {
    const { store, ledger, history, recoveries } = this.#ports
    const batch = store.batch()
    for (const message of messages) {
      if (history.hides(message)) continue
      this.#lose(batch, message)
      const contact = ledger.contacts.get(toHex(message.contactId))
      if (contact === undefined || this.#renumbered.has(contact)) continue
      const isUnderWay = contact.card.phase === 'recovering'
      if (isUnderWay || recoveries.tryBegin(batch, contact)) this.#renumbered.add(contact)
    }
    await batch.commit()
  }

  /**
   * Streams that were rolled back would use addresses twice, without their keys they cannot go on, and a number whose
   * record is lost would be waited for: this device comes back as a new one. Where that cannot be said to the other
   * side the contact ends.
   */
  #goOn(batch: Batch, contact: Contact, loss: Loss | undefined): void {
    const { recoveries, lifecycle } = this.#ports
    const canGoOn = loss === undefined || loss === 'streams'
    if (canGoOn && recoveries.isPossible(contact)) {
      recoveries.begin(batch, contact)
      this.#renumbered.add(contact)
    } else lifecycle.fail(batch, contact, reasonOf(loss))
  }

  /** Messages that are not final and have no record any more: nothing would ever end them. */
  async #orphans(): Promise<Message[]> {
    const { history, outbox } = this.#ports
    const found: Message[] = []
    for await (const message of history.all()) {
      const isUnderWay = message.direction === 'out' && !isFinal(message.state)
      if (isUnderWay && outbox.live(message.number) === undefined) found.push(message)
    }
    return found
  }

  #lose(batch: Batch, message: Message): void {
    const { clock, history } = this.#ports
    const reason = 'record lost'
    if (!advance(message, { state: 'failed', at: clock.now(), reason })) return
    history.put(batch, message)
    messageEvent(batch, message, 'message.failed', { reason })
  }
}

function reasonOf(loss: Loss | undefined): FailureReason {
  if (loss === undefined) return 'restored from a backup'
  return loss === 'card' ? 'card lost' : 'keys lost'
}
