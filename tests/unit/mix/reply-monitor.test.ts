import { describe, expect, it } from 'vitest'
import { uniform } from '../../../src/base/index.ts'
import { REPLY_WINDOW, REPLY_WINDOW_MIN } from '../../../src/mix/constants.ts'
import { ReplyMonitor, replyThreshold } from '../../../src/mix/reply-monitor.ts'
import { seededRng } from '../../support/seeded-rng.ts'

/** Notes outcomes that are drawn with probability `rate`, and returns the share of looks that alarmed. */
function alarms(rate: number, sizes: readonly number[], looks = 20_000): number {
  const rng = seededRng(`${rate} ${sizes.join(' ')}`)
  const monitor = new ReplyMonitor()
  let count = 0
  for (let i = 0; i < looks + REPLY_WINDOW; i++) {
    monitor.note(uniform(rng) < rate)
    if (i >= REPLY_WINDOW && monitor.isAlarmed(sizes)) count++
  }
  return count / looks
}

/** A request and its reply each pass every layer once, and in `layers` of them one of its mixes drops. */
const oneDrops = (size: number, layers = 1) => (1 - 1 / size) ** (2 * layers)
const layersOf = (size: number, layers = 4) => Array.from({ length: layers }, () => size)

describe('the threshold', () => {
  it.each([
    [2, 0.05],
    [4, 0.0501],
    [8, 0.1718],
    [16, 0.2984],
    [1_000_000, 0.5],
  ])('of four layers of %i is %f', (size, threshold) => {
    expect(replyThreshold(layersOf(size))).toBeCloseTo(threshold, 4)
  })

  it('of a layer of one is the least', () => {
    expect(replyThreshold([8, 1, 8])).toBe(0.05)
    expect(replyThreshold([0])).toBe(0.05)
    expect(replyThreshold([])).toBe(0.5)
  })
})

describe('real traffic', () => {
  it.each([3, 8])('goes on when one mix of %i in every layer drops everything', (size) => {
    const layers = size === 3 ? 2 : 4
    expect(alarms(oneDrops(size, layers), layersOf(size, layers))).toBeLessThan(0.05)
  })

  it.each([2, 3, 4, 8])('goes on when one mix of a layer of %i drops everything', (size) => {
    expect(alarms(oneDrops(size), layersOf(size))).toBeLessThan(0.02)
  })

  it.each([2, 3, 8])('goes on with 5 % of frames lost and layers of %i', (size) => {
    expect(alarms(0.95 ** 11, layersOf(size, 5))).toBeLessThan(0.01)
  })

  it.each([2, 3, 4, 8, 16])('stops when nearly nothing returns over layers of %i', (size) => {
    // A quarter of the threshold: what is left when somebody lets only his own mixes answer.
    const few = 0.25 * replyThreshold(layersOf(size))
    expect(alarms(few, layersOf(size))).toBeGreaterThan(0.85)
    expect(alarms(0, layersOf(size))).toBe(1)
  })

  it('is not judged before enough is known', () => {
    const monitor = new ReplyMonitor()
    for (let i = 0; i < REPLY_WINDOW_MIN - 1; i++) monitor.note(false)
    expect(monitor.rate).toBeUndefined()
    expect(monitor.isAlarmed([2, 2])).toBe(false)
    monitor.note(false)
    expect(monitor.rate).toBe(0)
    expect(monitor.isAlarmed([2, 2])).toBe(true)
  })

  it('goes on again when replies return', () => {
    const monitor = new ReplyMonitor()
    for (let i = 0; i < REPLY_WINDOW; i++) monitor.note(false)
    expect(monitor.isAlarmed([4, 4])).toBe(true)
    for (let i = 0; i < REPLY_WINDOW; i++) monitor.note(true)
    expect(monitor.rate).toBe(1)
    expect(monitor.isAlarmed([4, 4])).toBe(false)
  })

  it('is judged by the last requests alone', () => {
    const monitor = new ReplyMonitor()
    for (let i = 0; i < 10 * REPLY_WINDOW; i++) monitor.note(true)
    for (let i = 0; i < REPLY_WINDOW / 4; i++) monitor.note(false)
    expect(monitor.rate).toBe(0.75)
  })

  it('is judged anew after an absence', () => {
    const monitor = new ReplyMonitor()
    for (let i = 0; i < REPLY_WINDOW; i++) monitor.note(false)
    monitor.reset()
    expect(monitor.rate).toBeUndefined()
    expect(monitor.isAlarmed([2, 2])).toBe(false)
  })
})
