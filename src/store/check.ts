import { isHearsayError } from '../base/index.ts'
import { damagedTables } from './clean-mark.ts'
import { BUCKETS } from './buckets.ts'
import type { Journal } from './journal.ts'
import { MAX_SCAN } from './constants.ts'
import { physicalRange } from './physical-key.ts'
import type { Parts } from './parts.ts'

export interface CheckResult {
  readonly values: number
  /** Values that do not open, per bucket that has any. */
  readonly damaged: Readonly<Record<string, number>>
  /** The first journal entry from which on the chain is not whole; undefined when it is. */
  readonly journalBrokenAt: number | undefined
  /** Numbers of LevelDB tables with wrong checksums. */
  readonly damagedTables: readonly number[]
}

/** Verifies all tables, then opens every value and walks the journal's chain. Reads only; takes time in proportion to the store. */
export async function checkStore(parts: Parts, journal: Journal): Promise<CheckResult> {
  const tables = await damagedTables(parts.files, parts.paths.database)
  const nothing = { values: 0, damaged: {}, journalBrokenAt: undefined }
  // Reading a damaged table may stop the process.
  if (tables.length > 0) return { ...nothing, damagedTables: tables }
  const damaged: Record<string, number> = {}
  let values = 0
  for (const [name, bucket] of Object.entries(BUCKETS)) {
    for await (const [key, envelope] of parts.engine.iterate(physicalRange(bucket))) {
      values++
      const found = await parts.reader.tryOpen(key, envelope)
      if (found === 'damaged') damaged[name] = (damaged[name] ?? 0) + 1
    }
  }
  return { values, damaged, journalBrokenAt: await brokenAt(journal), damagedTables: [] }
}

async function brokenAt(journal: Journal): Promise<number | undefined> {
  let after = journal.oldestSeq() - 1
  const head = journal.headSeq()
  while (after < head) {
    try {
      const { scannedTo, damagedAt } = await journal.events(after, MAX_SCAN)
      if (damagedAt !== undefined) return damagedAt
      after = scannedTo
    } catch (error) {
      if (!isHearsayError(error, 'cursor-too-old')) throw error
      after = journal.oldestSeq() - 1
    }
  }
  return undefined
}
