import { uniformInt } from '../../../src/base/index.ts'
import { AROUND_MS, type Extent, rehearse, type RunOptions, type Stage } from '../rehearse.ts'
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
const TIMES = 6
/** The scoreboard's; a steady rate of 33 is measured as a little more or less. */
const MIN_RATE = 30
/** Four of five nodes go on. */
const MIN_RATE_IN_FAULTS = 20

/** From the shortest pause to the longest, each longer than the one before by the same factor. */
export function pauseLengths(times: number): number[] {
  return Array.from({ length: times }, (_, n) => {
    const share = times > 1 ? n / (times - 1) : 1
    return SHORTEST_MS * (LONGEST_MS / SHORTEST_MS) ** share
  })
}

export function pauseMs({ times = TIMES }: Extent): number {
  const paused = pauseLengths(times).reduce((sum, ms) => sum + ms, 0)
  return AROUND_MS + paused + times * SHORTEST_MS + STARVED_MS + 2 * RESUMED_MS
}

/**
 * R11: a node stands still and goes on, as a laptop does whose lid is closed, for longer each time. Then one has next to nothing
 * of the processor for a minute.
 */
export function pause(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 5
  const lengths = pauseLengths(options.times ?? TIMES)
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 33,
    minRate: MIN_RATE,
    inFaults: { minRate: MIN_RATE_IN_FAULTS },
    settleMs: 240_000,
    faults: async (stage) => {
      const { rig, rng, sleep } = stage
      const resumed: number[] = []
      for (const [n, ms] of lengths.entries()) {
        options.progress(`${n} of ${lengths.length} pauses`)
        const victim = uniformInt(rng, nodes)
        rig.pause(victim)
        await sleep(ms)
        rig.resume(victim)
        resumed.push(await accepts(stage, victim, 'a pause'))
        await sleep(SHORTEST_MS)
      }
      const victim = uniformInt(rng, nodes)
      const { how, ms } = await starve(stage, victim)
      return {
        pauses: lengths.length,
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
