import type { Clock } from '../base/index.ts'
import { SIZE_KEPT_MS } from './constants.ts'

/**
 * How many nodes there are. While this node is away they expire, and afterwards they are heard of one after another: until
 * peers were connected for `SIZE_KEPT_MS` there are at least as many as before, or those who connect first would be all.
 */
export class NetworkSize {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #living: () => number
  readonly #isLinked: () => boolean
  #before = 0
  #until = 0

  constructor(ports: {
    clock: Pick<Clock, 'monotonic'>
    living: () => number
    /** Whether peers are connected. */
    isLinked: () => boolean
  }) {
    this.#clock = ports.clock
    this.#living = ports.living
    this.#isLinked = ports.isLinked
  }

  /** At a start: nodes that were known at the last stop. */
  startsWith(before: number): void {
    this.#before = before
    this.#until = this.#clock.monotonic() + SIZE_KEPT_MS
  }

  /** To be called before nodes expire, too. */
  now(): number {
    const living = this.#living()
    const now = this.#clock.monotonic()
    if (living >= this.#before || !this.#isLinked()) {
      this.#before = Math.max(living, this.#before)
      this.#until = now + SIZE_KEPT_MS
    } else if (now >= this.#until) this.#before = living
    return this.#before
  }
}
