import { type Clock, isHearsayError, readU64be, u64be, utf8 } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'

/** A stop without a word loses so much at most, ms: what is kept for a time is then kept longer. */
const SAVE_MS = 60_000
const ROW = utf8('ran')
const ROW_BYTES = 8

/**
 * How long this node has run, over all its starts: milliseconds. It dates what must be kept for a time whatever the wall
 * clock says: one that was at 1970 or far ahead for a minute would end it all at once.
 */
export class RunningClock {
  readonly #clock: Clock
  readonly #store: Store
  readonly #begun: number
  #before: Promise<number> | undefined
  #saved = Number.NEGATIVE_INFINITY

  constructor(ports: { clock: Clock; store: Store }) {
    this.#clock = ports.clock
    this.#store = ports.store
    this.#begun = ports.clock.monotonic()
  }

  /** Integer milliseconds. @throws HearsayError when the store cannot be read. */
  async now(): Promise<number> {
    this.#before ??= this.#read()
    try {
      return (await this.#before) + Math.floor(this.#clock.monotonic() - this.#begun)
    } catch (error) {
      this.#before = undefined
      throw error
    }
  }

  /** Puts the reading `now` into a batch, unless a recent one is on disk. */
  save(batch: Batch, now: number): void {
    if (now - this.#saved < SAVE_MS) return
    this.#saved = now
    batch.put(BUCKETS.runningClock, ROW, u64be(now))
  }

  /** Without a row, or with a damaged one, it begins anew: what was kept is kept longer. */
  async #read(): Promise<number> {
    try {
      const row = await this.#store.get(BUCKETS.runningClock, ROW)
      return row?.length === ROW_BYTES ? readU64be(row) : 0
    } catch (error) {
      if (isHearsayError(error, 'storage-corrupt')) return 0
      throw error
    }
  }
}
