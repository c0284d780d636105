import { uniform } from '../../../src/base/index.ts'
import { type LoopDiskPlan, onLoopDisk, VICTIM } from '../on-loop-disk.ts'
import { AROUND_MS, type Extent, type RunOptions } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

/** With 320 MiB free and more a node behaves as on any disk. */
const DISK_MB = 512
const SHORTEST_MS = 500
const LONGEST_MS = 2_500
const TIMES = { P: 10, N: 50 }
const MIN_RATE_IN_FAULTS = 5
/** From one cut to the next, as measured. */
const EACH_MS = 3_600

export function powerMs({ tier, times = TIMES[tier] }: Extent): number {
  return AROUND_MS + times * EACH_MS
}

/**
 * R2: the power of one node fails while it accepts messages: what its file system had not written is gone. Everything
 * that it had said yes to, and everything that others know it has, must be there when it is back. A file that nobody synced, written
 * half a second and more before, is gone each time: so would be what the node forgets to sync.
 */
export function power(options: RunOptions): Promise<Outcome> {
  const times = options.times ?? TIMES[options.tier]
  const setting = {
    nodes: options.nodes ?? 5,
    megabytes: DISK_MB,
    inFaults: { minRate: MIN_RATE_IN_FAULTS, by: [VICTIM] },
  } satisfies LoopDiskPlan
  return onLoopDisk(options, setting, async ({ rig, rng, sleep, unsure }, disk) => {
    for (let n = 0; n < times; n++) {
      options.progress(`${n} of ${times} power cuts`)
      const name = `unsynced-${n}`
      const isThere = disk.writeUnsynced(name)
      await sleep(SHORTEST_MS + uniform(rng) * (LONGEST_MS - SHORTEST_MS))
      rig.pause(VICTIM)
      await disk.cutPower(() => rig.kill(VICTIM))
      // A cut that takes nothing is a kill, which shows nothing of what was synced.
      if (isThere()) unsure.push(`power cut ${n} left what nobody had synced`)
      await rig.start(VICTIM)
    }
    return { 'power cuts': times }
  })
}
