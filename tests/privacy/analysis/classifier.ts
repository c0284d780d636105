import { type Rng, uniformInt } from '../../../src/base/index.ts'
import { dot, fitLogistic } from './logistic.ts'

/** One window of one node's links. */
export interface Sample {
  readonly block: number
  readonly node: number
  readonly busy: boolean
  readonly features: readonly number[]
}

export interface ClassifierOptions {
  /** Weight of the penalty in the regression. */
  readonly ridge: number
  /** Parts of the cross-validation; whole blocks go to one part. */
  readonly folds: number
}

/** How well idle and busy are told apart: 0.5 is not at all, 1 without a mistake. */
export interface Separation {
  readonly auc: number
  /** 95 % confidence interval. */
  readonly low: number
  readonly high: number
  /** Share of random exchanges of idle and busy within the blocks that separate at least as well. */
  readonly p: number
  /** Standard error that the interval is made of. */
  readonly error: number
  readonly blocks: number
  readonly windows: number
}

export const DEFAULT_CLASSIFIER: ClassifierOptions = { ridge: 10, folds: 6 }

const RESAMPLES = 1_000
/** Standardised features beyond this many standard deviations count as this many: one stall is not a pattern. */
const CLIP = 4
const NORMAL_975 = 1.96
const NORMAL_QUANTILE = { 0.8: 0.8416, 0.95: 1.6449 } as const

/**
 * Samples made comparable: of each feature the mean of its node in its block is taken away (the observer knows
 * his nodes and the time of day), and what is left is divided by its standard deviation. Labels play no part.
 */
export interface Prepared {
  readonly rows: readonly Float64Array[]
  readonly busy: readonly boolean[]
  /** Rows of each block. */
  readonly blocks: readonly (readonly number[])[]
}

export function prepare(samples: readonly Sample[]): Prepared {
  const width = samples[0]?.features.length ?? 0
  const groups = new Map<string, number[]>()
  const blocks = new Map<number, number[]>()
  for (const [i, { block, node }] of samples.entries()) {
    push(groups, `${block}/${node}`, i)
    push(blocks, block, i)
  }
  const rows = samples.map(({ features }) => Float64Array.from(features))
  for (const members of groups.values()) {
    for (let j = 0; j < width; j++) {
      let mean = 0
      for (const i of members) mean += rows[i]![j]! / members.length
      for (const i of members) rows[i]![j]! -= mean
    }
  }
  for (let j = 0; j < width; j++) {
    let square = 0
    for (const row of rows) square += (row[j]! * row[j]!) / rows.length
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0
    for (const row of rows) row[j] = Math.max(-CLIP, Math.min(CLIP, row[j]! * scale))
  }
  return { rows, busy: samples.map(({ busy }) => busy), blocks: [...blocks.values()] }
}

/**
 * Trains on some blocks, is judged on the others, and gives one AUC per block: within a block, so that nothing
 * that changes from block to block counts. The mean is 0.5 when idle and busy are alike.
 */
export function blockAucs(
  prepared: Prepared,
  busy: readonly boolean[],
  { ridge, folds }: ClassifierOptions,
): number[] {
  const { rows, blocks } = prepared
  const aucs: number[] = []
  const parts = Math.min(folds, blocks.length)
  for (let part = 0; part < parts; part++) {
    const isTested = (_: unknown, block: number) => block % parts === part
    const learned = blocks.filter((block, i) => !isTested(block, i)).flat()
    const weights = fitLogistic(
      learned.map((i) => rows[i]!),
      learned.map((i) => (busy[i] ? 1 : 0)),
      ridge,
    )
    for (const tested of blocks.filter(isTested)) {
      const score = (of: boolean) =>
        tested.filter((i) => busy[i] === of).map((i) => dot(rows[i]!, weights))
      aucs.push(areaUnderCurve(score(false), score(true)))
    }
  }
  return aucs
}

/** Probability that a value of `high` is above one of `low`; ties count half. */
export function areaUnderCurve(low: readonly number[], high: readonly number[]): number {
  const all = [
    ...low.map((value) => ({ value, up: false })),
    ...high.map((value) => ({ value, up: true })),
  ].sort((a, b) => a.value - b.value)
  let ranks = 0
  for (let i = 0; i < all.length; ) {
    let end = i
    while (end < all.length && all[end]?.value === all[i]?.value) end++
    const rank = (i + 1 + end) / 2
    for (; i < end; i++) if (all[i]?.up) ranks += rank
  }
  return (ranks - (high.length * (high.length + 1)) / 2) / (low.length * high.length)
}

/**
 * Judges samples. The standard error is the larger of two: that of a bootstrap over whole blocks, because windows
 * next to each other are alike, and the spread over random exchanges of idle and busy within the blocks. The
 * first one alone is a third too small, because parts of a cross-validation learn from each other's blocks: it
 * would call one honest run in six a leak. `p` is exact, as the order within the blocks was drawn.
 */
export function separate(
  samples: readonly Sample[],
  ports: { rng: Rng },
  options: ClassifierOptions & { readonly exchanges: number },
): Separation {
  const prepared = prepare(samples)
  const aucs = blockAucs(prepared, prepared.busy, options)
  const auc = mean(aucs)
  const chance = Array.from({ length: options.exchanges }, () =>
    mean(blockAucs(prepared, exchange(prepared, ports.rng), options)),
  )
  const error = Math.max(bootstrapError(aucs, ports.rng), spreadAroundHalf(chance))
  return {
    auc,
    low: Math.max(0, auc - NORMAL_975 * error),
    high: Math.min(1, auc + NORMAL_975 * error),
    p: (chance.filter((other) => other >= auc).length + 1) / (chance.length + 1),
    error,
    blocks: aucs.length,
    windows: samples.length,
  }
}

/** An AUC that an interval of this standard error would have kept apart from 0.5 with probability `power`. */
export function detectableAuc(error: number, power: 0.8 | 0.95): number {
  return Math.min(1, 0.5 + (NORMAL_975 + NORMAL_QUANTILE[power]) * error)
}

/** The labels with idle and busy exchanged in each block with probability one half. */
export function exchange({ busy, blocks }: Prepared, rng: Rng): boolean[] {
  const labels = [...busy]
  for (const block of blocks) {
    if (uniformInt(rng, 2) === 1) for (const i of block) labels[i] = !labels[i]
  }
  return labels
}

/** Standard error of the mean of block values by drawing blocks with replacement. */
function bootstrapError(values: readonly number[], rng: Rng): number {
  const n = values.length
  const means = Array.from({ length: RESAMPLES }, () => {
    let sum = 0
    for (let i = 0; i < n; i++) sum += values[uniformInt(rng, n)]!
    return sum / n
  })
  const centre = mean(means)
  const square = mean(means.map((value) => (value - centre) ** 2))
  return Math.sqrt((square * n) / (n - 1))
}

/** Exchanged labels have nothing to find: their AUC is 0.5 and something by chance. */
function spreadAroundHalf(values: readonly number[]): number {
  return Math.sqrt(mean(values.map((value) => (value - 0.5) ** 2)))
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function push<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
