import { type Clock, isHearsayError, readU64be, u64be, utf8 } from '../base/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'

/** A stop without a word loses so much at most, ms: what is kept for a time is then kept longer. */
const SAVE_MS = 300_000
/**
 * What counts between two beats at most, ms. A process that was halted did not run, nor did a machine that slept, though
 * some systems count its sleep as monotonic time.
 */
const BEAT_MAX_MS = 60_000
const ROW = utf8('ran')
const ROW_BYTES = 8

/**
 * How long this node has run, over all its starts: milliseconds. It dates what must be kept for a time whatever the wall
 * clock says: one that was at 1970 or far ahead for a minute would end it all at once. It needs `beat` now and then.
 */
export class RunningClock {
  readonly #clock: Clock
  readonly #store: Store
  #before: Promise<number> | undefined
  #ran = 0
  #beatAt: number
  #saved = Number.NEGATIVE_INFINITY

  constructor(ports: { clock: Clock; store: Store }) {
    this.#clock = ports.clock
    this.#store = ports.store
    this.#beatAt = ports.clock.monotonic()
  }

  /** Time goes on: at most BEAT_MAX_MS since the last beat. */
  beat(): void {
    const at = this.#clock.monotonic()
    this.#ran += Math.min(at - this.#beatAt, BEAT_MAX_MS)
    this.#beatAt = at
  }

  /** Integer milliseconds. @throws HearsayError when the store cannot be read. */
  async now(): Promise<number> {
    this.#before ??= this.#read()
    try {
      const before = await this.#before
      this.beat()
      return before + Math.floor(this.#ran)
    } catch (error) {
      this.#before = undefined
      throw error
    }
  }

  /** Puts the reading `now` into a batch: beside what is dated by it and nothing may be later than. */
  put(batch: Batch, now: number): void {
    this.#saved = now
    batch.put(BUCKETS.runningClock, ROW, u64be(now))
  }

  /** As `put`, unless a recent reading is on disk. */
  save(batch: Batch, now: number): void {
    if (now - this.#saved >= SAVE_MS) this.put(batch, now)
  }

  /** Writes the reading, unless a recent one is on disk. @throws HearsayError as the store. */
  async keep(): Promise<void> {
    const now = await this.now()
    if (now - this.#saved >= SAVE_MS) await this.flush()
  }

  /** Writes the reading. @throws HearsayError as the store. */
  async flush(): Promise<void> {
    const batch = this.#store.batch()
    this.put(batch, await this.now())
    await batch.commit()
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
