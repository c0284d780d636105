import { describe, expect, it } from 'vitest'
import { INTAKE_FIRST_MS, INTAKE_WINDOW_MS } from '../../../src/mailbox/constants.ts'
import { Intake, retentionMs } from '../../../src/mailbox/intake.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

describe('what gossip brings', () => {
  it('has no rate before it was measured for a while, nor when nothing comes', async () => {
    const clock = new VirtualClock()
    const intake = new Intake(clock)
    intake.note(true)
    await clock.advance(INTAKE_FIRST_MS - 1)
    expect(intake.rate).toBeUndefined()
    await clock.advance(1)
    expect(intake.rate).toEqual({ heard: 1 / INTAKE_FIRST_MS, kept: 1 / INTAKE_FIRST_MS })
    await clock.advance(3 * INTAKE_WINDOW_MS)
    expect(intake.rate).toBeUndefined()
  })

  it('is measured over the last half hour to hour, and forgets what was before', async () => {
    const clock = new VirtualClock()
    const intake = new Intake(clock)
    const run = async (minutes: number, perMinute: number) => {
      for (let minute = 0; minute < minutes; minute++) {
        for (let i = 0; i < perMinute; i++) intake.note(i % 4 === 0)
        await clock.advance(60_000)
      }
    }
    await run(120, 40)
    expect((intake.rate?.heard ?? 0) * 60_000).toBeCloseTo(40, 0)
    expect((intake.rate?.kept ?? 0) * 60_000).toBeCloseTo(10, 0)
    await run(62, 8)
    expect((intake.rate?.heard ?? 0) * 60_000).toBeCloseTo(8, 0)
    expect((intake.rate?.kept ?? 0) * 60_000).toBeCloseTo(2, 0)
  })
})

describe('the time for which a box is kept', () => {
  const times = { hotMs: HOUR, ttlMs: 2 * DAY }
  // A thousand an hour, of which a quarter is kept.
  const rate = { heard: 1_000 / HOUR, kept: 250 / HOUR }

  it.each([
    ['its lifetime, where all have room', 1_000_000, rate, 2 * DAY],
    ['what is left beside the hot window, at the rate of what is kept', 2_000, rate, 5 * HOUR],
    ['less than the hot window, where not even that has room', 250, rate, HOUR / 4],
    ['the hot time, where nothing is kept for longer', 2_000, { ...rate, kept: 0 }, HOUR],
    ['none, where nothing is taken', 0, rate, 0],
  ])('is %s', (_, maxBoxes, at, expected) => {
    expect(retentionMs(at, maxBoxes, times)).toBeCloseTo(expected, 3)
  })
})
