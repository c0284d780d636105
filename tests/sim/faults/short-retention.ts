/** The part of a `RetentionPolicy` that goes by the age of events. */
export interface Drop {
  readonly dropUpTo: number
  readonly dropAckedUpTo: number
}

interface Mark {
  readonly at: number
  readonly head: number
}

/** An event goes after this long even if nobody has acknowledged it. */
const KEPT_MS = 45_000
/** One that is acknowledged. */
const ACKED_KEPT_MS = 8_000

/**
 * How long a simulated node keeps events: as `EventRetention`, by marks that say how far the journal was when, but seconds
 * in place of weeks. The marks outlive the node.
 */
export class ShortRetention {
  #marks: Mark[] = []

  /** What is too old at `now`, when the journal goes up to `head`. Times are monotonic, in ms. */
  policy(now: number, head: number): Drop {
    const dropUpTo = this.#headBefore(now - KEPT_MS)
    const dropAckedUpTo = this.#headBefore(now - ACKED_KEPT_MS)
    const oldest = this.#marks.findLastIndex(({ at }) => at <= now - KEPT_MS)
    this.#marks = [...this.#marks.slice(Math.max(0, oldest)), { at: now, head }]
    return { dropUpTo, dropAckedUpTo }
  }

  #headBefore(at: number): number {
    return this.#marks.findLast((mark) => mark.at <= at)?.head ?? 0
  }
}
