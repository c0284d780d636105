import { equalBytes, u64be } from '../base/index.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import { MARK_RING } from './constants.ts'
import type { Engine, Operation } from './engine.ts'
import type { Head } from './head.ts'
import { physicalKey, physicalRange } from './physical-key.ts'

/**
 * The mark of one group commit, in a ring of `MARK_RING` records. LevelDB leaves out damaged records of its
 * log and applies later ones, which would bring back older values of some keys; the mark of a left-out commit
 * is missing. The ring covers more commits than a log holds.
 */
export function markOperation(commits: number): Operation {
  return { type: 'put', key: markKey(commits), value: u64be(commits) }
}

/** Commits that the head claims and whose marks are missing or damaged. */
export async function missingMarks(engine: Engine, head: Head): Promise<number> {
  const first = Math.max(head.marksFrom, head.commits - MARK_RING + 1)
  let found = 0
  for await (const [key, value] of engine.iterate(physicalRange(SYSTEM_BUCKETS.marks))) {
    const place = new DataView(key.buffer, key.byteOffset).getUint16(1)
    // The one commit of the last MARK_RING that belongs to this place.
    const commit = head.commits - ((((head.commits - place) % MARK_RING) + MARK_RING) % MARK_RING)
    if (commit >= first && equalBytes(value, u64be(commit))) found++
  }
  return head.commits - first + 1 - found
}

function markKey(commits: number): Uint8Array {
  const place = commits % MARK_RING
  return physicalKey(SYSTEM_BUCKETS.marks, Uint8Array.of(place >>> 8, place & 0xff))
}
