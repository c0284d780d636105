import {
  FAILPOINTS,
  type FailpointName,
  type Rng,
  uniform,
  uniformInt,
} from '../../../src/base/index.ts'
import { FATES, type Fate } from './disk.ts'

/** Traffic and faults go on for so long, unless somebody says otherwise. */
export const RUN_MS = 120_000

/** Milliseconds since the start of the run; nodes by their place in the fixture. */
export type Fault =
  | { readonly kind: 'loss'; readonly at: number; readonly forMs: number; readonly share: number }
  | { readonly kind: 'twice'; readonly at: number; readonly forMs: number; readonly share: number }
  | { readonly kind: 'reorder'; readonly at: number; readonly forMs: number; readonly byMs: number }
  | {
      readonly kind: 'partition'
      readonly at: number
      readonly forMs: number
      readonly shape: Shape
      /** Of each pair of nodes that are cut off, the first cannot send to the second. */
      readonly cuts: readonly (readonly [number, number])[]
      /** Nobody is told: what is sent vanishes. Else connections break. */
      readonly silent: boolean
    }
  | {
      readonly kind: 'crash'
      readonly at: number
      readonly node: number
      /** At once, or with the n-th step of the disk or packet of the network from then on. */
      readonly on: 'now' | 'disk' | 'net'
      readonly after: number
      readonly fate: Fate
      readonly downMs: number
    }
  | {
      readonly kind: 'failpoint'
      readonly at: number
      readonly name: FailpointName
      /** The machine that reaches it as the n-th from then on stops there: few do, so no node is named. */
      readonly after: number
      readonly fate: Fate
      readonly downMs: number
    }
  | {
      readonly kind: 'restart'
      readonly at: number
      readonly node: number
      readonly downMs: number
    }
  | {
      readonly kind: 'write-error'
      readonly at: number
      readonly node: number
      readonly after: number
      readonly kept: boolean
    }
  | {
      readonly kind: 'file-error'
      readonly at: number
      readonly node: number
      readonly on: 'write' | 'sync'
      readonly of: 'shelf' | 'any'
      readonly after: number
      readonly kept: boolean
    }
  | {
      readonly kind: 'full-disk'
      readonly at: number
      readonly forMs: number
      readonly node: number
      /** What still fits. */
      readonly bytes: number
    }
  | {
      readonly kind: 'clock-step'
      readonly at: number
      readonly forMs: number
      readonly node: number
      readonly byMs: number
    }
  | {
      readonly kind: 'drift'
      readonly at: number
      readonly forMs: number
      readonly node: number
      readonly rate: number
    }
  | {
      readonly kind: 'slow-peer' | 'slow-disk'
      readonly at: number
      readonly forMs: number
      readonly node: number
      readonly byMs: number
    }

export type Shape = 'halves' | 'one-way' | 'isolate' | 'ring'

export interface Text {
  readonly at: number
  readonly from: number
  /** Which of its contacts. */
  readonly to: number
  readonly bytes: number
}

export interface Schedule {
  readonly faults: readonly Fault[]
  readonly texts: readonly Text[]
}

const MEAN_FAULTS = 7
/** Stops at failpoints, however long a run is. */
const STOPS_MAX = 2
/** Twice what only aged conversations reach, which are half of the short seeds. */
const STOPS = [...FAILPOINTS, 'ratchet-computed', 'ratchet-stored'] as const
const MEAN_TEXT_MS = 25_000
const LONG_TEXT_SHARE = 0.1
const HOURS_2 = 7_200_000
/** What still fits on a full disk: a commit or two, or some hundred of them. */
const FULL_BYTES_MAX = [4_000, 100_000] as const

/** What happens in a run of `runMs`, in the order of time. */
export function drawSchedule(rng: Rng, nodes: number, runMs = RUN_MS): Schedule {
  const count = uniformInt(rng, Math.round((2 * MEAN_FAULTS * runMs) / RUN_MS) + 1)
  const faults = Array.from({ length: count }, () => drawFault(rng, nodes, runMs))
  const texts = drawTexts(rng, nodes, runMs)
  const stops = drawStops(rng, runMs)
  return { faults: [...faults, ...stops].toSorted((a, b) => a.at - b.at), texts }
}

/** In the first half: what comes seldom has time to come. */
function drawStops(rng: Rng, runMs: number): Fault[] {
  return Array.from({ length: 1 + uniformInt(rng, STOPS_MAX) }, () => {
    const name = STOPS[uniformInt(rng, STOPS.length)] ?? 'before-batch'
    const fate = FATES[uniformInt(rng, FATES.length)] ?? 'lost'
    const at = uniformInt(rng, runMs >> 1)
    const after = uniformInt(rng, 4)
    return { kind: 'failpoint', at, name, after, fate, downMs: drawDown(rng) }
  })
}

