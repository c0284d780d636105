import type { Clock, Timer } from '../../src/base/index.ts'

/** The clock of a machine that can be suspended: timers and monotonic time stand still, the wall clock does not. */
export class SleepyClock implements Clock {
  readonly #inner: Clock
  readonly #parked: (() => void)[] = []
  #lost = 0
  #asleepAt: number | undefined

  constructor(inner: Clock) {
    this.#inner = inner
  }

  now(): number {
    return this.#inner.now()
  }

  monotonic(): number {
    return (this.#asleepAt ?? this.#inner.monotonic()) - this.#lost
  }

  setTimer(ms: number, fn: () => void): Timer {
    const due = this.monotonic() + ms
    let isCancelled = false
    const arm = (): void => {
      this.#inner.setTimer(Math.max(0, due - this.monotonic()), () => {
        if (isCancelled) return
        if (this.#asleepAt !== undefined) this.#parked.push(arm)
        else if (this.monotonic() < due) arm()
        else fn()
      })
    }
    arm()
    return {
      cancel: () => {
        isCancelled = true
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

  suspend(): void {
    this.#asleepAt = this.#inner.monotonic()
  }

  resume(): void {
    this.#lost += this.#inner.monotonic() - (this.#asleepAt ?? this.#inner.monotonic())
    this.#asleepAt = undefined
    for (const arm of this.#parked.splice(0)) arm()
  }
}
