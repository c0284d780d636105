import { type Clock, dayOf } from '../base/index.ts'
import { CLOCK_TOLERANCE_MS, DAY_GRACE_MS } from './constants.ts'
import type { EpochClock } from './ports.ts'

/** in: now. near: honest nodes can disagree. far: one of the two clocks is wrong, or it was long on its way. */
export type Nearness = 'in' | 'near' | 'far'

/** Decides by the wall clock which epochs and days of publishing are current. */
export class TimeWindow {
  readonly #clock: Clock
  readonly #epochs: EpochClock
  readonly #ttlDays: number

  constructor(ports: { clock: Clock; epochs: EpochClock }, options: { ttlDays: number }) {
    this.#clock = ports.clock
    this.#epochs = ports.epochs
    this.#ttlDays = options.ttlDays
  }

  /** The epoch of this moment. */
  get epoch(): number {
    return this.#epochs.epochAt(this.#clock.now())
  }

  /** Epochs that some honest clock may show now, lowest first. */
  get epochs(): readonly [number, number] {
    const now = this.#clock.now()
    return [
      this.#epochs.epochAt(now - CLOCK_TOLERANCE_MS),
      this.#epochs.epochAt(now + CLOCK_TOLERANCE_MS),
    ]
  }

  ofEpoch(epoch: number): Nearness {
    const [first, last] = this.epochs
    return nearness(epoch, first, last)
  }

  /** `expiryDay` is the UTC day of publishing plus the network's lifetime of boxes. */
  ofExpiryDay(expiryDay: number): Nearness {
    const now = this.#clock.now()
    const first = dayOf(now - CLOCK_TOLERANCE_MS - DAY_GRACE_MS)
    const last = dayOf(now + CLOCK_TOLERANCE_MS)
    return nearness(expiryDay - this.#ttlDays, first, last)
  }
}

function nearness(value: number, first: number, last: number): Nearness {
  if (value >= first && value <= last) return 'in'
  return value >= first - 1 && value <= last + 1 ? 'near' : 'far'
}
