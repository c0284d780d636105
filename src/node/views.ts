import { fromBase64Url, HearsayError, isHearsayError, toBase64Url } from '../base/index.ts'
import type { ContactSummary, Message } from '../conversation/index.ts'
import type { JournalEvent } from '../store/index.ts'
import type { ContactView, EventView, MessageView } from './api.ts'

/** RFC 3339 UTC of milliseconds. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

export function contactView(contact: ContactSummary): ContactView {
  return {
    contactId: toBase64Url(contact.id),
    alias: contact.alias,
    state: contact.phase,
    ...(contact.phase === 'exchanging'
      ? { progress: { done: contact.boxesDone, total: contact.boxesTotal } }
      : {}),
    ...(contact.reason === '' ? {} : { reason: contact.reason }),
    ...(contact.safetyNumber === undefined ? {} : { safetyNumber: contact.safetyNumber }),
    verified: contact.verified,
    createdAt: timeText(contact.createdAt),
    ...(contact.lastHeardAt === 0 ? {} : { lastHeardAt: timeText(contact.lastHeardAt) }),
  }
}

export function messageView(message: Message): MessageView {
  return {
    messageId: toBase64Url(message.id),
    contactId: toBase64Url(message.contactId),
    direction: message.direction,
    body: { text: message.text },
    state: message.state,
    sentAt: timeText(Math.min(message.sentAt, 8.64e15)),
    ...(message.receivedAt === undefined ? {} : { receivedAt: timeText(message.receivedAt) }),
    read: message.read,
    history: message.history.map(({ state, at, reason }) => ({
      state,
      at: timeText(at),
      ...(reason === undefined ? {} : { reason }),
    })),
  }
}

export function eventView(event: JournalEvent): EventView {
  const { seq, epoch, id, type, time, data } = event
  return { seq, epoch, id, type, time: timeText(time), data }
}

/** @throws HearsayError `message-not-found` for anything that is no message id. */
export function parseMessageId(text: string): Uint8Array {
  try {
    return fromBase64Url(text)
  } catch (error) {
    if (!isHearsayError(error)) throw error
    throw new HearsayError('message-not-found', 'no message with this id')
  }
}

/** A page's cursor is a number in disguise. @throws HearsayError `bad-value`. */
export function parseCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined
  const value = Number(Buffer.from(cursor, 'base64url').toString('latin1'))
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new HearsayError('bad-value', 'a cursor comes from nextCursor of the page before')
  }
  return value
}

export function cursorText(value: number): string {
  return Buffer.from(String(value)).toString('base64url')
}
