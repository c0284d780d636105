import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../src/base/index.ts'
import { STOP_GRACE_MS } from '../stop-deadline.ts'
import { isAlive, type ProcessRef, stopProcesses } from '../processes.ts'
import { removeRelayFiles } from './relay/index.ts'
import { removeState, type TestnetState } from './state.ts'

/** Stops every process of the testnet that still runs; `forced` are those that had to be killed. The caller holds the lock. */
export async function takeDown(
  clock: Clock,
  state: TestnetState,
): Promise<{ readonly stopped: number; readonly forced: readonly ProcessRef[] }> {
  const running = state.nodes.flatMap(({ process }) =>
    process !== undefined && isAlive(process) ? [process] : [],
  )
  const { forced } = await stopProcesses(running, clock, STOP_GRACE_MS)
  // Last: nodes that stop say good-bye to each other through it.
  const relay = state.relay?.process
  if (relay !== undefined) await stopProcesses([relay], clock, STOP_GRACE_MS)
  return { stopped: running.length, forced }
}

/** Deletes what a testnet has written, and nothing else that may be in the folder. */
export function wipe(dir: string, state: TestnetState): void {
  removeState(dir)
  removeRelayFiles(dir)
  rmSync(join(dir, 'smoke.json'), { force: true })
  for (const { index } of state.nodes) {
    rmSync(join(dir, `node-${index}`), { recursive: true, force: true })
  }
}
