import { describe, expect, it } from 'vitest'
import type { PeerStats } from '../../../src/net/gossipsub.ts'
import { freeRiders, ObservedRate } from '../../../src/net/mesh-judge.ts'
import { Penalties } from '../../../src/net/penalties.ts'
import { publicationScoring } from '../../../src/gossip/scoring.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const scoring = publicationScoring({ publicationsPerSecond: 2 })
const peer = (
  brought: number,
  o: Partial<{ inMesh: boolean; active: boolean }> = {},
): PeerStats => ({
  connected: true,
  topics: {
    t: {
      inMesh: o.inMesh ?? true,
      meshMessageDeliveriesActive: o.active ?? true,
      meshMessageDeliveries: brought,
    },
  },
})
const view = { observed: 100, subscribers: 20, meshDegree: 6 }

describe('the judgement of mesh peers', () => {
  it('finds those that brought less than a twentieth of what was heard', () => {
    const stats = { silent: peer(0), slow: peer(4.9), quiet: peer(5), good: peer(80) }
    expect(freeRiders('t', stats, view, scoring)).toEqual(['silent', 'slow'])
  })

  it('spares everybody when nothing is to be heard, or everybody is needed', () => {
    const stats = { silent: peer(0) }
    expect(freeRiders('t', stats, { ...view, observed: 19 }, scoring)).toEqual([])
    expect(freeRiders('t', stats, { ...view, subscribers: 6 }, scoring)).toEqual([])
    expect(freeRiders('t', stats, view, { ...scoring, meshShare: 0 })).toEqual([])
  })

  it('spares newcomers, peers outside the mesh and other topics', () => {
    const stats = { fresh: peer(0, { active: false }), outside: peer(0, { inMesh: false }) }
    expect(freeRiders('t', stats, view, scoring)).toEqual([])
    expect(freeRiders('u', { silent: peer(0) }, view, scoring)).toEqual([])
  })

  it('cannot be driven up by a flood', () => {
    const expected = 2 * scoring.memorySeconds
    const flood = { ...view, observed: 1_000 * expected }
    expect(freeRiders('t', { honest: peer(expected * 0.11) }, flood, scoring)).toEqual([])
  })

  it('compares with a count that fades like the counters', () => {
    const rate = new ObservedRate({ memorySeconds: 60 })
    for (let second = 0; second < 600; second++) rate.add(second * 1_000)
    expect(rate.value(600_000)).toBeGreaterThan(58)
    expect(rate.value(600_000)).toBeLessThan(61)
    expect(rate.value(1_200_000)).toBeLessThan(0.01)
  })
})

describe('the scoring of publications', () => {
  it('remembers enough messages at every rate that a network may have', () => {
    for (const publicationsPerSecond of [0.1, 0.5, 2, 4, 10, 20]) {
      const { memorySeconds } = publicationScoring({ publicationsPerSecond })
      expect(memorySeconds * publicationsPerSecond).toBeGreaterThanOrEqual(120)
      expect(memorySeconds).toBeLessThanOrEqual(1_800)
    }
  })
})

describe('penalties', () => {
  it('fade by half and are forgotten, the oldest first when there are too many', async () => {
    const clock = new VirtualClock()
    const penalties = new Penalties({ clock }, { halfLifeMs: 1_000, maxPeers: 2 })
    penalties.add('a', 8)
    expect(penalties.of('a')).toBe(8)
    await clock.advance(2_000)
    penalties.add('b', -5)
    penalties.add('b', 3)
    penalties.add('c', 4)
    expect(penalties.of('a')).toBe(0)
    expect(penalties.of('b')).toBe(3)
    expect(penalties.of('c')).toBe(4)
  })
})
