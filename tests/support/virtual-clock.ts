import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, Timer } from '../../src/base/index.ts'

interface Pending {
  readonly at: number
  readonly order: number
  /** Undefined once fired or cancelled. */
  fn: (() => void) | undefined
}

/**
 * A Clock that stands still until a test moves it. Timers fire in order of time, then of creation; between
 * two of them all promise callbacks run, and everything that is held.
 */
export class VirtualClock implements Clock {
  readonly #startMs: number
  #elapsed = 0
  #order = 0
  /** Binary heap: the earliest is first. */
  readonly #heap: Pending[] = []
  #live = 0
  readonly #held = new Set<Promise<unknown>>()

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
    const pending: Pending = { at: this.#elapsed + Math.max(0, ms), order: this.#order++, fn }
    this.#push(pending)
    this.#live++
    return {
      cancel: () => {
        if (pending.fn === undefined) return
        pending.fn = undefined
        this.#live--
      },
    }
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

  /**
   * Stops the time until `work` has settled: for what runs outside the event loop, such as WebCrypto, whose
   * real duration must not show on this clock.
   */
  hold<T>(work: Promise<T>): Promise<T> {
    this.#held.add(work)
    const release = () => this.#held.delete(work)
    work.then(release, release)
    return work
  }

  /** Timers that have been set and not yet fired or cancelled. */
  get pendingTimers(): number {
    return this.#live
  }

  /** Moves the time, firing what falls due, and lets all promises settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await this.#settle()
    for (;;) {
      const next = this.#next(end)
      if (next?.fn === undefined) break
      const { fn } = next
      next.fn = undefined
      this.#live--
      this.#elapsed = Math.max(this.#elapsed, next.at)
      fn()
      await this.#settle()
    }
    this.#elapsed = end
  }

  async #settle(): Promise<void> {
    await nextTurn()
    while (this.#held.size > 0) {
      await Promise.allSettled(this.#held)
      await nextTurn()
    }
  }

  /** Takes the earliest live timer that is due by `end`. */
  #next(end: number): Pending | undefined {
    for (;;) {
      const [first] = this.#heap
      if (first === undefined || (first.fn !== undefined && first.at > end)) return undefined
      this.#pop()
      if (first.fn !== undefined) return first
    }
  }

  #push(pending: Pending): void {
    const heap = this.#heap
    let at = heap.push(pending) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(pending, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = pending
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [a, b] = [heap[left], heap[left + 1]]
      if (a === undefined) break
      const child = b !== undefined && isBefore(b, a) ? b : a
      if (!isBefore(child, last)) break
      heap[at] = child
      at = child === a ? left : left + 1
    }
    heap[at] = last
  }
}

function isBefore(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
