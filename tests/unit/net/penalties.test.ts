import { describe, expect, it } from 'vitest'
import { Penalties } from '../../../src/net/penalties.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const HALF_LIFE_MS = 60_000

describe('penalties', () => {
  it.each([0.1, 0.5, 10])('of %d points each add up', async (points) => {
    const clock = new VirtualClock()
    const penalties = new Penalties({ clock }, { halfLifeMs: HALF_LIFE_MS, maxPeers: 4 })
    for (let i = 0; i < 200; i++) {
      penalties.add('flooder', points)
      await clock.advance(5)
    }
    expect(penalties.of('flooder')).toBeGreaterThan(points * 195)
  })

  it('fade by half in every half-life, and then are forgotten', async () => {
    const clock = new VirtualClock()
    const penalties = new Penalties({ clock }, { halfLifeMs: HALF_LIFE_MS, maxPeers: 4 })
    penalties.add('once', 80)
    await clock.advance(HALF_LIFE_MS)
    expect(penalties.of('once')).toBeCloseTo(40)
    await clock.advance(20 * HALF_LIFE_MS)
    expect(penalties.of('once')).toBe(0)
  })

  it('of strangers push the oldest out, and none is negative', () => {
    const clock = new VirtualClock()
    const penalties = new Penalties({ clock }, { halfLifeMs: HALF_LIFE_MS, maxPeers: 2 })
    for (const peer of ['a', 'b', 'c']) penalties.add(peer, 5)
    penalties.add('c', -100)
    expect(['a', 'b', 'c'].map((peer) => penalties.of(peer))).toEqual([0, 5, 5])
  })
})
