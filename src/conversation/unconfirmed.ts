import type { Contact } from './contact.ts'
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
  if (reader === contact.reader) {
    contact.card.heardDay = Math.max(contact.card.heardDay, day)
    contact.card.awayDay = 0
    contact.isCardUnsaved = true
  }
  contact.unconfirmed.delete(hash)
  contact.isReaderUnsaved = true
  return true
}

/** Boxes that were published before UTC day `oldest` can be confirmed no more. False when nothing has changed. */
export function expire(contact: Contact, oldest: number): boolean {
  let changed = false
  for (const [hash, box] of contact.unconfirmed) {
    const { reader, tag, index, day } = box
    if (!box.isOver && day < oldest) {
      box.isOver = true
      changed = true
    }
    // Its stream or epoch is over, or it lies so far behind that nobody would ask for it.
    if (box.isOver && reader?.countsAsUnread(tag, index) !== true) {
      contact.unconfirmed.delete(hash)
      changed = true
    }
  }
  return changed
}

/** A stream is over: nothing waits in it any more. */
export function forgetStream(contact: Contact, reader: StreamReader): void {
  for (const [hash, box] of contact.unconfirmed) {
    if (box.reader === reader) contact.unconfirmed.delete(hash)
  }
}
