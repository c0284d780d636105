import { type Clock, concat, isHearsayError, readU64be, u64be, utf8 } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import { WAIT_CLOCK_SAVE_MS } from './constants.ts'

export interface WaitClockPorts {
  readonly clock: Clock
  readonly store: Store
}

/** A reading and the wall clock beside it, milliseconds since 1970. */
interface Reading {
  readonly at: number
  readonly wall: number
}

const ROW = utf8('reading')
/** A step of the wall clock or a sleep of the machine; less is rounding. */
const STEP_MS = 1_000

/**
 * The clock by which everything waits here: offers, acks, expiry, limits. It follows the wall clock and never goes
 * back: when one that was ahead is set right, it runs on from where it was, so nothing that was timed meanwhile waits
 * until the wall clock is there again. What is said to others, shown, or named by a day is dated by the wall clock.
 *
 * A wall clock that jumps ahead cannot be told from a machine that slept: the time counts as passed.
 */
export class WaitClock {
  readonly #clock: Clock
  readonly #store: Store
  #at: number
  #wall: number
  #monotonic: number
  #saved: Reading | undefined

  constructor(ports: WaitClockPorts) {
    this.#clock = ports.clock
    this.#store = ports.store
    this.#wall = this.#clock.now()
    this.#monotonic = this.#clock.monotonic()
    this.#at = this.#wall
  }

  /** Goes on from what the disk has. Without it, or if it is damaged, the wall clock is believed. */
  async load(): Promise<void> {
    const row = await this.#read()
    if (row?.length !== 16) return
    const saved = { at: readU64be(row), wall: readU64be(row.subarray(8)) }
    this.#saved = saved
    this.#at = saved.at
    this.#wall = saved.wall
    this.#monotonic = this.#clock.monotonic()
  }

  async #read(): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.get(BUCKETS.waitClock, ROW)
    } catch (error) {
      if (isHearsayError(error, 'storage-corrupt')) return undefined
      throw error
    }
  }

  /** Integer milliseconds; the wall clock, unless that was ahead before. Never less than it. */
  now(): number {
    const wall = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    const ticked = monotonic - this.#monotonic
    const moved = wall - this.#wall
    const jumped = moved - ticked
    // By less than half of what it is behind: a sleep. Else it was wrong for a while, and is set right again.
    const slept = jumped > STEP_MS && jumped < (this.#at - this.#wall) / 2
    this.#at = slept ? this.#at + moved : Math.max(this.#at + ticked, wall)
    this.#wall = wall
    this.#monotonic = monotonic
    return Math.floor(this.#at)
  }

  /** Whether the wall clock was set back and is not yet where it was. */
  get isAhead(): boolean {
    return this.now() - this.#wall > STEP_MS
  }

  /**
   * Puts the reading into a batch unless a recent one is on disk: beside every time of this clock that is stored, or a
   * restart would forget that it was ahead. True if it did.
   */
  save(batch: Batch): boolean {
    const at = this.now()
    const wall = this.#wall
    const saved = this.#saved
    const isRecent = saved !== undefined && at - saved.at < WAIT_CLOCK_SAVE_MS && wall >= saved.wall
    if (isRecent) return false
    this.#saved = { at, wall }
    batch.put(BUCKETS.waitClock, ROW, concat(u64be(at), u64be(wall)))
    return true
  }
}
