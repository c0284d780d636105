import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, Timer } from '../../src/base/index.ts'

interface Pending {
  at: number
  order: number
  fn: () => void
}

/**
 * A Clock that stands still until a test moves it. Timers fire in order of time, then of creation; between
 * two of them all promise callbacks run.
 */
export class VirtualClock implements Clock {
  readonly #startMs: number
  #elapsed = 0
  #order = 0
  readonly #pending = new Set<Pending>()

  constructor(startMs = Date.UTC(2026, 0, 15, 12)) {
    this.#startMs = startMs
  }

  now(): number {
    return Math.floor(this.#startMs + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  setTimer(ms: number, fn: () => void): Timer {
    const pending = { at: this.#elapsed + Math.max(0, ms), order: this.#order++, fn }
    this.#pending.add(pending)
    return { cancel: () => this.#pending.delete(pending) }
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = () => {
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

  /** Timers that have been set and not yet fired or cancelled. */
  get pendingTimers(): number {
    return this.#pending.size
  }

  /** Moves the time, firing what falls due, and lets all promises settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await nextTurn()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#pending.delete(next)
      this.#elapsed = Math.max(this.#elapsed, next.at)
      next.fn()
      await nextTurn()
    }
    this.#elapsed = end
  }

  #next(end: number): Pending | undefined {
    let best: Pending | undefined
    for (const pending of this.#pending) {
      if (pending.at > end) continue
      if (best === undefined || pending.at < best.at) best = pending
      else if (pending.at === best.at && pending.order < best.order) best = pending
    }
    return best
  }
}
