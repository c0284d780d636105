import { uniform, uniformInt } from '../../../src/base/index.ts'
import { AROUND_MS, type Extent, rehearse, type RunOptions, WATCH_MS } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

const SHORTEST_MS = 300
const LONGEST_MS = 2_000
const TIMES = { P: 40, N: 200 }
const FIRST_RATE = 40
const MIN_RATE = 30
/** Up to four of five nodes are away at a time. */
const MIN_RATE_IN_FAULTS = 15
/** Far above what five nodes on two cores carry. */
const MAX_RATE = 1_000
/** At the highest rate the nodes fill the machine: how long a start takes then is told, and limited only by this. */
const READY_MS = 60_000
/** From one kill to the next, as measured. */
const EACH_MS = 1_300
/** For the climb, and until what was sent at the highest rate has ended: as measured. */
const CLIMB_MS = 75_000

export function killMs({ tier, times = TIMES[tier] }: Extent): number {
  return AROUND_MS + CLIMB_MS + times * EACH_MS + (tier === 'N' ? WATCH_MS : 0)
}

/** R1: a node at a time is killed at any moment and started again. */
export function kill(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 5
  const times = options.times ?? TIMES[options.tier]
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? [FIRST_RATE, MAX_RATE],
    minRate: MIN_RATE,
    inFaults: { minRate: MIN_RATE_IN_FAULTS },
    watchesOn: true,
    settleMs: 240_000,
    ...(options.rate === undefined ? { readyMs: READY_MS } : {}),
    faults: async ({ rig, rng, sleep }) => {
      const starts = new Set<Promise<unknown>>()
      const away = new Set<number>()
      for (let n = 0; n < times; n++) {
        options.progress(`${n} of ${times} kills`)
        await sleep(SHORTEST_MS + uniform(rng) * (LONGEST_MS - SHORTEST_MS))
        let victim = uniformInt(rng, nodes)
        while (away.has(victim)) victim = (victim + 1) % nodes
        await rig.kill(victim)
        away.add(victim)
        const start = rig.start(victim).then(() => away.delete(victim))
        starts.add(start)
        // Told by the `Promise.all` below; until then it is no error that nobody handles.
        start.catch(() => {})
        // Never the last one: somebody has to be there whose messages can be looked at.
        if (away.size >= nodes - 1) await Promise.all(starts)
      }
      await Promise.all(starts)
      return { kills: times }
    },
  })
}
