import { type Clock, HearsayError } from '../base/index.ts'

export interface Deadline {
  readonly signal: AbortSignal
  /** Must be called when the work is over: releases the timer and the outer signal. */
  clear(): void
}

/** Aborts with `timeout` after `ms` of the Clock, or with the outer signal's reason. */
export function deadline(clock: Clock, ms: number, outer?: AbortSignal): Deadline {
  const controller = new AbortController()
  const onOuter = () => controller.abort(outer?.reason)
  const timer = clock.setTimer(ms, () =>
    controller.abort(new HearsayError('timeout', 'deadline passed', { ms })),
  )
  if (outer?.aborted) onOuter()
  else outer?.addEventListener('abort', onOuter, { once: true })
  return {
    signal: controller.signal,
    clear: () => {
      timer.cancel()
      outer?.removeEventListener('abort', onOuter)
    },
  }
}

/** Settles with `work`, or rejects with the signal's reason, whichever is first. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined)
    throw signal.reason
  }
  return await new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
