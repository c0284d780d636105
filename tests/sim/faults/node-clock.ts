import type { Clock, Timer } from '../../../src/base/index.ts'

const ROUNDING_MS = 1e-6

/**
 * The clocks of one machine over the simulation's: the wall clock can step, both run faster or slower, and nothing
 * happens any more once it is switched off.
 */
export class NodeClock implements Clock {
  readonly #base: Clock
  readonly #timers = new Set<Timer>()
  #isOff = false
  /** Own time at `#since` of the base. */
  #local: number
  #since: number
  #rate = 1
  #stepMs: number

  constructor(base: Clock, state: { readonly rate: number; readonly stepMs: number }) {
    this.#base = base
    this.#since = base.monotonic()
    this.#local = this.#since
    this.#rate = state.rate
    this.#stepMs = state.stepMs
  }

  now(): number {
    const started = this.#base.now() - this.#base.monotonic()
    return Math.floor(started + this.monotonic() + this.#stepMs)
  }

  monotonic(): number {
    return this.#local + (this.#base.monotonic() - this.#since) * this.#rate
  }

  setTimer(ms: number, fn: () => void): Timer {
    if (this.#isOff) return { cancel: () => undefined }
    // A rounding error early, and whoever waits for a moment would wait for it again for ever.
    const later = ms > 0 ? ms / this.#rate + ROUNDING_MS : 0
    const timer = this.#base.setTimer(later, () => {
      this.#timers.delete(timer)
      fn()
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = (): void => {
        timer.cancel()
        reject(signal?.reason as Error)
      }
      const timer = this.setTimer(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Sets the wall clock against the true time. */
  step(ms: number): void {
    this.#stepMs = ms
  }

  /** From now on this clock runs at `rate`; timers that are set already do not move. */
  drift(rate: number): void {
    this.#local = this.monotonic()
    this.#since = this.#base.monotonic()
    this.#rate = rate
  }

  /** Timers of whatever runs on this machine. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  off(): void {
    this.#isOff = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
