import type { Clock } from '../base/index.ts'
import { VALIDATIONS_PER_TURN, VALIDATIONS_WAITING_MAX } from './constants.ts'

/**
 * Spreads signature checks over turns of the event loop, `VALIDATIONS_PER_TURN` each, first come first served: one
 * read from a socket can bring thirty publications, whose checks in one go would hold up everything that has its
 * moment. When too many wait nobody waits any more: memory stays bounded, and a flood slows its own sender down.
 */
export class Turns {
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  #left = VALIDATIONS_PER_TURN
  #isRenewing = false

  constructor(ports: { clock: Clock }) {
    this.#clock = ports.clock
  }

  /** Undefined to begin at once; else resolves when it is one's turn. */
  take(): Promise<void> | undefined {
    this.#renew()
    if (this.#left > 0) {
      this.#left--
      return undefined
    }
    if (this.#waiting.length >= VALIDATIONS_WAITING_MAX) return undefined
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #renew(): void {
    if (this.#isRenewing) return
    this.#isRenewing = true
    this.#clock.setTimer(0, () => {
      this.#isRenewing = false
      const next = this.#waiting.splice(0, VALIDATIONS_PER_TURN)
      this.#left = VALIDATIONS_PER_TURN - next.length
      if (next.length > 0) this.#renew()
      for (const begin of next) begin()
    })
  }
}
