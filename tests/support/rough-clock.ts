import type { Clock } from '../../src/base/index.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** A wall clock that can step, and timers that can be late, over virtual time. */
export class RoughClock implements Clock {
  readonly virtual: VirtualClock
  stepMs = 0
  /** How late the next timer fires, milliseconds. */
  lateness: () => number = () => 0

  constructor(virtual: VirtualClock) {
    this.virtual = virtual
  }

  now(): number {
    return this.virtual.now() + this.stepMs
  }

  monotonic(): number {
    return this.virtual.monotonic()
  }

  setTimer(ms: number, fn: () => void) {
    return this.virtual.setTimer(ms + this.lateness(), fn)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.virtual.sleep(ms + this.lateness(), signal)
  }
}
