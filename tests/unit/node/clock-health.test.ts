import { describe, expect, it } from 'vitest'
import { DAY_MS, HearsayError, HOUR_MS, MINUTE_MS } from '../../../src/base/index.ts'
import { checkClock, clockFault, clockHealth } from '../../../src/node/clock-health.ts'
import { T0, testNetwork } from '../directory/fixtures.ts'

const textOf = (ms: number, atLeast = false) => clockHealth({ ms, atLeast })?.text

describe('a clock that is wrong', () => {
  it('is named with its size, its direction and a fix', () => {
    expect(clockHealth({ ms: -2 * HOUR_MS, atLeast: false })).toEqual({
      severity: 'error',
      code: 'CLOCK_SKEW',
      text: 'the clock of this machine is 2 hours behind those of other nodes: what one says is too early or too late for the other',
      fix: expect.stringContaining('timedatectl set-ntp true'),
    })
    expect(clockHealth(undefined)).toBeUndefined()
  })

  it.each([
    [-121_000, '2 minutes behind'],
    [99 * MINUTE_MS, '99 minutes ahead of'],
    [2 * HOUR_MS - 40, '2 hours ahead of'],
    [39 * HOUR_MS, '39 hours ahead of'],
    [-2 * DAY_MS, '2 days behind'],
    [-3_650 * DAY_MS, '3650 days behind'],
  ])('is said in a unit that fits: %i', (ms, text) => {
    expect(textOf(ms)).toContain(`is ${text} those`)
  })

  it('is said to be wrong by at least so much where no more is known', () => {
    expect(textOf(-2 * HOUR_MS, true)).toContain('is at least 2 hours behind those')
  })

  it('ends a call with a sentence that every client may read, and the number', () => {
    const fault = clockFault({ ms: -3_650 * DAY_MS, atLeast: true })
    expect(fault).toMatchObject({ code: 'clock-skew', details: { skewMs: -3_650 * DAY_MS } })
    expect(fault.message).toMatch(/^[^/\\\n]{1,200}$/)
  })

  it('is refused by a network that was founded later, beyond what clocks may differ', () => {
    const network = testNetwork()
    expect(() => checkClock(network, T0 - 2 * MINUTE_MS)).not.toThrow()
    expect(() => checkClock(network, T0 - 2 * MINUTE_MS - 1)).toThrow(HearsayError)
    expect(() => checkClock(network, T0 + 3_650 * DAY_MS)).not.toThrow()
  })
})
