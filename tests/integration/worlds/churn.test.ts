import { describe, expect, it } from 'vitest'
import { churnFixture, type ChurnOptions, runChurn } from '../../sim/churn/churn.ts'

const OPTIONS: ChurnOptions = {
  seed: 'worlds',
  preset: 'lab',
  nodes: 10,
  pairs: 3,
  rate: 1,
  textBytes: 60,
  sessionMs: 60_000,
  absenceMs: 30_000,
  dropShare: 0,
  churnMs: 180_000,
  restMs: 600_000,
}

describe('ten nodes that come and go', { timeout: 300_000 }, () => {
  it('deliver every text once, in order and within ten minutes', async () => {
    const fixture = await churnFixture(OPTIONS)
    const report = await runChurn(fixture, OPTIONS)
    expect(report.violations).toEqual([])
    expect(report.stops).toBeGreaterThan(10)
    expect(report.texts).toBeGreaterThan(50)
    expect(report.states).toEqual({ delivered: report.texts })
    expect(report.missing).toBe(0)
    expect(report.waitsMs.at(-1)).toBeLessThan(600_000)
  })
})
