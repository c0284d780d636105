import { describe, expect, it } from 'vitest'
import {
  ASSUMED_CORRUPT,
  PRIVACY_TABLE,
  type PrivacyRow,
  protectionOf,
} from '../../../src/mix/index.ts'

function row(preset: string, nodes: number, corrupt = ASSUMED_CORRUPT): PrivacyRow {
  return {
    preset,
    nodes,
    corrupt,
    entropyMeanBits: 5,
    entropyP5Bits: 4,
    maxBits: 6,
    linkedMedian: 10 * nodes,
    linkedP10: nodes,
    daysMedian: 3 * nodes,
    daysP10: nodes / 10,
    censored: nodes === 200,
  }
}

const table = [
  row('balanced', 20),
  row('balanced', 200),
  row('balanced', 50),
  row('balanced', 50, 0),
]

describe('what the mixing protects', () => {
  it.each([
    [20, 20],
    [49, 20],
    [50, 50],
    [199, 50],
    [100_000, 200],
  ])(
    'is said for %i nodes by the simulation of %i: never of a larger network',
    (nodes, simulated) => {
      expect(protectionOf(table, { preset: 'balanced', nodes })).toEqual({
        anonymitySet: 16,
        protectedMessages: simulated,
        protectedDays: simulated / 10,
        atLeast: simulated === 200,
        simulatedNodes: simulated,
      })
    },
  )

  it('is not known for what was not simulated', () => {
    expect(protectionOf(table, { preset: 'balanced', nodes: 19 })).toBeUndefined()
    expect(protectionOf(table, { preset: 'custom', nodes: 50 })).toBeUndefined()
    expect(protectionOf([], { preset: 'balanced', nodes: 50 })).toBeUndefined()
  })

  it('is said with hostile mixes among them', () => {
    const honest = [row('balanced', 50, 0)]
    expect(protectionOf(honest, { preset: 'balanced', nodes: 50 })).toBeUndefined()
  })

  it('has no row that promises more than the network can give', () => {
    for (const each of PRIVACY_TABLE) {
      expect(each.maxBits).toBeLessThanOrEqual(Math.log2(each.nodes) + 1e-6)
      expect(each.entropyP5Bits).toBeLessThanOrEqual(each.entropyMeanBits)
      expect(each.entropyMeanBits).toBeLessThanOrEqual(each.maxBits + 1e-6)
      expect(each.linkedP10).toBeLessThanOrEqual(each.linkedMedian)
    }
  })
})
