import { type Clock, HearsayError, isHearsayError, type Logger } from '../base/index.ts'
import type { Store } from '../store/index.ts'

export interface HealingPorts {
  readonly clock: Clock
  readonly log: Logger
  readonly store: Store
  /** Ends everything that changes state. What is read stays readable. */
  readonly quiesce: () => Promise<void>
  /** Drops what was built on the store before: it may be ahead of the disk. */
  readonly forget: () => void
  /** Reads again what is kept in memory over the store. Before anything may change state. */
  readonly reload: () => Promise<void>
  /** Goes on, on the healed store. */
  readonly resume: () => Promise<void>
  /** There is no way on. */
  readonly fail: (cause: Error) => void
}

const PROBE_MS = 1000
const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 30_000
/** A store that breaks again within this time waits longer than the last time. */
const CALM_MS = 60_000
/** A disk that was full says itself when it has room: for its store no wait grows, however often it is full. */
const LONGEST_FULL_MS = FIRST_WAIT_MS

/**
 * Heals the store after a failed write: waits until the disk takes writes again, opens the store anew and builds
 * the node on what the disk has. Looking at the disk is cheap and frequent; an opening that fails, or a store that
 * breaks again at once, is tried again after 1 s, 2 s … 30 s. One that only was full opens within 2 s of there being
 * room.
 */
export class Healing {
  readonly #ports: HealingPorts
  #cause: Error | undefined
  #underWay = false
  #isReturning = false
  #waitMs = FIRST_WAIT_MS
  #healedAt = Number.NEGATIVE_INFINITY

  constructor(ports: HealingPorts) {
    this.#ports = ports
  }

  /** From the failed write until memory is as the disk is: nothing may change state. */
  get underWay(): boolean {
    return this.#underWay || this.#ports.store.state() === 'poisoned'
  }

  /** Nothing is being repaired, and everything that was stopped for it runs again or was tried. */
  get isOver(): boolean {
    return !this.underWay && !this.#isReturning
  }

  get #wasFull(): boolean {
    return isHearsayError(this.#cause, 'storage-full')
  }

  /** Runs until the signal, or until there is no way on. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, fail } = this.#ports
    let wake: (() => void) | undefined
    const stopListening = store.onPoisoned((cause) => {
      this.#cause = cause
      wake?.()
    })
    signal.addEventListener('abort', () => wake?.())
    try {
      while (!signal.aborted) {
        if (store.state() === 'poisoned') await this.#round(signal)
        else
          await new Promise<void>((resolve) => {
            wake = resolve
          })
      }
    } catch (error) {
      if (signal.aborted) return
      this.#ports.log.error('the store cannot be repaired')
      fail(error instanceof Error ? error : new HearsayError('bug', 'not an error'))
    } finally {
      stopListening()
    }
  }

  /** From one failed write to the node that goes on. @throws as `#heal`. */
  async #round(signal: AbortSignal): Promise<void> {
    const { clock, log, quiesce, resume } = this.#ports
    const since = clock.now()
    this.#underWay = true
    if (clock.monotonic() - this.#healedAt > CALM_MS) this.#waitMs = FIRST_WAIT_MS
    try {
      await quiesce()
    } catch {
      // Whatever could not write its last words; the rest has ended all the same.
    }
    await this.#heal(signal)
    this.#healedAt = clock.monotonic()
    this.#isReturning = true
    this.#underWay = false
    await this.#tell(since)
    try {
      await resume()
    } catch (error) {
      // The next beat of the upkeep tries again, and so does the next round after another failed write.
      const code = isHearsayError(error) ? error.code : 'bug'
      log.error('the node could not be built anew on the repaired store', { code })
    } finally {
      this.#isReturning = false
    }
  }

  /** @throws HearsayError for what waiting does not mend. */
  async #heal(signal: AbortSignal): Promise<void> {
    const { clock, log, store, forget, reload } = this.#ports
    let longestMs = this.#wasFull ? LONGEST_FULL_MS : LONGEST_WAIT_MS
    this.#waitMs = Math.min(this.#waitMs, longestMs)
    let nextAt = clock.monotonic() + (this.#waitMs > FIRST_WAIT_MS ? this.#waitMs : 0)
    for (;;) {
      await clock.sleep(PROBE_MS, signal)
      if (clock.monotonic() < nextAt || !(await store.isWritable())) continue
      this.#waitMs = Math.min(2 * this.#waitMs, longestMs)
      nextAt = clock.monotonic() + this.#waitMs
      forget()
      try {
        await store.heal()
        await reload()
        log.info('the store is repaired')
        return
      } catch (error) {
        if (isHearsayError(error, 'storage-corrupt')) throw error
        if (!isHearsayError(error, 'storage-full')) longestMs = LONGEST_WAIT_MS
        const code = isHearsayError(error) ? error.code : 'unknown'
        log.warn('the store cannot be opened again yet', { code })
      }
    }
  }

  /** What could not be written while it was so. */
  async #tell(since: number): Promise<void> {
    const { clock, store } = this.#ports
    const reason = this.#wasFull ? 'full' : 'failed'
    const from = new Date(since).toISOString()
    const batch = store.batch()
    if (reason === 'full') batch.append({ type: 'storage.full', data: { since: from } })
    const data = { reason, since: from, readonlyMs: Math.max(0, clock.now() - since) }
    batch.append({ type: 'storage.recovered', data })
    // It breaks again: the next round tells.
    await batch.commit().catch(() => undefined)
  }
}
