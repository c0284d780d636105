import { uniform, uniformInt } from '../../../src/base/index.ts'
import { rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { Squeeze } from '../squeeze.ts'

const SHORTEST_MS = 5_000
const LONGEST_MS = 120_000
/** Within this time after it goes on, a node accepts messages again. */
const RESUMED_MS = 5_000
const POLL_MS = 20
/** Share of a processor that a starved node has. */
const STARVED = 0.05
const STARVED_MS = 60_000

/**
 * R11: a node stands still and goes on, as a laptop does whose lid is closed; the last pause is the longest. Then one has next to
 * nothing of the processor for a minute.
 */
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
        const drawn = SHORTEST_MS + uniform(rng) * (LONGEST_MS - SHORTEST_MS)
        rig.pause(victim)
        await sleep(n === times - 1 ? LONGEST_MS : drawn)
        rig.resume(victim)
        resumed.push(await accepts(stage, victim, 'a pause'))
        await sleep(SHORTEST_MS)
      }
      const victim = uniformInt(rng, nodes)
      const { how, ms } = await starve(stage, victim)
      return {
        pauses: times,
        'longest, s': LONGEST_MS / 1000,
        'accepts again after at most, ms': Math.max(...resumed),
        starved: `${100 * STARVED} % of a processor for ${STARVED_MS / 1000} s, by ${how}`,
        'accepts after it, ms': ms,
      }
    },
  })
}

async function starve(stage: Stage, victim: number): Promise<{ how: string; ms: number }> {
  const { rig, sleep } = stage
  rig.options.progress(`node ${victim} has ${100 * STARVED} % of a processor`)
  const squeeze = new Squeeze(rig.process(victim), STARVED)
  rig.recorder.fault('starved', victim)
  try {
    await sleep(STARVED_MS)
  } finally {
    squeeze.end()
  }
  rig.recorder.fault('fed', victim)
  return { how: squeeze.how, ms: await accepts(stage, victim, 'starving') }
}

/** @returns milliseconds until the node says yes to a message again; somewhat more than the limit when it does not. */
async function accepts({ rig, sleep, late }: Stage, node: number, after: string): Promise<number> {
  const from = performance.now()
  for (;;) {
    const sends = rig.recorder.sends
    const first = sends.findLast((send) => send.from === node && (send.acceptedAt ?? 0) > from)
    const ms = Math.round((first?.acceptedAt ?? performance.now()) - from)
    if (first === undefined && ms <= 2 * RESUMED_MS) {
      await sleep(POLL_MS)
      continue
    }
    if (ms > RESUMED_MS) late.push(`node ${node} accepts only ${ms} ms after ${after}`)
    return ms
  }
}
