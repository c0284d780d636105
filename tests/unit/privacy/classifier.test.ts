import { describe, expect, it } from 'vitest'
import { type Rng, uniform } from '../../../src/base/index.ts'
import {
  areaUnderCurve,
  blockAucs,
  DEFAULT_CLASSIFIER,
  detectableAuc,
  mean,
  prepare,
  type Sample,
  separate,
} from '../../privacy/analysis/classifier.ts'
import { fitLogistic } from '../../privacy/analysis/logistic.ts'
import { seededRng } from '../../support/seeded-rng.ts'

function normal(rng: Rng): number {
  return Math.sqrt(-2 * Math.log(1 - uniform(rng))) * Math.cos(2 * Math.PI * uniform(rng))
}

/**
 * Windows of three nodes in pairs of phases. Each block, each node and each phase has noise of its own, as a real
 * network has; `shift` is what being busy adds to the first feature.
 */
function windows(rng: Rng, shift: number, blocks = 16): Sample[] {
  const samples: Sample[] = []
  for (let block = 0; block < blocks; block++) {
    const ofNode = [0, 1, 2].map(() => 5 * normal(rng))
    for (const busy of [false, true]) {
      const ofPhase = 0.3 * normal(rng)
      for (let window = 0; window < 4; window++) {
        for (const node of [0, 1, 2]) {
          const features = [0, 1, 2, 3].map(() => ofNode[node]! + ofPhase + normal(rng))
          if (busy) features[0]! += shift
          samples.push({ block, node, busy, features })
        }
      }
    }
  }
  return samples
}

describe('the area under the curve', () => {
  it('is the share of pairs in the right order, ties counting half', () => {
    expect(areaUnderCurve([1, 2], [3, 4])).toBe(1)
    expect(areaUnderCurve([3, 4], [1, 2])).toBe(0)
    expect(areaUnderCurve([1, 1], [1, 1])).toBe(0.5)
    expect(areaUnderCurve([1, 3], [2, 3])).toBe((1 + 0 + 1 + 0.5) / 4)
  })
})

describe('the logistic regression', () => {
  it('finds the weights that made the labels', () => {
    const rng = seededRng('weights')
    const rows = Array.from({ length: 4_000 }, () => Float64Array.of(normal(rng), normal(rng)))
    const labels = rows.map(([x = 0, y = 0]) =>
      uniform(rng) < 1 / (1 + Math.exp(-(1.5 * x - 0.5 * y))) ? 1 : 0,
    )
    const [a = 0, b = 0] = fitLogistic(rows, labels, 0.01)
    expect(a).toBeGreaterThan(1.35)
    expect(a).toBeLessThan(1.65)
    expect(b).toBeGreaterThan(-0.65)
    expect(b).toBeLessThan(-0.35)
  })

  it('ends for labels that a plane separates, and for a feature that never varies', () => {
    const rows = [-2, -1, 1, 2].map((x) => Float64Array.of(x, 0))
    const [a = 0, b = 1] = fitLogistic(rows, [0, 0, 1, 1], 0.1)
    expect(a).toBeGreaterThan(0)
    expect(Number.isFinite(a)).toBe(true)
    expect(b).toBe(0)
  })
})

describe('the classifier', () => {
  it('does not see what differs between nodes or between blocks', () => {
    const samples = windows(seededRng('levels'), 0).map((sample) => ({
      ...sample,
      features: sample.features.map((value) => value + 100 * sample.block + 1_000 * sample.node),
    }))
    const { rows } = prepare(samples)
    const { rows: plain } = prepare(windows(seededRng('levels'), 0))
    for (const [i, row] of rows.entries()) {
      for (const [j, value] of row.entries()) expect(value).toBeCloseTo(plain[i]![j]!, 6)
    }
  })

  it('never learns from the block that it is judged on', () => {
    // The first feature betrays each block in a way of its own: what is learned elsewhere is of no use.
    const rng = seededRng('secret')
    const samples = windows(rng, 0, 30).map((sample) => {
      const sign = sample.block % 2 === 0 ? 1 : -1
      return { ...sample, features: [sample.busy ? sign : -sign, ...sample.features.slice(1)] }
    })
    const prepared = prepare(samples)
    const aucs = blockAucs(prepared, prepared.busy, { ridge: 10, folds: 30 })
    expect(mean(aucs)).toBeLessThan(0.5)
  })

  it('finds a small shift, and says how small a one it would have found', () => {
    const rng = seededRng('shift')
    const found = separate(windows(rng, 1.5), { rng }, { ...DEFAULT_CLASSIFIER, exchanges: 60 })
    expect(found.low).toBeGreaterThan(0.5)
    expect(found.p).toBeLessThan(0.05)
    expect(detectableAuc(found.error, 0.8)).toBeLessThan(found.auc)
    expect(detectableAuc(found.error, 0.95)).toBeGreaterThan(detectableAuc(found.error, 0.8))
    expect(found).toMatchObject({ blocks: 16, windows: 16 * 2 * 4 * 3 })
  })

  it('calls honest data a leak about once in twenty', () => {
    const rng = seededRng('honest')
    let wrong = 0
    for (let i = 0; i < 60; i++) {
      const options = { ...DEFAULT_CLASSIFIER, exchanges: 20 }
      const { low, high } = separate(windows(rng, 0, 12), { rng }, options)
      if (low > 0.5 || high < 0.5) wrong++
    }
    // Binomial with 5 %: 8 or more of 60 once in a hundred.
    expect(wrong).toBeLessThan(8)
  })

  it('gives the same for the same seed', () => {
    const judged = () => {
      const rng = seededRng('again')
      return separate(windows(rng, 0.2, 6), { rng }, { ...DEFAULT_CLASSIFIER, exchanges: 10 })
    }
    expect(judged()).toEqual(judged())
  })
})
