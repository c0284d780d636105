import { describe, expect, it } from 'vitest'
import { uniform } from '../../../src/base/index.ts'
import { growth, slopeOf } from '../../faults/slope.ts'
import { seededRng } from '../../support/seeded-rng.ts'

/** Half an hour of samples, one every five seconds. */
function samples(perHour: number, noise: number, seed = 'slope') {
  const rng = seededRng(seed)
  return Array.from({ length: 360 }, (_, i) => {
    const at = i / 720
    return { at, value: 150 + perHour * at + noise * (2 * uniform(rng) - 1) }
  })
}

describe('the slope of a series', () => {
  it('is exact for a straight line', () => {
    const slope = slopeOf(samples(12, 0))
    expect(slope?.perHour).toBeCloseTo(12, 9)
    expect(slope?.low).toBeCloseTo(12, 6)
    expect(slope?.high).toBeCloseTo(12, 6)
  })

  it('holds the true growth between its bounds in about 95 of 100 noisy runs', () => {
    const runs = Array.from({ length: 200 }, (_, i) => slopeOf(samples(5, 20, `run ${i}`)))
    const right = runs.filter((slope) => slope && slope.low <= 5 && 5 <= slope.high).length
    expect(right).toBeGreaterThan(180)
    expect(right).toBeLessThan(200)
  })

  it('sees a leak of 40 MB an hour through 20 MB of noise', () => {
    expect(slopeOf(samples(40, 20))?.low).toBeGreaterThan(8)
  })

  it('does not call a sawtooth growth', () => {
    const sawtooth = samples(0, 0).map(({ at }, i) => ({ at, value: 150 + (i % 37) }))
    const slope = slopeOf(sawtooth)
    expect(slope?.low).toBeLessThan(0)
    expect(slope?.high).toBeGreaterThan(0)
  })

  it('says nothing of a series that is too short or stands still in time', () => {
    expect(slopeOf(samples(5, 1).slice(0, 29))).toBeUndefined()
    expect(slopeOf(samples(5, 1).map(({ value }) => ({ at: 1, value })))).toBeUndefined()
  })

  it('decides about a limit only when the bounds of the slope do', () => {
    expect(growth(slopeOf(samples(40, 20)), 8)).toBe('grows')
    expect(growth(slopeOf(samples(0, 1)), 8)).toBe('flat')
    expect(growth(slopeOf(samples(8, 20)), 8)).toBe('undecided')
    expect(growth(undefined, 8)).toBe('undecided')
  })
})
