import { type Contact, type Unconfirmed } from './contact.ts'
import type { StreamReader } from './reader.ts'

/**
 * Whether boxes wait in this stream that only one peer is known to have: nothing that others can see may follow from
 * what it says. Of an earlier version's it is not known in which stream they wait.
 */
export function isWaiting({ unconfirmed }: Contact, reader: StreamReader | undefined): boolean {
  if (unconfirmed.size === 0) return false
  for (const box of unconfirmed.values()) {
    if (!box.isOver && (box.reader === reader || box.reader === undefined)) return true
  }
  return false
}

/** Others have this box too. False when it was not waiting. */
export function confirm(contact: Contact, hash: string): boolean {
  const box = contact.unconfirmed.get(hash)
  if (box === undefined) return false
  const { reader, tag, index, day } = box
  reader?.confirm(tag, index, day)
  if (reader === contact.reader) contact.card.heardDay = Math.max(contact.card.heardDay, day)
  contact.unconfirmed.delete(hash)
  contact.isReaderUnsaved = true
  return true
}

/** These boxes have expired, and nobody else ever had them: what they said stays unanswered for good. */
export function expire(contact: Contact, boxes: readonly Unconfirmed[]): void {
  for (const box of boxes) {
    box.isOver = true
    box.reader?.disown(box.numbers)
  }
  // It may have come in one of them.
  if (boxes.length > 0) contact.parkedAck = undefined
}

/** A stream is over, or an epoch of it: what waited there is asked for no more. */
export function forgetClosed(contact: Contact, isOpen: (box: Unconfirmed) => boolean): void {
  for (const [hash, box] of contact.unconfirmed) {
    if (!isOpen(box)) contact.unconfirmed.delete(hash)
  }
}
