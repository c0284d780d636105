import { uniform } from '../../../src/base/index.ts'
import { onLoopDisk, VICTIM } from '../on-loop-disk.ts'
import type { Outcome, RunOptions } from '../rehearse.ts'

const DISK_MB = 256
const SHORTEST_MS = 500
const LONGEST_MS = 2_500

/**
 * R2: the power of one node fails while it accepts messages: what its file system had not written is gone. Everything
 * that it had said yes to, and everything that others know it has, must be there when it is back.
 */
export function power(options: RunOptions): Promise<Outcome> {
  const times = options.times ?? (options.tier === 'P' ? 10 : 50)
  const setting = { nodes: options.nodes ?? 5, megabytes: DISK_MB }
  return onLoopDisk(options, setting, async ({ rig, rng, sleep }, disk) => {
    for (let n = 0; n < times; n++) {
      options.progress(`${n} of ${times} power cuts`)
      await sleep(SHORTEST_MS + uniform(rng) * (LONGEST_MS - SHORTEST_MS))
      rig.pause(VICTIM)
      await disk.cutPower(() => rig.kill(VICTIM))
      await rig.start(VICTIM)
    }
    return { 'power cuts': times }
  })
}
