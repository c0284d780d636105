import { PROBE_AHEAD } from './constants.ts'
import { type Contact, streamsOf } from './contact.ts'
import type { StreamReader } from './reader.ts'

/** To be called before a box is read that only one peer is known to have: notes where the streams stand without it. */
export function noteFirmEnds(contact: Contact): void {
  if (contact.unconfirmed.size > 0) return
  contact.firmEnds = new Map(streamsOf(contact).map((reader) => [reader, reader.nexts()]))
}

/** Whether a catch-up that knew nothing of the boxes that wait would ask for this index. */
export function isSought(
  contact: Contact,
  reader: StreamReader | undefined,
  { tag, index }: { readonly tag: string; readonly index: number },
): boolean {
  const next = reader && contact.firmEnds?.get(reader)?.get(tag)
  return next !== undefined && index <= next + PROBE_AHEAD
}
