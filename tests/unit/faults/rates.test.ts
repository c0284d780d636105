import { describe, expect, it } from 'vitest'
import { fewInFaults, rateBetween } from '../../faults/rates.ts'

const SPAN = { from: 10_000, to: 20_000 }

/** So many messages of a node that were accepted at even intervals of a span. */
function sent(from: number, count: number, { from: first, to }: typeof SPAN = SPAN) {
  return Array.from({ length: count }, (_, i) => {
    return { from, acceptedAt: first + (i * (to - first)) / count }
  })
}

describe('the rate of a span', () => {
  it('counts what was accepted in it, and nothing of before, of after, or that nobody said yes to', () => {
    const others = [9_999, 20_000, undefined].map((acceptedAt) => ({ from: 0, acceptedAt }))
    expect(rateBetween([...sent(0, 300), ...others], SPAN)).toBe(30)
  })

  it('counts the messages of some nodes when asked for them', () => {
    const sends = [...sent(0, 300), ...sent(1, 50), ...sent(2, 20)]
    expect(rateBetween(sends, SPAN, [1, 2])).toBe(7)
    expect(rateBetween(sends, SPAN, [0])).toBe(30)
  })
})

describe('the guard during faults', () => {
  it('finds a load that collapsed while the fault lasted', () => {
    const before = sent(0, 600, { from: 0, to: 10_000 })
    const found = fewInFaults([...before, ...sent(0, 100)], SPAN, { minRate: 25 })
    expect(found).toEqual(['10.0 messages a second in the faults, fewer than 25'])
  })

  it('is content with enough, and where nothing had to be sent', () => {
    expect(fewInFaults(sent(0, 250), SPAN, { minRate: 25 })).toEqual([])
    expect(fewInFaults([], SPAN, undefined)).toEqual([])
  })

  it('asks those who may send, whatever a node does that must refuse or need not', () => {
    const floor = { minRate: 15, by: [1, 2] }
    const enough = [...sent(1, 80), ...sent(2, 80)]
    expect(fewInFaults(enough, SPAN, floor)).toEqual([])
    const few = [...sent(0, 900), ...sent(1, 80)]
    expect(fewInFaults(few, SPAN, floor)).toEqual([
      '8.0 messages a second of the nodes 1, 2 in the faults, fewer than 15',
    ])
  })
})
