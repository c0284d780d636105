import { describe, expect, it } from 'vitest'
import { seededRng } from '../support/seeded-rng.ts'
import { DEFAULT_CLASSIFIER, type Separation, separate } from './analysis/classifier.ts'
import { compareMoments, measureCadence } from './analysis/emissions.ts'
import { frequentSizes, windowsOf } from './analysis/features.ts'
import { drawnFreshly, frameBalance } from './analysis/kinds.ts'
import { type Effect, plant, power } from './analysis/planted-effects.ts'
import { compareGaps, cycleUniformity } from './analysis/publications.ts'
import { type Leak, pairedPhases, synthesise, SYNTHETIC_FRAME_BYTES } from './synthetic.ts'

const NODES = 12
const WINDOW_MS = 5_000
const SIGNIFICANCE = 0.01

/** A network in 16 pairs of phases, and all that the suite says of it. */
function judged(seed: string, leak: Leak, copies = 1) {
  const rng = seededRng(seed)
  const phases = pairedPhases(rng, { pairs: 16, phaseMs: 20_000, pauseMs: 2_000 })
  const run = synthesise(
    { rng },
    {
      nodes: NODES,
      layers: 4,
      slotMs: 250,
      mixDelayMs: 125,
      publishEvery: 3,
      copies,
      phases,
      leak,
    },
  )
  const { cycles, trace, emissions, publications } = run
  const idle = phases.filter(({ busy }) => !busy)
  const busy = phases.filter((phase) => phase.busy)
  const grid = { grid: cycles, nodes: NODES }
  const [quiet, loud] = [idle, busy].map((some) => measureCadence(emissions, some, grid))
  const frames = { nodes: NODES, frameBytes: SYNTHETIC_FRAME_BYTES }
  const { in: into, out } = frameBalance(trace, frames)
  const windows = windowsOf(trace, phases, { ...grid, ...frames, windowMs: WINDOW_MS })
  return {
    run,
    phases,
    windows,
    separation: separate(windows, { rng }, { ...DEFAULT_CLASSIFIER, exchanges: 50 }),
    missing: quiet!.missing + loud!.missing,
    moments: compareMoments(quiet!, loud!, cycles).p,
    gaps: copies > 1 ? compareGaps(publications, idle, busy) : 1,
    fresh: drawnFreshly(emissions, { ...cycles, nodes: NODES }),
    cycle: cycleUniformity(
      publications.map(({ at }) => at),
      cycles,
    ),
    imbalance: Math.max(...into.map((count, node) => Math.abs(count / out[node]! - 1))),
  }
}

function holdsHalf({ low, high }: Separation): boolean {
  return low <= 0.5 && high >= 0.5
}

describe('a network that follows the protocol and shares no code with it', () => {
  it.each([1, 2])('shows nothing with %i copies', (copies) => {
    // An interval of 95 % misses once in twenty: what counts is that a second seed misses too.
    const [first, second] = ['honest', 'honest again'].map((seed) => judged(seed, {}, copies))
    expect(holdsHalf(first!.separation) || holdsHalf(second!.separation)).toBe(true)
    expect([first!.missing, second!.missing]).toEqual([0, 0])
    expect([first!.imbalance, second!.imbalance]).toEqual([0, 0])
    for (const test of ['moments', 'gaps', 'fresh', 'cycle'] as const) {
      expect(Math.max(first![test], second![test])).toBeGreaterThan(SIGNIFICANCE)
    }
  })

  it('shows packets that leave 15 ms late while messages wait, to the classifier too', () => {
    const { moments, separation } = judged('late', { lateMs: 15 })
    expect(moments).toBeLessThan(SIGNIFICANCE)
    expect(separation.low).toBeGreaterThan(0.5)
  })

  it('shows a gap between copies that depends on the queue', () => {
    expect(judged('gap', { gapSlots: 2 }, 2).gaps).toBeLessThan(SIGNIFICANCE)
  })

  it('shows a fixed order of slot kinds, from inside and from outside', () => {
    const { fresh, cycle } = judged('order', { fixedOrder: true })
    expect(fresh).toBeLessThan(SIGNIFICANCE)
    expect(cycle).toBeLessThan(SIGNIFICANCE)
  })

  it('shows one skipped cover packet in a hundred', () => {
    expect(judged('skip', { skipOneIn: 100 }).missing).toBeGreaterThan(50)
  })

  it('shows publishing that brings no reply', () => {
    expect(judged('silent', { silentPublish: true }).imbalance).toBeGreaterThan(0.02)
  })
})

describe('the power of the classifier', () => {
  it('is told by leaks that are planted into the trace itself', () => {
    const { run, phases, windows, separation } = judged('power', {})
    const rng = seededRng('power of the classifier')
    const options = {
      grid: run.cycles,
      nodes: NODES,
      windowMs: WINDOW_MS,
      frameBytes: SYNTHETIC_FRAME_BYTES,
    }
    const found = (effect: Effect) => {
      const planted = plant({ rng }, run.trace, run.emissions, effect, options)
      const sizes = frequentSizes(run.trace, phases)
      const trials = { ...DEFAULT_CLASSIFIER, error: separation.error, trials: 12 }
      return power(windows, windowsOf(planted, phases, options, sizes), { rng }, trials)
    }
    expect(found({ kind: 'late', ms: 0 }).found).toBeLessThan(0.4)
    expect(found({ kind: 'late', ms: 25 }).found).toBe(1)
    expect(found({ kind: 'missing', oneIn: 5 }).found).toBe(1)
    expect(found({ kind: 'chatter', everyMs: 5_000, bytes: 300 }).found).toBe(1)
  })
})
