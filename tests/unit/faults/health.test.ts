import { describe, expect, it } from 'vitest'
import { parsePartition } from '../../../daemon/testnet/index.ts'
import { cutOff, toldAfter, wellSince } from '../../faults/health.ts'
import type { HealthRecord } from '../../faults/history.ts'

const says = (node: number, at: number, ...codes: string[]): HealthRecord => ({ node, at, codes })

describe('what statuses said of a cut', () => {
  it('is the time until a node named something wrong', () => {
    const health = [says(0, 5), says(1, 6), says(0, 120, 'FEW_REPLIES'), says(1, 150, 'NO_PEERS')]
    expect(toldAfter(health, { node: 0, from: 100, until: 200 })).toBe(20)
    expect(toldAfter(health, { node: 1, from: 100, until: 200 })).toBe(50)
  })

  it('is nothing when a node stayed silent, or spoke only after the heal', () => {
    const health = [says(0, 5), says(1, 250, 'NO_PEERS')]
    expect(toldAfter(health, { node: 0, from: 100, until: 200 })).toBeUndefined()
    expect(toldAfter(health, { node: 1, from: 100, until: 200 })).toBeUndefined()
  })

  it('is no time at all when it was wrong before', () => {
    const health = [says(0, 5, 'NO_PEERS')]
    expect(toldAfter(health, { node: 0, from: 100, until: 200 })).toBe(0)
  })

  it('ends when the last node is well', () => {
    const health = [says(0, 5), says(1, 6), says(1, 120, 'NO_PEERS')]
    expect(wellSince(health, [0, 1])).toBeUndefined()
    expect(wellSince(health, [0])).toBe(5)
    expect(wellSince([...health, says(1, 220)], [0, 1])).toBe(220)
    expect(wellSince(health, [0, 2])).toBeUndefined()
  })
})

describe('who must notice a cut', () => {
  it.each([
    [['halves'], [0, 1, 2, 3, 4, 5]],
    [['isolate', '4'], [4]],
    [['one-way', '2>*'], [2]],
    [['ring'], [0, 1, 2, 3, 4, 5]],
  ])('%s', (words, nodes) => {
    expect(cutOff(parsePartition(words, 6), 6)).toEqual(nodes)
  })
})
