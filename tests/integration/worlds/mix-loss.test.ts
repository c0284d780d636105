import { describe, expect, it } from 'vitest'
import { describeLoss, runLossyTraffic } from '../../sim/loss/lossy-traffic.ts'

/** The long form, 12 nodes and half an hour: `npm run sim -- loss`. */
describe('a network that loses a tenth of all frames between mixes', () => {
  it('exchanges keys, and delivers every text once', async () => {
    const report = await runLossyTraffic({
      seed: 'loss',
      overrides: { slotMs: 500, mixDelayMs: 250 },
      nodes: 6,
      dropShare: 0.1,
      trafficMs: 180_000,
      restMs: 180_000,
      textEveryMs: 10_000,
    })
    console.log(describeLoss(report))
    expect(report.dropped / report.frames).toBeCloseTo(0.1, 1)
    expect(report.texts).toBeGreaterThan(80)
    expect(report.states).toEqual({ delivered: report.texts })
    expect([report.missing, report.repeated]).toEqual([0, 0])
    // One in three requests is lost on its way, and as many replies.
    for (const rate of report.replyRates) {
      expect(rate).toBeGreaterThan(0.2)
      expect(rate).toBeLessThan(0.6)
    }
  })
})
