import { MAX_WAIT_MS, RpcFailure } from '../rpc/client/index.ts'
import type { Clock } from '../src/base/index.ts'
import { EXIT, ExitError } from './exit-codes.ts'

/** A daemon that is there answers within this, whatever it has to do. */
export const SILENCE_MS = 10_000

/** What a wait needs: time, and what ends it before. */
export interface Waiting {
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Waits by calls that each wait for whole milliseconds, and for MAX_WAIT_MS at most, as the RPC wants it, until `ms` are over. A
 * daemon that freezes meanwhile answers none: each ends SILENCE_MS later at most. The signal is for the call.
 * @throws RpcFailure of which `isLate` is true when the time is over, ExitError 5 when the daemon is silent, and whatever else
 * `ask` throws.
 */
export async function waitInSteps<T>(
  { clock, signal }: Waiting,
  ms: number,
  ask: (timeoutMs: number, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = clock.monotonic() + ms
  for (;;) {
    const left = Math.max(0, Math.ceil(deadline - clock.monotonic()))
    const step = Math.min(left, MAX_WAIT_MS)
    try {
      return await unlessSilent({ clock, signal }, step, (until) => ask(step, until))
    } catch (error) {
      if (!isLate(error) || clock.monotonic() >= deadline || left <= MAX_WAIT_MS) throw error
    }
  }
}

/** True for how a wait ends whose time is over: with the cause, where that is a wrong clock. */
export function isLate(error: unknown): error is RpcFailure {
  return error instanceof RpcFailure && ['TIMEOUT', 'CLOCK_SKEW'].includes(error.kind)
}

/**
 * One call that the daemon answers within `ms` and the time of an answer. The signal is for it.
 * @throws ExitError 5 when it does not, and whatever else `ask` throws.
 */
export async function unlessSilent<T>(
  { clock, signal }: Waiting,
  ms: number,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const silent = new AbortController()
  const timer = clock.setTimer(ms + SILENCE_MS, () => silent.abort(silentDaemon()))
  try {
    return await ask(AbortSignal.any([signal, silent.signal]))
  } finally {
    timer.cancel()
  }
}

/** Of a daemon that has answered before and does not now. */
export function silentDaemon(): ExitError {
  return new ExitError(
    EXIT.notReady,
    'the daemon does not answer any more',
    'it is stopped or has too much to do: hearsay status says which',
  )
}
