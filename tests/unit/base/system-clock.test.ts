import { describe, expect, it } from 'vitest'
import { systemClock, waitingTimers } from '../../../src/base/index.ts'

const HOUR_MS = 3_600_000

describe('the timers of the system clock', () => {
  it('are counted from their setting until they fire or are cancelled, once', async () => {
    const before = waitingTimers()
    const timers = [1, 2].map((hours) => systemClock.setTimer(hours * HOUR_MS, () => {}))
    expect(waitingTimers()).toBe(before + 2)
    for (const timer of timers) timer.cancel()
    for (const timer of timers) timer.cancel()
    expect(waitingTimers()).toBe(before)
    const fired = systemClock.sleep(0)
    expect(waitingTimers()).toBe(before + 1)
    await fired
    expect(waitingTimers()).toBe(before)
  })

  it('are counted as one however many steps a long one takes', () => {
    const before = waitingTimers()
    const timer = systemClock.setTimer(2 ** 40, () => {})
    expect(waitingTimers()).toBe(before + 1)
    timer.cancel()
    expect(waitingTimers()).toBe(before)
  })
})
