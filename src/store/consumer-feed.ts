import { HearsayError } from '../base/index.ts'
import type { JournalEvent } from './batch-api.ts'
import { ADVANCE_STRIDE, DEFAULT_MAX_IN_FLIGHT } from './constants.ts'
import type { Consumers } from './consumers.ts'
import type { Journal } from './journal.ts'

export type FeedOptions =
  | { readonly consumer: string; readonly maxInFlight?: number }
  | {
      /** Default: the head, that is, only what comes. */
      readonly after?: number
      readonly types?: readonly string[]
    }

/**
 * One reader's place in the journal, pulled at the reader's pace. Holds at most `maxInFlight` numbers and no
 * event: a slow reader costs nothing and delays nobody. A durable consumer's feed begins behind its last
 * acknowledgement, so what was given out and not acknowledged comes again (at least once).
 */
export class ConsumerFeed {
  readonly #journal: Journal
  readonly #consumers: Consumers
  readonly #name: string | undefined
  readonly #types: readonly string[] | undefined
  readonly #maxInFlight: number
  readonly #epoch: string
  /** The event before the first one of this feed. */
  readonly resumedFrom: number
  #position: number
  #inFlight: number[] = []
  #reading = false
  #closed = new AbortController()

  /** @throws HearsayError `consumer-not-found`, `cursor-too-old`, `cursor-ahead`. */
  constructor(
    ports: { readonly journal: Journal; readonly consumers: Consumers },
    options: FeedOptions,
  ) {
    this.#journal = ports.journal
    this.#consumers = ports.consumers
    this.#epoch = ports.journal.epoch
    if ('consumer' in options) {
      const consumer = ports.consumers.get(options.consumer)
      this.#name = consumer.name
      this.#types = consumer.types
      this.#maxInFlight = options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT
      this.resumedFrom = consumer.cursor
    } else {
      this.#name = undefined
      this.#types = options.types
      this.#maxInFlight = Number.POSITIVE_INFINITY
      this.resumedFrom = options.after ?? ports.journal.headSeq()
    }
    if (!(this.#maxInFlight >= 1)) throw new HearsayError('bad-value', 'maxInFlight is at least 1')
    this.#position = this.resumedFrom
    ports.journal.checkCursor(this.resumedFrom)
  }

  get head(): number {
    return this.#journal.headSeq()
  }

  get oldest(): number {
    return this.#journal.oldestSeq()
  }

  /** Every matching event up to the head has been given out. */
  get caughtUp(): boolean {
    return this.#position >= this.head
  }

  /** Events given out and not acknowledged, at most `maxInFlight`. */
  get inFlight(): number {
    if (this.#name === undefined) return 0
    const { cursor } = this.#consumers.get(this.#name)
    this.#inFlight = this.#inFlight.filter((seq) => seq > cursor)
    return this.#inFlight.length
  }

  /**
   * Waits for at least one event and gives at most `limit`, in order. Waits too while `maxInFlight` events are
   * unacknowledged. One call at a time.
   * @throws HearsayError `aborted` after `close`, `consumer-not-found` once the consumer is deleted,
   * `cursor-too-old` when retention overtook the reader, `cursor-ahead` when a healing found an older state of the
   * store: the numbers of this feed mean other events there; the signal's reason.
   */
  async next(limit: number, signal?: AbortSignal): Promise<readonly JournalEvent[]> {
    if (this.#reading) throw new HearsayError('bug', 'one reader per feed')
    this.#reading = true
    try {
      for (;;) {
        this.#check(signal)
        const room = Math.min(limit, this.#maxInFlight - this.inFlight)
        if (room > 0 && !this.caughtUp) {
          const events = await this.#read(room, signal)
          if (events.length > 0) return events
        } else {
          await this.#changed(signal)
        }
      }
    } finally {
      this.#reading = false
    }
  }

  /** Cumulative, durable. @throws as `Consumers.ack`; `consumer-not-found` for an anonymous reader. */
  ack(seq: number): Promise<number> {
    return this.#consumers.ack(this.#name ?? '', seq)
  }

  /** Ends a waiting `next`. */
  close(): void {
    this.#closed.abort(new HearsayError('aborted', 'the feed is closed'))
  }

  async #read(room: number, signal?: AbortSignal): Promise<readonly JournalEvent[]> {
    const page = await this.#journal.events(this.#position, room, this.#types)
    // From here to the return nothing waits: an abort cannot lose events between journal and reader.
    this.#check(signal)
    this.#position = page.scannedTo
    if (this.#name === undefined) return page.events
    for (const { seq } of page.events) this.#inFlight.push(seq)
    if (page.events.length === 0 && this.inFlight === 0) await this.#skipTo(page.scannedTo)
    return page.events
  }

  /** Without this a consumer of rare events would hold back the retention of all others. */
  async #skipTo(seq: number): Promise<void> {
    const name = this.#name ?? ''
    if (seq - this.#consumers.get(name).cursor >= ADVANCE_STRIDE) {
      await this.#consumers.ack(name, seq)
    }
  }

  #check(signal?: AbortSignal): void {
    signal?.throwIfAborted()
    this.#closed.signal.throwIfAborted()
    this.#journal.checkEpoch(this.#epoch)
  }

  /** Resolves at the next append, acknowledgement, deletion, close or abort. */
  #changed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        stopAppends()
        stopChanges()
        signal?.removeEventListener('abort', wake)
        this.#closed.signal.removeEventListener('abort', wake)
        resolve()
      }
      const stopAppends = this.#journal.onAppend(wake)
      const stopChanges = this.#consumers.onChange((name) => {
        if (name === this.#name) wake()
      })
      signal?.addEventListener('abort', wake)
      this.#closed.signal.addEventListener('abort', wake)
    })
  }
}
