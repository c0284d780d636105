import type { Clock } from '../base/index.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import {
  RETENTION_KEEP_ACKED_MS,
  RETENTION_MAX_AGE_MS,
  RETENTION_MAX_BYTES,
  RETENTION_MAX_EVENTS,
} from './constants.ts'
import type { Consumers } from './consumers.ts'
import type { Engine } from './engine.ts'
import type { Journal } from './journal.ts'
import { physicalRange } from './physical-key.ts'

export interface RetentionPolicy {
  /** An event that all consumers acknowledged stays this long; 0 removes it at once. */
  readonly keepAckedMs?: number
  /** No event stays longer, acknowledged or not. */
  readonly maxAgeMs?: number
  readonly maxEvents?: number
  /** Approximate: from the sizes of the oldest and the newest entries. */
  readonly maxBytes?: number
}

export interface RetentionResult {
  readonly removed: number
  readonly oldestSeq: number
  /** Consumers that lost events they had not acknowledged. */
  readonly overrun: readonly string[]
}

export interface RetentionPorts {
  readonly clock: Clock
  readonly engine: Engine
  readonly journal: Journal
  readonly consumers: Consumers
}

const SAMPLE = 64

/** Removes what the policy no longer keeps; bounded work per call, the rest goes at the next. */
export async function applyRetention(
  ports: RetentionPorts,
  policy: RetentionPolicy = {},
): Promise<RetentionResult> {
  const { clock, journal, consumers } = ports
  const head = journal.headSeq()
  const before = journal.oldestSeq()
  const now = clock.now()
  const count = head - before + 1
  const bytesFit = Math.floor((policy.maxBytes ?? RETENTION_MAX_BYTES) / (await meanBytes(ports)))
  const fit = Math.min(policy.maxEvents ?? RETENTION_MAX_EVENTS, bytesFit)
  const byCount = before + Math.max(0, count - fit)
  const byAge = await journal.firstSince(now - (policy.maxAgeMs ?? RETENTION_MAX_AGE_MS), head + 1)
  const acked = (consumers.lowestCursor() ?? head) + 1
  const keepAcked = policy.keepAckedMs ?? RETENTION_KEEP_ACKED_MS
  const byAck = keepAcked === 0 ? acked : await journal.firstSince(now - keepAcked, acked)

  const oldestSeq = await journal.trim(Math.max(byCount, byAge, byAck))
  const overrun = consumers.list().filter(({ cursor }) => cursor < oldestSeq - 1)
  return { removed: oldestSeq - before, oldestSeq, overrun: overrun.map(({ name }) => name) }
}

async function meanBytes({ engine }: RetentionPorts): Promise<number> {
  let bytes = 0
  let count = 0
  for (const reverse of [false, true]) {
    const range = { ...physicalRange(SYSTEM_BUCKETS.journal), limit: SAMPLE, reverse }
    for await (const [key, value] of engine.iterate(range)) {
      bytes += key.length + value.length
      count++
    }
  }
  return count === 0 ? 1 : bytes / count
}
