import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PRIVACY_TABLE } from '../../../src/mix/index.ts'
import { boundText, daysOf, toPrivacyTable } from '../../sim/privacy/rows.ts'
import { linkedBoxesPerDay } from '../../sim/privacy/text-model.ts'

const TABLE_FILE = join(import.meta.dirname, '../../../src/mix/privacy-table.ts')

describe('figures for people and for the node', () => {
  it('keeps the table of the node as the simulator wrote it', () => {
    expect(readFileSync(TABLE_FILE, 'utf8')).toBe(toPrivacyTable(PRIVACY_TABLE))
  })

  it('marks what lies beyond the horizon', () => {
    expect(boundText({ value: 74, censored: false })).toBe('74')
    expect(boundText({ value: 300, censored: true })).toBe('> 300')
    expect(boundText({ value: 300, censored: true }, daysOf)).toBe('> 2.9')
  })

  it('counts texts, acknowledgements and refreshes as linked boxes of a day', () => {
    expect(linkedBoxesPerDay()).toBeCloseTo(105, 10)
    expect(daysOf(105)).toBeCloseTo(1, 10)
  })
})
