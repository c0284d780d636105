import { describe, expect, it } from 'vitest'
import { HOLD_MS, KEY_GRACE_MS } from '../../../src/mix/constants.ts'
import { EPOCH_MS, open, epochsOf, held, keyOf } from './key-rings.ts'

describe('a wall clock that steps', () => {
  it('back finds keys again for the time that it shows', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    await advance(2 * EPOCH_MS)
    expect(ring.epoch).toBe(12)
    const twelve = keyOf(ring, 12)
    clock.stepMs = -5 * EPOCH_MS
    await advance(31_000)
    expect(ring.epoch).toBe(7)
    expect(epochsOf(ring)).toEqual([7, 8, 9])
    expect(held(ring)).toEqual([7])
    clock.stepMs = 0
    await advance(31_000)
    // The key that others have heard of is still the one of its epoch.
    expect(keyOf(ring, 12)).toBe(twelve)
    stop()
  })

  it('ahead erases nothing when it is set right within the grace', async () => {
    const { ring, run, stop, advance, clock, published } = await open()
    await ring.start()
    run()
    const before = [10, 11, 12].map((epoch) => keyOf(ring, epoch))
    clock.stepMs = 8 * EPOCH_MS
    await advance(KEY_GRACE_MS - 1_000)
    // No packet is opened with the keys of a time that is not now.
    expect([epochsOf(ring), held(ring)]).toEqual([[18, 19, 20], [18]])
    expect(ring.oldestHeld).toBe(10)
    clock.stepMs = 0
    await advance(31_000)
    expect([10, 11, 12].map((epoch) => keyOf(ring, epoch))).toEqual(before)
    expect(ring.isUsable).toBe(true)
    // Others have to hear of the keys of the present again.
    expect(published).toEqual([
      [18, 19, 20],
      [10, 11, 12],
    ])
    stop()
  })

  it('ahead now and then, for longer than the grace in all, erases', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    let rounds = 0
    for (; ring.isUsable && rounds < 20; rounds++) {
      clock.stepMs = 8 * EPOCH_MS
      await advance(60_000)
      clock.stepMs = 0
      await advance(60_000)
    }
    // What lies between two looks counts whole: a minute and a half of each.
    expect(rounds).toBeGreaterThanOrEqual(HOLD_MS / 90_000)
    expect(rounds).toBeLessThanOrEqual(HOLD_MS / 30_000)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[], false])
    stop()
  })

  it('that is set back for a moment around every other look keeps nothing', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    for (let i = 0; i < 10; i++) {
      clock.stepMs = 8 * EPOCH_MS
      await advance(58_000)
      clock.stepMs = 0
      await advance(2_000)
    }
    expect([epochsOf(ring), ring.isUsable]).toEqual([[], false])
    stop()
  })

  it('ahead into the grace of the running epoch erases nothing when it is set right in time', async () => {
    // So that an hour more lies in the grace, and goes on past its end.
    const { ring, run, stop, advance, clock } = await open({ ageMs: 10 * EPOCH_MS + 105_000 })
    await ring.start()
    run()
    clock.stepMs = EPOCH_MS
    await advance(90_000)
    expect([ring.epoch, ring.oldest]).toEqual([11, 11])
    clock.stepMs = 0
    await advance(31_000)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[10, 11, 12], true])
    stop()
  })

  it('days ahead for days makes no second key for any of these days', async () => {
    const { ring, run, stop, advance, clock } = await open({ keyEpochMs: 60_000 })
    await ring.start()
    run()
    const first = ring.epoch
    clock.stepMs = 70 * 60_000
    await advance(71 * 60_000)
    clock.stepMs = 0
    await advance(31_000)
    expect(ring.epoch).toBeLessThan(first + 73)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[], false])
    stop()
  })

  it('back now and then keeps nothing: the time in which a key is over counts in all', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    await advance(0.4 * EPOCH_MS)
    let begun = 0
    for (let i = 0; i < 60; i++) {
      clock.stepMs = 0
      await advance(KEY_GRACE_MS - 12_000)
      begun += KEY_GRACE_MS - 12_000
      clock.stepMs = -begun - 0.1 * EPOCH_MS
      await advance(32_000)
      begun += 32_000
    }
    clock.stepMs = 0
    // Of the hours that went by, the last half has run at least.
    expect(ring.oldestHeld).toBeGreaterThanOrEqual(ring.epoch - 1)
    stop()
  })

  it('that is adjusted bit by bit delays no erasing', async () => {
    const { ring, run, stop, advance, clock } = await open()
    await ring.start()
    run()
    for (let at = 0; at < 0.5 * EPOCH_MS + KEY_GRACE_MS; at += 30_000) {
      clock.stepMs -= 10
      await advance(30_000)
    }
    await advance(-clock.stepMs + 1)
    expect(ring.oldestHeld).toBe(11)
    stop()
  })

  it('ahead for longer erases what ended on the way, and makes no second key for it when it is set back', async () => {
    const { ring, run, stop, advance, clock, published, turns } = await open()
    await ring.start()
    run()
    clock.stepMs = 8 * EPOCH_MS
    await advance(HOLD_MS - 1_000)
    expect([ring.oldestHeld, turns()]).toEqual([10, 1])
    await advance(62_000)
    // Nothing else is announced, but the tags of these keys may go.
    expect([ring.oldestHeld, turns(), published]).toEqual([18, 2, [[18, 19, 20]]])
    expect(epochsOf(ring)).toEqual([18, 19, 20])
    clock.stepMs = 0
    await advance(31_000)
    expect([epochsOf(ring), held(ring), ring.isUsable]).toEqual([[], [], false])
    // A descriptor without keys would help nobody.
    expect(published).toHaveLength(1)
    await advance(EPOCH_MS)
    expect(epochsOf(ring)).toEqual([13])
    await advance(2 * EPOCH_MS)
    expect([epochsOf(ring), ring.isUsable]).toEqual([[13, 14, 15], true])
    stop()
  })

  it('ahead at a start does the same, and a restart does not forget it', async () => {
    const first = await open()
    await first.ring.start()
    first.ring.stop()
    first.clock.stepMs = 8 * EPOCH_MS
    const second = await open({ clock: first.clock, disk: first.disk })
    await second.ring.start()
    second.ring.stop()
    first.clock.stepMs = 0
    const third = await open({ clock: first.clock, disk: first.disk })
    await third.ring.start()
    expect(epochsOf(third.ring)).toEqual([])
    await third.advance(0)
  })
})
