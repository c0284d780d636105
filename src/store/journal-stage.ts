import { isHearsayError, type Rng, u64be } from '../base/index.ts'
import type { CommitResult } from './batch-api.ts'
import type { Work } from './batch.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import { TRIM_STEP } from './constants.ts'
import type { Engine, Operation } from './engine.ts'
import {
  chainValue,
  commitTo,
  decodeRecord,
  EVENT_ID_BYTES,
  EVENT_SALT_BYTES,
  type EventRecord,
  encodeRecord,
  idText,
} from './event-record.ts'
import { encodeHead, type Head } from './head.ts'
import { META_KEYS } from './meta.ts'
import { physicalKey } from './physical-key.ts'
import type { Vault } from './vault.ts'

export function eventKey(seq: number): Uint8Array {
  return physicalKey(SYSTEM_BUCKETS.journal, u64be(seq))
}

/** Numbers and chains the events of a group, in the order of the batches. */
export function stageEvents(
  ports: { readonly vault: Vault; readonly rng: Rng },
  head: Head,
  works: readonly Work[],
  now: number,
): {
  tail: Pick<Head, 'seq' | 'chain'>
  operations: Operation[]
  results: CommitResult['events'][]
} {
  let { seq, chain } = head
  const operations: Operation[] = []
  const results: CommitResult['events'][] = []
  for (const work of works) {
    const numbered: { seq: number; id: string; time: number }[] = []
    for (const { type, json } of work.events) {
      seq++
      const salt = ports.rng.bytes(EVENT_SALT_BYTES)
      const id = ports.rng.bytes(EVENT_ID_BYTES)
      const commitment = commitTo(salt, json)
      const record: EventRecord = {
        prev: chain,
        commitment,
        id,
        time: now,
        type,
        body: { salt, json },
      }
      chain = chainValue(seq, record)
      operations.push(recordOperation(ports.vault, seq, record))
      numbered.push({ seq, id: idText(record), time: now })
    }
    results.push(numbered)
  }
  return { tail: { seq, chain }, operations, results }
}

/** Deletions of the oldest events, at most `TRIM_STEP`. */
export function stageTrim(
  head: Head,
  works: readonly Work[],
): { oldest: number; operations: Operation[] } {
  let before = head.oldest
  for (const { trimBefore } of works) before = Math.max(before, trimBefore ?? 0)
  const oldest = Math.min(before, head.seq + 1, head.oldest + TRIM_STEP)
  const operations: Operation[] = []
  for (let seq = head.oldest; seq < oldest; seq++) {
    operations.push({ type: 'del', key: eventKey(seq) })
  }
  return { oldest, operations }
}

/**
 * The records of redacted events without their bodies. Numbers that are not kept are passed over; an entry that
 * is damaged goes whole, because most of its text may still be there, and it was not readable before.
 */
export async function stageRedactions(
  engine: Engine,
  vault: Vault,
  oldest: number,
  head: number,
  works: readonly Work[],
): Promise<Operation[]> {
  const wanted = new Set(works.flatMap((work) => work.redactions))
  const operations: Operation[] = []
  for (const seq of wanted) {
    if (!Number.isSafeInteger(seq) || seq < oldest || seq > head) continue
    const key = eventKey(seq)
    const stored = await engine.get(key)
    if (stored === undefined) continue
    operations.push(redaction(vault, seq, key, stored))
  }
  return operations
}

function redaction(vault: Vault, seq: number, key: Uint8Array, stored: Uint8Array): Operation {
  try {
    const record = decodeRecord(seq, vault.open(key, stored))
    return recordOperation(vault, seq, { ...record, body: undefined })
  } catch (error) {
    if (isHearsayError(error, 'storage-corrupt')) return { type: 'del', key }
    throw error
  }
}

export function headOperation(vault: Vault, head: Head): Operation {
  return { type: 'put', key: META_KEYS.head, value: vault.seal(META_KEYS.head, encodeHead(head)) }
}

function recordOperation(vault: Vault, seq: number, record: EventRecord): Operation {
  const key = eventKey(seq)
  return { type: 'put', key, value: vault.seal(key, encodeRecord(record)) }
}
