import type { EventView } from '../src/node/index.ts'

/** What a `message.*` event tells; a field that it lacks is empty. */
export function receivedMessage(event: EventView): {
  readonly messageId: string
  readonly contactId: string
  readonly text: string
} {
  const { messageId, contactId, body } = event.data as {
    messageId?: string
    contactId?: string
    body?: { text?: string }
  }
  return { messageId: messageId ?? '', contactId: contactId ?? '', text: body?.text ?? '' }
}
