import { describe, expect, it } from 'vitest'
import { Patience } from '../../../src/conversation/patience.ts'

const WAIT = { at: 72_000, awake: 12_000, calm: 2_000 }

/** Looks every second; `lapse` lets both clocks, or the one of waits alone, go on without a look. */
function waiting() {
  const now = { at: 1_000_000, awake: 0 }
  const patience = new Patience({ ...now })
  const look = (): boolean => {
    now.at += 1_000
    now.awake += 1_000
    return patience.isOver({ ...now }, WAIT)
  }
  return {
    /** After how many looks it is over; 100 for more. */
    untilOver: (): number => {
      for (let looks = 1; looks < 100; looks++) if (look()) return looks
      return 100
    },
    looks: (count: number): boolean => Array.from({ length: count }, look).some(Boolean),
    lapse: (at: number, awake: number): void => {
      now.at += at
      now.awake += awake
    },
  }
}

describe('patience with a hole', () => {
  it('is over after its time, by a clock that goes its way', () => {
    expect(waiting().untilOver()).toBe(72)
  })

  it.each([
    ['a sleep', 3_600_000, 0],
    ['a halt', 3_600_000, 3_600_000],
  ])('after %s that began with the hole lets things come first', (_, at, awake) => {
    const { lapse, untilOver, looks } = waiting()
    expect(looks(1)).toBe(false)
    lapse(at, awake)
    const left = untilOver()
    expect(left).toBeGreaterThanOrEqual(9)
    expect(left).toBeLessThanOrEqual(12)
  })

  it('after a sleep of a machine that has waited for long is over soon, not at once', () => {
    const { lapse, untilOver, looks } = waiting()
    expect(looks(30)).toBe(false)
    lapse(3_600_000, 0)
    expect(untilOver()).toBe(3)
  })

  it.each([3, 1])('ends also where a machine wakes for moments: %i s', (seconds) => {
    const { lapse, looks } = waiting()
    let awake = 0
    do {
      lapse(3_600_000, 0)
      awake += seconds
    } while (!looks(seconds) && awake < 100)
    expect(awake).toBeGreaterThanOrEqual(10)
    expect(awake).toBeLessThanOrEqual(27)
  })
})
