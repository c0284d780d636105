import { describe, expect, it } from 'vitest'
import { ksAgainst, median, predictLatency } from '../../privacy/analysis/latency.ts'
import { PRESETS } from '../../../src/directory/index.ts'
import { uniform } from '../../../src/base/index.ts'
import { simulateLatencies } from '../../sim/privacy/latency.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const MODEL = {
  cycleMs: 1_500,
  slotMs: 250,
  layers: 4,
  mixDelayMs: 250,
  prepareMs: 60,
  linkMs: 2,
  gossipMs: 10,
  workMs: 20,
}

describe('the predicted latency', () => {
  const predicted = predictLatency(MODEL)

  it('is a distribution with the mean of its parts', () => {
    // Wait 7/12 of a cycle, four delays, half a slot, and what is fixed.
    const mean = (7 / 12) * 1_500 + 4 * 250 + 125 + 60 + 4 * 2 + 10 + 20
    let sum = 0
    for (let ms = 0; ms < 15_000; ms++) sum += 1 - predicted.cdf(ms)
    expect(sum).toBeGreaterThan(mean - 3)
    expect(sum).toBeLessThan(mean + 3)
    expect(predicted.cdf(0)).toBe(0)
    expect(predicted.cdf(1e6)).toBeCloseTo(1, 4)
  })

  it('has quantiles that are the inverse of its shares', () => {
    for (const share of [0.01, 0.5, 0.99]) {
      expect(predicted.cdf(predicted.quantile(share))).toBeCloseTo(share, 6)
    }
  })

  it('agrees with the simulator, which draws by the code of the mix', () => {
    const rng = seededRng('simulated')
    const parameters = { ...PRESETS.swift, mixDelayMs: 250, boxRate: 10 }
    const { withWait } = simulateLatencies(rng, {
      parameters,
      nodes: 12,
      linkMs: [2, 2],
      samples: 4_000,
    })
    const simulated = [...withWait].map((ms) => ms + 90 + uniform(rng) * 250)
    expect(Math.abs(median(simulated) / predicted.quantile(0.5) - 1)).toBeLessThan(0.03)
    expect(ksAgainst(predicted, simulated)).toBeGreaterThan(0.01)
    // And would show one tenth more.
    const slower = simulated.map((ms) => 1.1 * ms)
    expect(ksAgainst(predicted, slower)).toBeLessThan(1e-6)
  })
})
