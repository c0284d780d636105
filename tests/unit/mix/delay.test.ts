import { describe, expect, it } from 'vitest'
import { DELAY_MEANS_MAX } from '../../../src/mix/constants.ts'
import { drawDelay } from '../../../src/mix/delay.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { ksUniform } from '../../support/statistics.ts'

const DRAWS = 20_000

function delays(meanMs: number): number[] {
  const rng = seededRng(`delays of ${meanMs}`)
  return Array.from({ length: DRAWS }, () => drawDelay(rng, meanMs))
}

describe('the delay of a hop', () => {
  it.each([1, 125, 500, 60_000])('is whole milliseconds with a mean of %i ms', (meanMs) => {
    const sample = delays(meanMs)
    expect(sample.every((ms) => Number.isInteger(ms) && ms >= 0)).toBe(true)
    const mean = sample.reduce((sum, ms) => sum + ms, 0) / DRAWS
    // Four standard errors, and what rounding does to a mean of a millisecond.
    const margin = 4 / Math.sqrt(DRAWS) + (meanMs === 1 ? 0.05 : 0)
    expect(Math.abs(mean / meanMs - 1)).toBeLessThan(margin)
  })

  it('is exponential', () => {
    const meanMs = 60_000
    const cut = 1 - Math.exp(-DELAY_MEANS_MAX)
    // Uniform when the delays are exponential, below the cap.
    const sample = delays(meanMs).map((ms) => (1 - Math.exp(-ms / meanMs)) / cut)
    expect(Math.max(...sample)).toBeLessThan(1)
    expect(ksUniform(sample)).toBeGreaterThan(0.001)
  })

  it('is never longer than ten means: a route has an end', () => {
    // All ones make the longest draw; it is refused until another comes.
    let draws = 0
    const rng = {
      bytes: (length: number) => new Uint8Array(length).fill(draws++ < 3 ? 0xff : 0x80),
    }
    expect(drawDelay(rng, 500)).toBeCloseTo(500 * Math.log(2), -1)
    expect(draws).toBe(4)
    expect(Math.max(...delays(1))).toBeLessThanOrEqual(DELAY_MEANS_MAX)
  })
})
