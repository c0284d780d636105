import type { Clock } from '../base/index.ts'
import { DRAIN_LONGEST_MS, DRAIN_MS, DRAIN_POLL_MS, DRAIN_TRIPS } from './constants.ts'

/**
 * How long a mix that goes still serves the others. Routes that were drawn before they heard that it goes lead over it
 * for a while; else each node that goes takes their packets along.
 */
export class Drain {
  readonly #clock: Clock
  readonly #calmMs: number
  readonly #longestMs: number
  #tookAt = Number.NEGATIVE_INFINITY

  constructor(ports: { clock: Clock }, options: { layers: number; mixDelayMs: number }) {
    const { layers, mixDelayMs } = options
    this.#clock = ports.clock
    this.#calmMs = mixDelayMs
    const tripsMs = Math.max(DRAIN_MS, DRAIN_TRIPS * layers * mixDelayMs)
    this.#longestMs = Math.min(DRAIN_LONGEST_MS, tripsMs)
  }

  /** A frame of a neighbour. */
  took(): void {
    this.#tookAt = this.#clock.monotonic()
  }

  /**
   * Resolves when nothing is owed and nothing came for one mean delay, at last after DRAIN_TRIPS trips, or `DRAIN_MS`
   * if that is longer, never after DRAIN_LONGEST_MS: whoever sends for ever does not stop a stop, nor a wipe.
   */
  async run(owes: () => boolean): Promise<void> {
    const now = () => this.#clock.monotonic()
    const until = now() + this.#longestMs
    while ((owes() || now() - this.#tookAt < this.#calmMs) && now() < until) {
      await this.#clock.sleep(DRAIN_POLL_MS)
    }
  }
}
