import { describe, expect, it } from 'vitest'
import { effectiveRate, PRESETS } from '../../../src/directory/index.ts'
import { windowOf } from '../../faults/rows/soak.ts'

describe('the window with which a soak begins', () => {
  // Seven nodes in cycles of two slots publish 14 boxes a second of the 20 that `swift` allows.
  it('holds what seven nodes publish in its time, not what they may', () => {
    expect(windowOf(7, PRESETS.swift)).toBe(14 * (3_600 + 300))
  })

  it.each([5, 7, 11, 30])('neither fills nor empties with %i nodes', (nodes) => {
    for (const parameters of Object.values(PRESETS)) {
      const leaving = windowOf(nodes, parameters) / (parameters.hotHours * 3_600 + 300)
      expect(leaving).toBeCloseTo(effectiveRate(nodes, parameters), 3)
    }
  })
})
