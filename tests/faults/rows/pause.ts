import { uniform, uniformInt } from '../../../src/base/index.ts'
import { rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

const SHORTEST_MS = 5_000
const LONGEST_MS = 60_000
/** Within this time after it goes on, a node accepts messages again. */
const RESUMED_MS = 5_000
const POLL_MS = 20

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
    faults: async (stage) => {
      const { rig, rng, sleep } = stage
      const resumed: number[] = []
      for (let n = 0; n < times; n++) {
        options.progress(`${n} of ${times} pauses`)
        const victim = uniformInt(rng, nodes)
        rig.pause(victim)
        await sleep(SHORTEST_MS + uniform(rng) * (LONGEST_MS - SHORTEST_MS))
        rig.resume(victim)
        const ms = await accepts(stage, victim)
        if (ms > RESUMED_MS) stage.late.push(`node ${victim} accepts only ${ms} ms after a pause`)
        resumed.push(ms)
        await sleep(SHORTEST_MS)
      }
      return {
        pauses: times,
        'longest, s': LONGEST_MS / 1000,
        'accepts again after at most, ms': Math.max(...resumed),
      }
    },
  })
}

/** @returns milliseconds until the node says yes to a message again; somewhat more than the limit when it does not. */
async function accepts({ rig, sleep }: Stage, node: number): Promise<number> {
  const from = performance.now()
  for (;;) {
    const sends = rig.recorder.sends
    const first = sends.findLast((send) => send.from === node && (send.acceptedAt ?? 0) > from)
    const ms = Math.round((first?.acceptedAt ?? performance.now()) - from)
    if (first !== undefined || ms > 2 * RESUMED_MS) return ms
    await sleep(POLL_MS)
  }
}
