import type { Clock, Timer } from './clock.ts'

// setTimeout fires at once above 2^31 - 1 ms; longer timers are cut into steps.
const MAX_TIMEOUT_MS = 2 ** 31 - 1

let timers = 0

/** Timers of the system clock that wait in this thread: nobody else sees them, because they keep nothing alive. */
export function waitingTimers(): number {
  return timers
}

/** The real clock. Timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = () => {
        timer.cancel()
        reject(signal?.reason as Error)
      }
      const timer = setTimer(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
}

function setTimer(ms: number, fn: () => void): Timer {
  let handle: NodeJS.Timeout
  let waits = true
  timers++
  const end = () => {
    if (waits) timers--
    waits = false
  }
  const fire = () => {
    end()
    fn()
  }
  const arm = (left: number) => {
    const step = Math.min(left, MAX_TIMEOUT_MS)
    handle = setTimeout(() => (left > step ? arm(left - step) : fire()), step)
    handle.unref()
  }
  arm(Math.max(0, ms))
  return {
    cancel: () => {
      end()
      clearTimeout(handle)
    },
  }
}
