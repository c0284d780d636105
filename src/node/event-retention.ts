import { concat, isHearsayError, readU64be, u64be, utf8 } from '../base/index.ts'
import {
  BUCKETS,
  RETENTION_MAX_BYTES,
  RETENTION_MAX_EVENTS,
  type RetentionResult,
  type Store,
} from '../store/index.ts'
import type { RunningClock } from './running-clock.ts'

export interface EventRetentionPorts {
  readonly store: Store
  readonly running: RunningClock
}

/** An event goes after this long even if a consumer has not acknowledged it. Time that the node runs. */
export const EVENTS_KEPT_MS = 30 * 86_400_000
/** An event that every consumer acknowledged stays this long for readers without a consumer. Time that the node runs. */
export const ACKED_EVENTS_KEPT_MS = 7 * 86_400_000
/** Between two marks at least: an event is kept so much longer, and the time between two calls of `retain`. */
const MARK_EVERY_MS = 3_600_000
/** The rate of events is that since the last mark which is so old, or since the first. */
const RATE_OVER_MS = 86_400_000
const ROW = utf8('marks')
/** ran 8, of the `RunningClock` | head of the journal then 8. */
const MARK_BYTES = 16

/** The events up to `head` were there when the node had run for `ran` ms. */
interface Mark {
  readonly ran: number
  readonly head: number
}

/**
 * How long events are kept, by the time that the node runs: marks say how far the journal went when. The dates of the
 * events are the wall clock's, and one that is a month ahead for a minute would make all of them old at once.
 */
export class EventRetention {
  readonly #ports: EventRetentionPorts

  constructor(ports: EventRetentionPorts) {
    this.#ports = ports
  }

  /** Removes what is kept no longer, a bounded number at a time: `left` is what the next call removes. @throws as the store. */
  async retain(): Promise<RetentionResult> {
    const { store, running } = this.#ports
    // Before the time is read: what comes later must not count as older than it is.
    const head = store.headSeq()
    const ran = await running.now()
    const marks = await this.#marks({ ran, head })
    const result = await store.retain({
      dropUpTo: headBefore(marks, ran - EVENTS_KEPT_MS),
      dropAckedUpTo: headBefore(marks, ran - ACKED_EVENTS_KEPT_MS),
    })
    await this.#mark(marks, { ran, head })
    return result
  }

  /**
   * How long an event stays while events go on coming at the rate of the last day or so, ms of time that the node runs. With
   * consumers, of one that not all of them have acknowledged. Undefined until there is an hour to measure. @throws as the store.
   */
  async estimateMs(): Promise<number | undefined> {
    const { store, running } = this.#ports
    const head = store.headSeq()
    const ran = await running.now()
    const marks = await this.#marks({ ran, head })
    const since = marks.findLast((mark) => mark.ran <= ran - RATE_OVER_MS) ?? marks[0]
    if (since === undefined || ran - since.ran < MARK_EVERY_MS) return undefined
    const keptMs = store.consumers.list().length > 0 ? EVENTS_KEPT_MS : ACKED_EVENTS_KEPT_MS
    const perMs = (head - since.head) / (ran - since.ran)
    const held = head - store.journal.oldestSeq() + 1
    if (perMs === 0 || held === 0) return keptMs
    const bytesPerMs = (perMs * (await store.journal.bytes())) / held
    return Math.min(keptMs, RETENTION_MAX_EVENTS / perMs, RETENTION_MAX_BYTES / bytesPerMs)
  }

  async #mark(marks: readonly Mark[], { ran, head }: Mark): Promise<void> {
    const last = marks.at(-1)
    // Only for events that came since the last one: an old mark of the same head tells more.
    const isDue = last === undefined || (last.head < head && ran - last.ran >= MARK_EVERY_MS)
    if (!isDue) return
    const { store, running } = this.#ports
    const oldest = marks.findLastIndex((mark) => mark.ran <= ran - EVENTS_KEPT_MS)
    const kept = [...marks.slice(Math.max(0, oldest)), { ran, head }]
    const batch = store.batch()
    // A start that finds an older reading would take the mark for one of another clock.
    running.put(batch, ran)
    const rows = kept.map((mark) => concat(u64be(mark.ran), u64be(mark.head)))
    await batch.put(BUCKETS.eventMarks, ROW, concat(...rows)).commit()
  }

  /**
   * Ascending. Without a row, or with a damaged one, none, and so for those that cannot be of this clock and this
   * journal: what has no age is kept as if it came now.
   */
  async #marks({ ran, head }: Mark): Promise<readonly Mark[]> {
    const row = await this.#read()
    const marks: Mark[] = []
    for (let at = 0; at < row.length; at += MARK_BYTES) {
      marks.push({ ran: readU64be(row, at), head: readU64be(row, at + 8) })
    }
    return marks.filter((mark) => mark.ran <= ran && mark.head <= head)
  }

  async #read(): Promise<Uint8Array> {
    try {
      const row = await this.#ports.store.get(BUCKETS.eventMarks, ROW)
      return row !== undefined && row.length % MARK_BYTES === 0 ? row : new Uint8Array()
    } catch (error) {
      if (isHearsayError(error, 'storage-corrupt')) return new Uint8Array()
      throw error
    }
  }
}

/** The head that is known to be at least as old as `ran`; 0 for none. */
function headBefore(marks: readonly Mark[], ran: number): number {
  return marks.findLast((mark) => mark.ran <= ran)?.head ?? 0
}
