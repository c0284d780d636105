import { toBase64Url, toHex } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { MESSAGE_ID_BYTES, RECORDS_PER_TURN } from './constants.ts'
import { type Contact, streamsOf } from './contact.ts'
import type { History } from './history.ts'
import type { ConversationPorts } from './ports.ts'
import { type RecordOf, tryDecodeRecord } from './records.ts'

export interface InboxPorts extends Pick<ConversationPorts, 'clock'> {
  readonly history: History
}

/** By hexadecimal id: whether the history has a text. */
export type KnownTexts = Map<string, boolean>

/** Texts that arrive: each enters the history, and is told of, once. */
export class Inbox {
  readonly #ports: InboxPorts

  constructor(ports: InboxPorts) {
    this.#ports = ports
  }

  /**
   * Of the texts that may take effect next: whether the history has them. A device that came back, or whose contact
   * did, may be sent a text twice in two streams.
   */
  async lookUp(contact: Contact): Promise<KnownTexts> {
    const known: KnownTexts = new Map()
    for (const reader of streamsOf(contact)) {
      for (const bytes of reader.upcoming(RECORDS_PER_TURN)) {
        const body = tryDecodeRecord(bytes)
        if (body?.kind !== 'text') continue
        const id = receivedId(contact, body)
        known.set(toHex(id), await this.#ports.history.has(id))
      }
    }
    return known
  }

  /** False when it was not looked up yet whether the history has it: nothing is done then. */
  receive(batch: Batch, contact: Contact, body: RecordOf<'text'>, known: KnownTexts): boolean {
    const { clock, history } = this.#ports
    const now = clock.now()
    const id = receivedId(contact, body)
    const isKnown = known.get(toHex(id))
    if (isKnown !== false) return isKnown === true
    known.set(toHex(id), true)
    // The contact's clock may be wrong, or a lie; a message from the future would stay on top for ever.
    const sentAt = Math.min(body.sentAt, now)
    history.add(batch, {
      number: history.allocate(),
      id,
      contactId: contact.id,
      direction: 'in',
      text: body.text,
      sentAt,
      receivedAt: now,
      read: false,
      state: 'received',
      history: [{ state: 'received', at: now }],
    })
    batch.append({
      type: 'message.received',
      data: {
        messageId: toBase64Url(id),
        contactId: toBase64Url(contact.id),
        alias: contact.card.alias,
        body: { text: body.text },
        sentAt: new Date(sentAt).toISOString(),
      },
    })
    return true
  }
}

/**
 * The id of a received text: bound to the contact, so that nobody chooses the id of a message that exists already. A
 * contact that repeats an id suppresses its own texts, and no others.
 */
function receivedId(contact: Contact, { messageId }: RecordOf<'text'>): Uint8Array {
  return hash(LABELS.messageRef, contact.id, messageId).slice(0, MESSAGE_ID_BYTES)
}
