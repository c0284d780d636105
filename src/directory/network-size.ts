import type { Clock } from '../base/index.ts'
import { SIZE_KEPT_MS } from './constants.ts'

/**
 * How many nodes there are. After a long absence they are heard of one after another: for `SIZE_KEPT_MS` there are at least as
 * many as were known before, or those who connect first would be all.
 */
export class NetworkSize {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #living: () => number
  #before = 0
  #until = 0

  constructor(ports: { clock: Pick<Clock, 'monotonic'>; living: () => number }) {
    this.#clock = ports.clock
    this.#living = ports.living
  }

  /** At a start. */
  startsWith(before: number): void {
    this.#before = before
    this.#until = this.#clock.monotonic() + SIZE_KEPT_MS
  }

  now(): number {
    const living = this.#living()
    return this.#clock.monotonic() < this.#until ? Math.max(living, this.#before) : living
  }
}
