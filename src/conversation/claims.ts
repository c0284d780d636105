import type { NetworkId } from '../base/index.ts'
import type { Contact } from './contact.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import { type ReaderOptions, StreamReader } from './reader.ts'
import { claimerPlace } from './rendezvous.ts'
import type { Watch } from './watch.ts'

/** Begins to read the stream of somebody who says that they claim: at R_C, which only they can write. */
export function followClaim(
  watch: Watch,
  contact: Contact,
  options: ReaderOptions & { readonly networkId: NetworkId },
  claim: { readonly claimer: string; readonly root: Uint8Array; readonly secret: Uint8Array },
): StreamReader {
  const reader = new StreamReader(options)
  const place = claimerPlace(options.networkId, claim.secret, claim.root)
  reader.open(RENDEZVOUS_TAG, claim.root, place.chain)
  contact.claims.set(claim.claimer, reader)
  watch.widen(contact)
  return reader
}

/** Forgets a claim that was refused, or that another one has won over. */
export function dropClaim(watch: Watch, contact: Contact, claimer: string): void {
  const reader = contact.claims.get(claimer)
  if (reader === undefined) return
  watch.removeEntries(reader.watched())
  reader.clear()
  contact.claims.delete(claimer)
}
