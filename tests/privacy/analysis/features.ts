import type { Sample } from './classifier.ts'
import { firstAt, type Grid, type Phase, type Trace } from './trace.ts'

export interface FeatureOptions {
  readonly grid: Grid
  readonly nodes: number
  /** Length of a window. */
  readonly windowMs: number
  /** Chunks of this size carry one mix frame and nothing else. */
  readonly frameBytes: number
}

/** Sizes of chunks that get a count of their own: the most frequent ones, idle and busy together. */
const SIZES = 10
/** Upper limits of the classes that all other sizes fall into; the last class has none. */
const SIZE_CLASSES = [128, 512, 2_048, 4_096, 16_384] as const
const LAGS = [1, 2, 4] as const

/**
 * Cuts phases into windows and describes each by what an observer of the node's links can count. `sizes` are
 * counted one by one, all others in classes.
 */
export function windowsOf(
  trace: Trace,
  phases: readonly Phase[],
  options: FeatureOptions,
  sizes = frequentSizes(trace, phases),
): Sample[] {
  const { nodes, windowMs } = options
  const samples: Sample[] = []
  for (const { busy, block, from, to } of phases) {
    for (let start = from; start + windowMs <= to; start += windowMs) {
      const sides = sidesOf(trace, start, options)
      for (let node = 0; node < nodes; node++) {
        const features = describe(sides[node]!, start, sizes, options)
        samples.push({ block, node, busy, features })
      }
    }
  }
  return samples
}

/** The most frequent sizes of chunks inside the phases. */
export function frequentSizes(trace: Trace, phases: readonly Phase[]): readonly number[] {
  const counts = new Map<number, number>()
  for (const { from, to } of phases) {
    for (let i = firstAt(trace, from); i < trace.at.length && trace.at[i]! < to; i++) {
      const size = trace.bytes[i]!
      counts.set(size, (counts.get(size) ?? 0) + 1)
    }
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .slice(0, SIZES)
    .map(([size]) => size)
}

interface Seen {
  readonly at: number
  readonly bytes: number
  readonly peer: number
}

/** What left a node and what reached it. */
interface Sides {
  readonly out: Seen[]
  readonly in: Seen[]
}

function sidesOf(trace: Trace, start: number, { nodes, windowMs }: FeatureOptions): Sides[] {
  const sides = Array.from({ length: nodes }, (): Sides => ({ out: [], in: [] }))
  const end = start + windowMs
  for (let i = firstAt(trace, start); i < trace.at.length && trace.at[i]! < end; i++) {
    const [from, to] = [trace.from[i]!, trace.to[i]!]
    const seen = { at: trace.at[i]!, bytes: trace.bytes[i]! }
    sides[from]?.out.push({ ...seen, peer: to })
    sides[to]?.in.push({ ...seen, peer: from })
  }
  return sides
}

function describe(
  sides: Sides,
  start: number,
  sizes: readonly number[],
  options: FeatureOptions,
): number[] {
  const { grid, windowMs, frameBytes } = options
  const steps = Math.round(windowMs / grid.slotMs)
  const out = perStep(sides.out, start, grid.slotMs, steps)
  const into = perStep(sides.in, start, grid.slotMs, steps)
  return [
    ...[sides.out, sides.in].flatMap((side) => [
      ...sizeFeatures(side, sizes),
      ...peerFeatures(side),
      ...timeFeatures(
        side.filter(({ bytes }) => bytes === frameBytes).map(({ at }) => at),
        grid,
      ),
    ]),
    ...[out, into].flatMap((series) => [
      deviation(series),
      Math.max(...series),
      ...LAGS.map((lag) => correlation(series.slice(lag), series.slice(0, -lag))),
    ]),
    // What comes in and what leaves a little later.
    correlation(out, into),
    ...LAGS.map((lag) => correlation(out.slice(lag), into.slice(0, -lag))),
  ]
}

function sizeFeatures(side: readonly Seen[], sizes: readonly number[]): number[] {
  const exact = sizes.map(() => 0)
  const classes = [...SIZE_CLASSES, 0].map(() => 0)
  let total = 0
  for (const { bytes } of side) {
    total += bytes
    const known = sizes.indexOf(bytes)
    if (known >= 0) exact[known]!++
    else {
      const found = SIZE_CLASSES.findIndex((limit) => bytes < limit)
      classes[found < 0 ? SIZE_CLASSES.length : found]!++
    }
  }
  return [total, side.length, ...exact, ...classes]
}

/** How evenly the bytes are spread over the links: a conversation must not have a link of its own. */
function peerFeatures(side: readonly Seen[]): number[] {
  const shares = new Map<number, number>()
  let total = 0
  for (const { bytes, peer } of side) {
    total += bytes
    shares.set(peer, (shares.get(peer) ?? 0) + bytes)
  }
  let entropy = 0
  for (const bytes of shares.values()) entropy -= (bytes / total) * Math.log(bytes / total)
  return [shares.size, entropy, total === 0 ? 0 : Math.max(...shares.values()) / total]
}

/** Of the mix frames: where in the slot they leave, and how far they are apart. */
function timeFeatures(times: readonly number[], grid: Grid): number[] {
  const moments = times.map((at) => {
    const slots = (at - grid.originMs) / grid.slotMs
    return slots - Math.floor(slots)
  })
  const gaps = times.slice(1).map((at, i) => at - times[i]!)
  const sorted = gaps.toSorted((a, b) => a - b)
  const quantile = (share: number) => sorted[Math.floor(share * sorted.length)] ?? 0
  const angle = (moment: number) => 2 * Math.PI * moment
  return [
    average(moments),
    average(moments.map((moment) => Math.cos(angle(moment)))),
    average(moments.map((moment) => Math.sin(angle(moment)))),
    average(gaps),
    deviation(gaps),
    quantile(0),
    quantile(0.1),
    quantile(0.5),
    quantile(0.9),
    quantile(0.99),
  ]
}

function perStep(side: readonly Seen[], start: number, stepMs: number, steps: number): number[] {
  const series = Array.from({ length: steps }, () => 0)
  for (const { at, bytes } of side) {
    const step = Math.min(steps - 1, Math.floor((at - start) / stepMs))
    series[step]! += bytes
  }
  return series
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

function deviation(values: readonly number[]): number {
  const centre = average(values)
  return Math.sqrt(average(values.map((value) => (value - centre) ** 2)))
}

/** Pearson's; 0 when one of the series does not vary. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [average(a), average(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - meanA, (b[i] ?? meanB) - meanB]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0
}
