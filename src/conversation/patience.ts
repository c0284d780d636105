/** One moment by two clocks, milliseconds. */
export interface Moment {
  /** The clock of waits: it counts sleeps and leaps. */
  readonly at: number
  /** The monotonic clock. */
  readonly awake: number
}

/** How long something is waited for, milliseconds. */
export interface Wait {
  /** By the clock of waits. */
  readonly at: number
  /** Of it while the node looked. */
  readonly awake: number
  /** Of that since the last sleep, halt or leap, unless it has been awake for all of `awake` since the first. */
  readonly calm: number
}

/** Between two looks the clocks differ by less, unless one leapt. */
const LEAP_MS = 1_000

/**
 * How long something has been waited for in which it could have come: a machine that wakes, a process that goes on and a clock that
 * leapt have heard nothing meanwhile.
 */
export class Patience {
  readonly #since: number
  #seen: Moment
  #awakeMs = 0
  #calmMs = 0
  /** Awake from the first leap to the last. */
  #restlessMs = 0
  #isRestless = false

  constructor(now: Moment) {
    this.#since = now.at
    this.#seen = now
  }

  /** To be asked again and again: what passes between two looks counts as `calm` at most. */
  isOver(now: Moment, wait: Wait): boolean {
    const step = Math.min(now.awake - this.#seen.awake, wait.calm)
    const hasLeapt = now.at - this.#seen.at > step + LEAP_MS
    this.#seen = now
    this.#awakeMs += step
    if (hasLeapt) {
      this.#restlessMs += this.#isRestless ? this.#calmMs + step : step
      this.#isRestless = true
      this.#calmMs = 0
    } else this.#calmMs += step
    if (now.at - this.#since < wait.at || this.#awakeMs < wait.awake) return false
    // A machine that never wakes for long must not be silent for ever.
    return this.#calmMs >= wait.calm || this.#restlessMs + this.#calmMs >= wait.awake
  }
}
