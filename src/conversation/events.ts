import { toBase64Url } from '../base/index.ts'
import type { Batch } from '../store/index.ts'
import { EXCHANGE_BOXES } from './constants.ts'
import type { Contact } from './contact.ts'
import type { Message } from './message.ts'

/** Appends `contact.…` with the id, the name and, while keys are under way, the progress. */
export function contactEvent(
  batch: Batch,
  contact: Contact,
  type: `contact.${string}` | 'message.gap',
  more: Readonly<Record<string, string>> = {},
): void {
  const { card } = contact
  const progress =
    card.phase === 'exchanging'
      ? { done: Math.min(card.boxesDone, EXCHANGE_BOXES), total: EXCHANGE_BOXES }
      : {}
  batch.append({
    type,
    data: { contactId: toBase64Url(contact.id), alias: card.alias, ...progress, ...more },
  })
}

/** Appends `message.…` with both ids. */
export function messageEvent(
  batch: Batch,
  message: Message,
  type: `message.${string}`,
  more: Readonly<Record<string, string>> = {},
): void {
  const ids = { messageId: toBase64Url(message.id), contactId: toBase64Url(message.contactId) }
  batch.append({ type, data: { ...ids, ...more } })
}
