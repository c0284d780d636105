import { uniform, uniformInt } from '../../../src/base/index.ts'
import { type Outcome, rehearse, type RunOptions } from '../rehearse.ts'

const SHORTEST_MS = 5_000
const LONGEST_MS = 60_000

/** R11: a node stands still and goes on, as a laptop does whose lid is closed. */
export function pause(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 5
  const times = options.times ?? 6
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 30,
    minRate: 10,
    settleMs: 240_000,
    faults: async ({ rig, rng, sleep }) => {
      for (let n = 0; n < times; n++) {
        options.progress(`${n} of ${times} pauses`)
        const victim = uniformInt(rng, nodes)
        rig.pause(victim)
        await sleep(SHORTEST_MS + uniform(rng) * (LONGEST_MS - SHORTEST_MS))
        rig.resume(victim)
        await sleep(SHORTEST_MS)
      }
      return { pauses: times, 'longest, s': LONGEST_MS / 1000 }
    },
  })
}
