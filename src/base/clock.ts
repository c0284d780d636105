/** A timer that has been set and can be taken back. */
export interface Timer {
  cancel(): void
}

/**
 * Time as a port. Everything that waits or dates takes a Clock; `Date.now` and `setTimeout` outside the
 * adapters are lint errors, because a simulator and the tests run hours in milliseconds.
 */
export interface Clock {
  /** Wall clock, integer milliseconds since 1970 UTC. May step. */
  now(): number
  /** Monotonic milliseconds, fractional. Never steps back. */
  monotonic(): number
  /** Calls `fn` once, `ms` from now (0 or more). */
  setTimer(ms: number, fn: () => void): Timer
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
