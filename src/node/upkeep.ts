import { type Clock, isHearsayError, type Logger } from '../base/index.ts'
import type { Store } from '../store/index.ts'

export interface UpkeepPorts {
  readonly clock: Clock
  readonly log: Logger
  readonly store: Store
  /** Tries again what failed when the node started or joined. */
  readonly retry: () => Promise<void>
  /** Goes on erasing what was removed. */
  readonly erase: () => Promise<void>
  /** Looks on for messages that nothing would ever end. */
  readonly lookForOrphans: () => Promise<void>
  /** Removes the events that are kept no longer; whether there are more of them. */
  readonly retain: () => Promise<{ readonly left: number }>
  /** Counts the time that the node runs. */
  readonly beat: () => Promise<void>
  /** Deletes what is kept for a time only. */
  readonly prune: (signal: AbortSignal) => Promise<unknown>
  /** There is more of it than may be. */
  readonly mustPrune: () => boolean
  /** The disk has so many bytes free: what others' boxes take is fitted to it. Must not throw. */
  readonly fit: (freeBytes: number) => void
}

/** Free bytes below which no message is accepted, and no box of others taken. */
export const SENDING_SPACE_BYTES = 64 * 1024 * 1024
/** Free bytes below which the owner is told, and boxes of others are let go. */
export const LOW_SPACE_BYTES = 256 * 1024 * 1024
/** Free bytes that others' boxes leave. Apart, so that a disk at the limit is not told of all the time. */
export const ENOUGH_SPACE_BYTES = 320 * 1024 * 1024
const BEAT_MS = 10_000
/** While space is scarce: whoever frees some wants to go on at once. */
const SCARCE_BEAT_MS = 1_000
const RETAIN_MS = 600_000
const PRUNE_MS = 6 * 3_600_000
/** Of a copy of the home that is put back after a crash, so much of what it lacks at most is not noticed. */
const WITNESS_MS = 600_000

/** What a node does now and then: an eye on the free space and the reserve, retention, the mark of the home, another try at what failed. */
export class Upkeep {
  readonly #ports: UpkeepPorts
  #freeBytes = Number.POSITIVE_INFINITY
  #isLow = false

  constructor(ports: UpkeepPorts) {
    this.#ports = ports
  }

  /** Free bytes of the disk at the last look, infinite before the first. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** As `look`. Never fails: what it would tell, the next one tells. */
  tryLook(): Promise<void> {
    return this.#try('space', () => this.look())
  }

  /**
   * Looks at the free space, fits others' boxes to it, and says in the journal when it becomes scarce and when it no longer
   * is. @throws HearsayError as the store.
   */
  async look(): Promise<void> {
    const { store, fit } = this.#ports
    this.#freeBytes = (await store.space()).freeBytes
    if (store.state() === 'ok') fit(this.#freeBytes)
    const limit = this.#isLow ? ENOUGH_SPACE_BYTES : LOW_SPACE_BYTES
    const isLow = this.#freeBytes < limit
    if (isLow === this.#isLow || store.state() !== 'ok') return
    const data = { freeBytes: this.#freeBytes }
    const event = isLow
      ? { type: 'storage.low', data }
      : { type: 'storage.recovered', data: { reason: 'low', ...data } }
    await store.batch().append(event).commit()
    this.#isLow = isLow
  }

  /** Runs until the signal; waits while the store refuses writes. One part that fails does not end the others. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, store, retry, erase, lookForOrphans, retain, beat } = this.#ports
    const { prune, mustPrune } = this.#ports
    const started = clock.monotonic()
    let retainAt = started + BEAT_MS
    let pruneAt = started + BEAT_MS
    let witnessAt = started + WITNESS_MS
    while (!signal.aborted) {
      await this.tryLook()
      if (store.state() === 'ok') await this.#try('erasure', erase)
      const isScarce = this.#freeBytes < LOW_SPACE_BYTES
      await clock.sleep(isScarce ? SCARCE_BEAT_MS : BEAT_MS, signal)
      if (store.state() !== 'ok') continue
      await this.#try('time', beat)
      await this.#try('reserve', () => store.keepReserve())
      await this.#try('retry', retry)
      await this.#try('orphans', lookForOrphans)
      const now = clock.monotonic()
      if (now >= retainAt) {
        retainAt = now + RETAIN_MS
        await this.#try('retention', async () => {
          if ((await retain()).left > 0) retainAt = now
        })
      }
      if (now >= pruneAt || mustPrune()) {
        pruneAt = now + PRUNE_MS
        await this.#try('idempotency', () => prune(signal))
      }
      if (now >= witnessAt) {
        witnessAt = now + WITNESS_MS
        await this.#try('witness', () => store.renewWitness())
      }
    }
  }

  async #try(part: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const code = isHearsayError(error) ? error.code : 'bug'
      this.#ports.log.warn('upkeep failed and will be tried again', { part, code })
    }
  }
}
