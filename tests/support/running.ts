import type { Clock } from '../../src/base/index.ts'
import type { RunningClock } from '../../src/node/running-clock.ts'
import type { VirtualClock } from './virtual-clock.ts'

const BEAT_MS = 60_000

/** Time goes by while a node runs: its clock of running hears every beat. */
export async function runFor(
  clock: VirtualClock,
  running: RunningClock,
  ms: number,
): Promise<void> {
  for (let left = ms; left > 0; left -= BEAT_MS) {
    await clock.advance(Math.min(left, BEAT_MS))
    running.beat()
  }
}

/** The clock of a machine whose wall clock is off by so many ms. */
export function wrongClock(clock: VirtualClock, offMs: () => number): Clock {
  return {
    now: () => clock.now() + offMs(),
    monotonic: () => clock.monotonic(),
    setTimer: (ms, fn) => clock.setTimer(ms, fn),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  }
}
