import { wipe } from '../crypto/index.ts'
import { firstChain } from '../stream/index.ts'
import type { Contact } from './contact.ts'
import type { NewReadEpoch, NewWriteEpoch } from './job-types.ts'
import type { Watch } from './watch.ts'
import type { WriteEpoch } from './writer.ts'

/** The writer's side of an epoch that a job made. Takes the secret: it is wiped. */
export function writeEpochOf(epoch: NewWriteEpoch, now: number): WriteEpoch {
  const { tag, streamSecret, rootSeed } = epoch
  const chain = firstChain(streamSecret)
  wipe(streamSecret)
  return { tag, chain, rootSeed, since: now }
}

/** Begins to read an epoch of the other side's stream. Takes the secret: it is wiped. */
export function enterEpoch(watch: Watch, contact: Contact, epoch: NewReadEpoch): void {
  const chain = firstChain(epoch.streamSecret)
  wipe(epoch.streamSecret)
  const unwatched = contact.reader?.open(epoch.tag, epoch.root, chain) ?? []
  wipe(chain.chainKey)
  watch.removeEntries(unwatched)
  watch.widen(contact)
}
