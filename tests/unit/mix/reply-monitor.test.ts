import { describe, expect, it } from 'vitest'
import { uniform } from '../../../src/base/index.ts'
import { REPLY_WINDOW, REPLY_WINDOW_MIN } from '../../../src/mix/constants.ts'
import { ReplyMonitor, replyThreshold } from '../../../src/mix/reply-monitor.ts'
import { seededRng } from '../../support/seeded-rng.ts'

/** Notes outcomes that are drawn with probability `rate`, and returns the share of looks that alarmed. */
function alarms(rate: number, smallestLayer: number, looks = 20_000): number {
  const rng = seededRng(`${rate} ${smallestLayer}`)
  const monitor = new ReplyMonitor()
  let count = 0
  for (let i = 0; i < looks + REPLY_WINDOW; i++) {
    monitor.note(uniform(rng) < rate)
    if (i >= REPLY_WINDOW && monitor.isAlarmed(smallestLayer)) count++
  }
  return count / looks
}

/** A request and its reply each pass the layer once, and one of its mixes drops. */
const oneDrops = (layer: number) => (1 - 1 / layer) ** 2

describe('the threshold', () => {
  it.each([
    [1, 0.05],
    [2, 0.125],
    [3, 0.2222],
    [4, 0.2813],
    [8, 0.3828],
    [16, 0.4395],
    [1_000_000, 0.5],
  ])('of a smallest layer of %i is %f', (layer, threshold) => {
    expect(replyThreshold(layer)).toBeCloseTo(threshold, 4)
  })

  it('of no layer at all is that of one', () => {
    expect(replyThreshold(0)).toBe(0.05)
    expect(replyThreshold(Number.MAX_SAFE_INTEGER)).toBeLessThanOrEqual(0.5)
  })
})

describe('real traffic', () => {
  it.each([2, 3, 4, 8])('goes on when one mix of a layer of %i drops everything', (layer) => {
    expect(alarms(oneDrops(layer), layer)).toBeLessThan(0.02)
  })

  it.each([2, 3, 8])('goes on with 5 %% of frames lost and a smallest layer of %i', (layer) => {
    expect(alarms(0.95 ** 11, layer)).toBeLessThan(0.01)
  })

  it.each([2, 3, 4, 8, 16])(
    'stops when nearly nothing returns over a smallest layer of %i',
    (layer) => {
      // A quarter of the threshold: what is left when somebody lets only his own mixes answer.
      const few = 0.25 * replyThreshold(layer)
      expect(alarms(few, layer)).toBeGreaterThan(0.85)
      expect(alarms(0, layer)).toBe(1)
    },
  )

  it('is not judged before enough is known', () => {
    const monitor = new ReplyMonitor()
    for (let i = 0; i < REPLY_WINDOW_MIN - 1; i++) monitor.note(false)
    expect(monitor.rate).toBeUndefined()
    expect(monitor.isAlarmed(2)).toBe(false)
    monitor.note(false)
    expect(monitor.rate).toBe(0)
    expect(monitor.isAlarmed(2)).toBe(true)
  })

  it('goes on again when replies return', () => {
    const monitor = new ReplyMonitor()
    for (let i = 0; i < REPLY_WINDOW; i++) monitor.note(false)
    expect(monitor.isAlarmed(4)).toBe(true)
    for (let i = 0; i < REPLY_WINDOW; i++) monitor.note(true)
    expect(monitor.rate).toBe(1)
    expect(monitor.isAlarmed(4)).toBe(false)
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
    expect(monitor.isAlarmed(2)).toBe(false)
  })
})
