import type { Separation } from '../analysis/classifier.ts'
import type { RunSummary, Side } from './summary.ts'

/** One line of the verdict. */
export interface Check {
  readonly name: string
  readonly rule: string
  readonly figure: string
  /** Undefined: the machine was too busy to tell. */
  readonly passed: boolean | undefined
}

export interface Verdict {
  readonly runs: readonly RunSummary[]
  readonly control: RunSummary
  readonly separation: Separation
  readonly controlSeparation: Separation
  readonly slotMs: number
}

const SIGNIFICANCE = 0.01
const ANSWERED = 0.99
const FRAMES_MARGIN = 0.01
const BYTES_MARGIN = 0.03
/** Packets of an idle testnet that are later than this share of a slot, at p99, say more of the machine than of us. */
const LATE_SHARE = 0.1
const PROCESSOR_FREE = 0.05

/** Why nothing can be said about times on this machine; undefined when it can. */
export function tooBusy({ runs, control, slotMs }: Verdict): string | undefined {
  const limit = LATE_SHARE * slotMs
  const late = Math.max(...[...runs, control].map(({ idle }) => idle.late.p99))
  if (late > limit) {
    return `packets of idle nodes left up to ${late.toFixed(1)} ms late (p99; at most ${limit} ms)`
  }
  const sides = [...runs, control].flatMap(({ idle, busy }) => [idle, busy])
  const free = Math.min(...sides.map(({ processorFree }) => processorFree))
  if (free < PROCESSOR_FREE) {
    return `the processors were free for ${percent(free)} of the time (at least ${percent(PROCESSOR_FREE)})`
  }
  return undefined
}

/** All checks, in the order of the report. */
export function checksOf(verdict: Verdict): Check[] {
  const timed = tooBusy(verdict) === undefined
  return [...ofSetting(verdict, timed), ...ofTimes(verdict, timed), ...ofTraffic(verdict, timed)]
}

function ofSetting({ runs, control }: Verdict, timed: boolean): Check[] {
  const all = [...runs, control]
  const sides = all.flatMap(({ idle, busy }) => [idle, busy])
  const unseen = all.flatMap((run) => run.unseen)
  const idle = [...runs.map((run) => run.idle), control.idle, control.busy]
  const busy = runs.map((run) => run.busy)
  const sizes = [...new Set(sides.flatMap(({ frameSizes }) => frameSizes))]
  const odd = sum(sides, ({ cadence }) => cadence.missing + cadence.extra)
  return [
    {
      name: 'the capture saw every connection',
      rule: 'none goes around the relay, every chunk has its two nodes',
      figure: `${unseen.length} not`,
      passed: unseen.length === 0,
    },
    {
      name: 'busy was busy and idle was idle',
      rule: 'messages wait in ≥ 95 % and ≤ 1 % of the looks',
      figure: `${percent(least(busy, 'waiting'))}, ${percent(most(idle, 'waiting'))}; ${sum(runs, ({ sent }) => sent)} sent`,
      passed: kept(least(busy, 'waiting') >= 0.95 && most(idle, 'waiting') <= 0.01, timed),
    },
    {
      name: 'own packets per slot and node',
      rule: 'exactly one',
      figure: `${odd} of ${count(sides)} node-slots differ`,
      // A process that stands still for longer than a slot jumps over it.
      passed: kept(odd === 0, timed),
    },
    {
      name: 'own packets that are answered',
      rule: `≥ ${percent(ANSWERED)}, idle and busy`,
      figure: `${percent(least(idle, 'answered'))}, ${percent(least(busy, 'answered'))}`,
      passed: kept(least([...idle, ...busy], 'answered') >= ANSWERED, timed),
    },
    {
      name: 'size of a mix frame',
      rule: 'one',
      figure: sizes.map((size) => `${size} B`).join(', '),
      passed: sizes.length === 1,
    },
  ]
}

function ofTimes({ runs, control }: Verdict, timed: boolean): Check[] {
  const low = runs.filter(({ moments }) => moments.p < SIGNIFICANCE).length
  // Three runs are wrong once in a hundred each: one of them may be.
  const allowed = runs.length >= 3 ? 1 : 0
  const all = [...runs, control]
  const fresh = Math.min(...all.map((run) => run.fresh))
  const cycle = Math.min(...all.map((run) => run.cycle))
  return [
    {
      name: 'moments within the slot, idle against busy',
      rule: `KS, p < ${SIGNIFICANCE} in at most ${allowed} of ${runs.length} runs`,
      figure: runs.map(({ moments }) => `p = ${moments.p.toPrecision(2)}`).join(', '),
      passed: timed ? low <= allowed : undefined,
    },
    {
      name: 'publishing slots are drawn, and drawn afresh',
      rule: `χ², p ≥ ${SIGNIFICANCE} over all runs`,
      figure: `least p = ${fresh.toPrecision(2)} of ${all.length}`,
      passed: fresh * all.length >= SIGNIFICANCE,
    },
    {
      name: 'publications are spread over the cycle',
      rule: `Rayleigh, p ≥ ${SIGNIFICANCE} over all runs`,
      figure: `least p = ${cycle.toPrecision(2)} of ${all.length}`,
      passed: cycle * all.length >= SIGNIFICANCE,
    },
  ]
}

function ofTraffic({ runs, separation, controlSeparation }: Verdict, timed: boolean): Check[] {
  const framesOff = furthest(runs, 'framesPerSecond')
  const bytesOff = furthest(runs, 'bytesPerSecond')
  return [
    {
      name: 'bytes on the mix links, busy against idle',
      rule: `within ${percent(FRAMES_MARGIN)}`,
      figure: signed(framesOff),
      passed: kept(Math.abs(framesOff) <= FRAMES_MARGIN, timed),
    },
    {
      name: 'all bytes, busy against idle',
      rule: `within ${percent(BYTES_MARGIN)}`,
      figure: signed(bytesOff),
      passed: kept(Math.abs(bytesOff) <= BYTES_MARGIN, timed),
    },
    {
      name: 'classifier, idle against busy',
      rule: 'the 95 % interval of the AUC holds 0.5',
      figure: interval(separation),
      passed: timed ? holdsHalf(separation) : undefined,
    },
    {
      name: 'control: the same on idle against idle',
      rule: 'the 95 % interval of the AUC holds 0.5',
      figure: interval(controlSeparation),
      passed: timed ? holdsHalf(controlSeparation) : undefined,
    },
  ]
}

/** What a machine that is too busy breaks is no finding; what holds in spite of it is one. */
function kept(rule: boolean, timed: boolean): boolean | undefined {
  return rule ? true : timed ? false : undefined
}

function holdsHalf({ low, high }: Separation): boolean {
  return low <= 0.5 && high >= 0.5
}

export function interval({ auc, low, high, p }: Separation): string {
  return `${auc.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)}), p = ${p.toFixed(2)}`
}

/** Of all runs the busy side that is furthest from its idle side, as a share of that. */
function furthest(runs: readonly RunSummary[], of: 'framesPerSecond' | 'bytesPerSecond'): number {
  const shares = runs.map(({ idle, busy }) => busy[of] / idle[of] - 1)
  return shares.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0)
}

/** Node-slots of these sides. */
export function count(sides: readonly Side[]): number {
  return sum(sides, ({ cadence }) => cadence.nodeSlots)
}

function least(sides: readonly Side[], of: 'waiting' | 'answered'): number {
  return Math.min(...sides.map((side) => side[of]))
}

function most(sides: readonly Side[], of: 'waiting'): number {
  return Math.max(...sides.map((side) => side[of]))
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function signed(share: number): string {
  return `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`
}