function drawTexts(rng: Rng, nodes: number, runMs: number): Text[] {
  const texts: Text[] = []
  for (let from = 0; from < nodes; from++) {
    for (const to of [0, 1]) {
      let at = 0
      for (;;) {
        at += Math.round(-Math.log(1 - uniform(rng)) * MEAN_TEXT_MS)
        if (at >= runMs) break
        const bytes = uniform(rng) < LONG_TEXT_SHARE ? 500 + uniformInt(rng, 4_000) : 40
        texts.push({ at, from, to, bytes })
        // Several in a row share boxes, and fill windows.
        if (uniform(rng) < 0.15) texts.push({ at: at + 1, from, to, bytes: 40 })
      }
    }
  }
  return texts.toSorted((a, b) => a.at - b.at)
}

const KINDS = [
  'loss',
  'loss',
  'twice',
  'reorder',
  'partition',
  'partition',
  'crash',
  'crash',
  'crash',
  'crash',
  'restart',
  'write-error',
  'file-error',
  'full-disk',
  'clock-step',
  'drift',
  'slow-peer',
  'slow-disk',
] as const

function drawFault(rng: Rng, nodes: number, runMs: number): Fault {
  const kind = KINDS[uniformInt(rng, KINDS.length)] as (typeof KINDS)[number]
  const at = uniformInt(rng, runMs)
  const node = uniformInt(rng, nodes)
  const between = (low: number, high: number): number => low + uniformInt(rng, high - low)
  const forMs = Math.min(between(2_000, 40_000), runMs - at)
  switch (kind) {
    case 'loss':
      return { kind, at, forMs, share: between(1, 31) / 100 }
    case 'twice':
      return { kind, at, forMs, share: between(5, 51) / 100 }
    case 'reorder':
      return { kind, at, forMs, byMs: between(50, 3_000) }
    case 'partition':
      return { kind, at, forMs, silent: uniform(rng) < 0.5, ...drawCuts(rng, nodes, node) }
    case 'crash': {
      const on = (['now', 'disk', 'disk', 'net'] as const)[uniformInt(rng, 4)] ?? 'now'
      const fate = FATES[uniformInt(rng, FATES.length)] ?? 'lost'
      return { kind, at, node, on, after: uniformInt(rng, 40), fate, downMs: drawDown(rng) }
    }
    case 'restart':
      return { kind, at, node, downMs: drawDown(rng) }
    case 'write-error':
      return { kind, at, node, after: uniformInt(rng, 10), kept: uniform(rng) < 0.5 }
    case 'file-error': {
      const on = uniform(rng) < 0.5 ? 'write' : 'sync'
      // Every commit writes the watermark: few of the errors would be of what matters.
      const of = uniform(rng) < 0.7 ? 'shelf' : 'any'
      return { kind, at, node, on, of, after: uniformInt(rng, 6), kept: uniform(rng) < 0.5 }
    }
    case 'full-disk': {
      const [few, some] = FULL_BYTES_MAX
      return { kind, at, forMs, node, bytes: uniformInt(rng, uniform(rng) < 0.5 ? few : some) }
    }
    case 'clock-step': {
      const most = uniform(rng) < 0.5 ? 60_000 : HOURS_2
      return { kind, at, forMs, node, byMs: between(-most, most) }
    }
    case 'drift':
      return { kind, at, forMs, node, rate: 1 + between(-20, 21) / 1_000 }
    case 'slow-peer':
      return { kind, at, forMs, node, byMs: between(100, 4_000) }
    case 'slow-disk':
      return { kind, at, forMs, node, byMs: between(10, 1_500) }
  }
}

function drawDown(rng: Rng): number {
  return 500 + uniformInt(rng, uniform(rng) < 0.7 ? 10_000 : 40_000)
}

function drawCuts(rng: Rng, nodes: number, node: number) {
  const shape = (['halves', 'one-way', 'isolate', 'ring'] as const)[uniformInt(rng, 4)] ?? 'halves'
  const all = Array.from({ length: nodes }, (_, i) => i)
  const half = 1 + uniformInt(rng, nodes - 1)
  const isCut = (a: number, b: number): boolean => {
    switch (shape) {
      case 'halves':
        return a < half !== b < half
      case 'one-way':
        return a < half && b >= half
      case 'isolate':
        return a === node || b === node
      case 'ring':
        return (a + 1) % nodes !== b && (b + 1) % nodes !== a
    }
  }
  const cuts = all.flatMap((a) =>
    all.flatMap((b) => (a !== b && isCut(a, b) ? [[a, b] as const] : [])),
  )
  return { shape, cuts }
}

/** One line for people and for a replay. */
export function describeFault(fault: Fault): string {
  const { kind, at, ...rest } = fault
  const { cuts: _, ...more } = { cuts: undefined, ...rest }
  return `${(at / 1_000).toFixed(3).padStart(8)} s  ${kind} ${JSON.stringify(more)}`
}
