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
