import { SYSTEM_BUCKETS } from './buckets.ts'
import { MAX_TRIM, RETENTION_MAX_BYTES, RETENTION_MAX_EVENTS } from './constants.ts'
import type { Consumers } from './consumers.ts'
import type { Engine } from './engine.ts'
import type { Journal } from './journal.ts'
import { eventKey } from './journal-stage.ts'

export interface RetentionPolicy {
  /** The events up to this number are too old to be kept, acknowledged or not. 0 by default: none. */
  readonly dropUpTo?: number
  /** The events up to this number go once all consumers have acknowledged them. 0 by default: none. */
  readonly dropAckedUpTo?: number
  readonly maxEvents?: number
  /** What the tables of the database hold of the journal: the newest few MiB may not be counted yet. */
  readonly maxBytes?: number
}

export interface RetentionResult {
  readonly removed: number
  readonly oldestSeq: number
  /** Events that the policy no longer keeps either: they go at the next call. */
  readonly left: number
  /** Consumers that lost events they had not acknowledged. */
  readonly overrun: readonly string[]
}

export interface RetentionPorts {
  readonly engine: Engine
  readonly journal: Journal
  readonly consumers: Consumers
}

/** Removes what the policy no longer keeps, `MAX_TRIM` events a call. */
export async function applyRetention(
  ports: RetentionPorts,
  policy: RetentionPolicy = {},
): Promise<RetentionResult> {
  const { journal, consumers } = ports
  const head = journal.headSeq()
  const before = journal.oldestSeq()
  const count = head - before + 1
  const byCount = before + Math.max(0, count - (policy.maxEvents ?? RETENTION_MAX_EVENTS))
  const byBytes = await firstWithin(ports, policy.maxBytes ?? RETENTION_MAX_BYTES)
  const byAge = (policy.dropUpTo ?? 0) + 1
  const byAck = Math.min(consumers.lowestCursor() ?? head, policy.dropAckedUpTo ?? 0) + 1

  const goal = Math.min(Math.max(byCount, byBytes, byAge, byAck), head + 1)
  const oldestSeq = await journal.trim(Math.min(goal, before + MAX_TRIM))
  const overrun = consumers.list().filter(({ cursor }) => cursor < oldestSeq - 1)
  return {
    removed: oldestSeq - before,
    oldestSeq,
    left: Math.max(0, goal - oldestSeq),
    overrun: overrun.map(({ name }) => name),
  }
}

/**
 * The first event from which on all that are kept take at most `maxBytes`. Measured, not estimated from a few sizes: a
 * contact who sends a few large texts must not have thousands of small events removed.
 */
async function firstWithin({ engine, journal }: RetentionPorts, maxBytes: number): Promise<number> {
  const end = Uint8Array.of(SYSTEM_BUCKETS.journal + 1)
  const fits = async (seq: number) =>
    (await engine.approximateBytes(eventKey(seq), end)) <= maxBytes
  let low = journal.oldestSeq()
  let high = journal.headSeq() + 1
  if (await fits(low)) return low
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (await fits(middle)) high = middle
    else low = middle + 1
  }
  return low
}
