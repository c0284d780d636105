import type { Rng } from '../../../src/base/index.ts'
import type { Sample } from '../analysis/classifier.ts'
import { type Cadence, compareMoments, measureCadence } from '../analysis/emissions.ts'
import { frequentSizes, windowsOf } from '../analysis/features.ts'
import { drawnFreshly } from '../analysis/kinds.ts'
import { type Effect, plant } from '../analysis/planted-effects.ts'
import { cycleUniformity } from '../analysis/publications.ts'
import type { Phase } from '../analysis/trace.ts'
import { byteRate } from '../analysis/volume.ts'
import type { Observation } from './observe.ts'

/** What one kind of phases of a run came to. */
export interface Side {
  readonly cadence: Cadence
  readonly bytesPerSecond: number
  readonly framesPerSecond: number
  readonly frameSizes: readonly number[]
  /** Share of the looks at outboxes that found messages waiting. */
  readonly waiting: number
  /** Share of own packets that were answered. */
  readonly answered: number
  /** Packets behind the moment that was drawn for them, milliseconds. */
  readonly late: { readonly p50: number; readonly p99: number }
  /** Share of the processors' time that nobody else needed. */
  readonly processorFree: number
}

/** A run without its trace, which is too large to keep. */
export interface RunSummary {
  readonly label: string
  readonly idle: Side
  readonly busy: Side
  readonly moments: { readonly p: number; readonly detectableMs: number }
  /** Publications spread over the cycle, by p. */
  readonly cycle: number
  /** Publishing slots drawn freshly, by p. */
  readonly fresh: number
  readonly unseen: readonly string[]
  readonly sent: number
  readonly windows: readonly Sample[]
  /** The same windows as they would have been with a leak. */
  readonly planted: readonly { readonly effect: Effect; readonly windows: readonly Sample[] }[]
}

const WINDOW_SLOTS = 20

/** Leaks of several sizes, to find which of them this very run would have shown. */
export const EFFECTS: readonly Effect[] = [
  { kind: 'late', ms: 2 },
  { kind: 'late', ms: 5 },
  { kind: 'late', ms: 10 },
  { kind: 'late', ms: 20 },
  { kind: 'missing', oneIn: 100 },
  { kind: 'missing', oneIn: 20 },
  { kind: 'chatter', everyMs: 60_000, bytes: 153 },
  { kind: 'chatter', everyMs: 10_000, bytes: 153 },
]

export function summarise(
  label: string,
  run: Observation,
  ports: { rng: Rng },
  options: { readonly effects: readonly Effect[] },
): RunSummary {
  const { trace, phases, cycles, nodes, emissions } = run
  const frameBytes = wireFrameBytes(run)
  const features = { grid: cycles, nodes, windowMs: WINDOW_SLOTS * cycles.slotMs, frameBytes }
  const sizes = frequentSizes(trace, phases)
  const idle = sideOf(
    run,
    phases.filter(({ busy }) => !busy),
  )
  const busy = sideOf(
    run,
    phases.filter((phase) => phase.busy),
  )
  const inside = (at: number) => phases.some(({ from, to }) => at >= from && at < to)
  return {
    label,
    idle,
    busy,
    moments: compareMoments(idle.cadence, busy.cadence, cycles),
    cycle: cycleUniformity(run.publications.filter(inside), cycles),
    fresh: drawnFreshly(
      emissions.filter(({ at }) => inside(at)),
      { ...cycles, nodes },
    ),
    unseen: run.unseen,
    sent: run.sent,
    windows: windowsOf(trace, phases, features, sizes),
    planted: options.effects.map((effect) => ({
      effect,
      windows: windowsOf(plant(ports, trace, emissions, effect, features), phases, features, sizes),
    })),
  }
}

// Length prefix 4, yamux header 12, Noise length 2 and tag 16.
const LINK_OVERHEAD_BYTES = 34

/** The size of a chunk that carries one mix frame and nothing else. */
function wireFrameBytes({ seconds }: Observation): number {
  const size = seconds.flatMap(({ frames }) => Object.keys(frames))[0]
  if (size === undefined) throw new Error('no frame was written')
  return Number(size) + LINK_OVERHEAD_BYTES
}

function sideOf(run: Observation, phases: readonly Phase[]): Side {
  const inside = (at: number) => phases.some(({ from, to }) => at >= from && at < to)
  const seconds = run.seconds.filter(({ from, to }) => inside(from) && inside(to))
  const looks = run.looks.filter(({ at }) => inside(at))
  const rates = looks.flatMap(({ replyRate }) => (replyRate === null ? [] : [replyRate]))
  const late = run.emissions
    .filter(({ at }) => inside(at))
    .map(({ at, dueAt }) => at - dueAt)
    .sort((a, b) => a - b)
  const ticks = run.ticks.filter(({ from, to }) => inside(from) && inside(to))
  let [frames, ms] = [0, 0]
  for (const second of seconds) {
    ms += second.to - second.from
    for (const count of Object.values(second.frames)) frames += count
  }
  const all = ticks.reduce((sum, each) => sum + each.all, 0)
  return {
    cadence: measureCadence(run.emissions, phases, { grid: run.cycles, nodes: run.nodes }),
    bytesPerSecond: byteRate(run.trace, phases),
    framesPerSecond: (frames * run.nodes * 1_000) / ms,
    frameSizes: [
      ...new Set(seconds.flatMap(({ frames: sizes }) => Object.keys(sizes).map(Number))),
    ],
    answered: rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
    waiting: looks.filter(({ queued }) => queued > 0).length / looks.length,
    late: {
      p50: late[Math.floor(late.length / 2)] ?? 0,
      p99: late[Math.floor(late.length * 0.99)] ?? 0,
    },
    processorFree: ticks.reduce((sum, each) => sum + each.free, 0) / all,
  }
}
