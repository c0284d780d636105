import { concat, isHearsayError, readU64be, u64be, utf8 } from '../base/index.ts'
import { BUCKETS, type RetentionResult, type Store } from '../store/index.ts'
import type { RunningClock } from './running-clock.ts'

export interface EventRetentionPorts {
  readonly store: Store
  readonly running: RunningClock
}

/** An event goes after this long even if a consumer has not acknowledged it. Time that the node runs. */
export const EVENTS_KEPT_MS = 30 * 86_400_000
/** An event that every consumer acknowledged stays this long for readers without a consumer. Time that the node runs. */
export const ACKED_EVENTS_KEPT_MS = 7 * 86_400_000
/** An event is kept so much longer at most. */
const MARK_EVERY_MS = 3_600_000
const ROW = utf8('marks')
/** ran 8, of the `RunningClock` | head of the journal then 8. */
const MARK_BYTES = 16

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

  /** Removes what is kept no longer. @throws HearsayError as the store. */
  async retain(): Promise<RetentionResult> {
    const { store, running } = this.#ports
    const ran = await running.now()
    const marks = await this.#marks(ran)
    const result = await store.retain({
      dropUpTo: headBefore(marks, ran - EVENTS_KEPT_MS),
      dropAckedUpTo: headBefore(marks, ran - ACKED_EVENTS_KEPT_MS),
    })
    await this.#mark(marks, ran)
    return result
  }

  async #mark(marks: readonly Mark[], ran: number): Promise<void> {
    const { store, running } = this.#ports
    const batch = store.batch()
    running.save(batch, ran)
    const head = store.headSeq()
    const last = marks.at(-1)
    // Events that came since the last mark only: an old mark of the same head tells more.
    if (last === undefined || (last.head < head && ran - last.ran >= MARK_EVERY_MS)) {
      const oldest = marks.findLastIndex((mark) => mark.ran <= ran - EVENTS_KEPT_MS)
      const kept = [...marks.slice(Math.max(0, oldest)), { ran, head }]
      const rows = kept.map((mark) => concat(u64be(mark.ran), u64be(mark.head)))
      batch.put(BUCKETS.eventMarks, ROW, concat(...rows))
    }
    await batch.commit()
  }

  /** Ascending. Without a row, or with a damaged one, none: all that is there is kept as if it came now. */
  async #marks(ran: number): Promise<readonly Mark[]> {
    const row = await this.#read()
    const marks: Mark[] = []
    for (let at = 0; at < row.length; at += MARK_BYTES) {
      marks.push({ ran: readU64be(row, at), head: readU64be(row, at + 8) })
    }
    // A clock of running that lost its row began anew: what was marked by the old one has no age.
    return marks.some((mark) => mark.ran > ran) ? [] : marks
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
