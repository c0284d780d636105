import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { extentOf } from '../../faults/command.ts'
import type { Extent } from '../../faults/rehearse.ts'
import { keptRuns } from '../../faults/result.ts'
import { plannedMinutes, ROWS, rowsOf } from '../../faults/rows/index.ts'
import { pauseLengths } from '../../faults/rows/pause.ts'
import { MAX_OTHERS } from '../../faults/verdict.ts'

const MINUTE_MS = 60_000

const rowOf = (id: string) => {
  const row = ROWS.find((each) => each.id === id)
  if (row === undefined) throw new Error(`no row ${id}`)
  return row
}
const lasts = (id: string, extent: Extent) => rowOf(id).lastsMs(extent)

describe('the rows of a tier', () => {
  it.each([
    ['P', 10],
    ['N', 70],
  ] as const)('of %s are planned for %i minutes at most, all in all', (tier, most) => {
    expect(plannedMinutes(rowsOf(tier), { tier })).toBeLessThanOrEqual(most)
  })

  it('take what RELIABILITY.md says', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../RELIABILITY.md'), 'utf8')
    const [p, n] = (['P', 'N'] as const).map((tier) =>
      Math.round(plannedMinutes(rowsOf(tier), { tier })),
    )
    expect(page).toContain(`\`npm run faults -- P\` (planned for ${p} minutes on two cores)`)
    expect(page).toContain(`\`-- N\` (${n} minutes)`)
  })

  it('of P are in N too, and the soak is in none', () => {
    const ids = (tier: Extent['tier']) => rowsOf(tier).map(({ id }) => id)
    expect(ids('N')).toEqual(expect.arrayContaining(ids('P')))
    expect(ROWS.map(({ id }) => id).filter((id) => !ids('N').includes(id))).toEqual(['R21'])
  })
})

describe('the planned time of a row', () => {
  it.each(ROWS)('$id is longer than a minute, and shorter in P where it is in both', (row) => {
    const [p, n] = [row.lastsMs({ tier: 'P' }), row.lastsMs({ tier: 'N' })]
    expect(p).toBeGreaterThanOrEqual(MINUTE_MS)
    expect(n).toBeGreaterThanOrEqual(p)
  })

  it.each(['R1', 'R2', 'R3', 'R5', 'R11'])('%s grows with --times', (id) => {
    const [few, many] = [10, 1_000].map((times) => lasts(id, { tier: 'N', times }))
    expect((many ?? 0) - (few ?? 0)).toBeGreaterThan(990 * 1_000)
  })

  it.each(['R7', 'R8', 'R12', 'R15', 'R18', 'R21'])('%s grows with --minutes', (id) => {
    const [short, long] = [1, 31].map((minutes) => lasts(id, { tier: 'N', minutes }))
    expect((long ?? 0) - (short ?? 0)).toBeGreaterThan(29 * MINUTE_MS)
  })

  it('is that of the kept runs that passed on a machine of their own, to a quarter', () => {
    const kept = keptRuns().filter(
      ({ run: { verdict, figures } }) =>
        verdict === 'passed' && Number(figures['used by other programs, %']) <= 100 * MAX_OTHERS,
    )
    expect(kept.length).toBeGreaterThan(0)
    const longer = kept.flatMap(({ file, run: { row, command, durationS } }) => {
      const planned = lasts(row, extentOf(command)) / 1_000
      return durationS > 1.25 * planned ? [`${file}: ${durationS} s, not ${planned}`] : []
    })
    expect(longer).toEqual([])
  })
})

describe('the pauses', () => {
  it('go from 5 to 120 s, each longer by the same factor', () => {
    const lengths = pauseLengths(6)
    expect(lengths).toHaveLength(6)
    expect(lengths[0]).toBe(5_000)
    expect(lengths[5]).toBeCloseTo(120_000, 6)
    const factors = lengths.slice(1).map((ms, i) => ms / (lengths[i] ?? 0))
    for (const factor of factors) expect(factor).toBeCloseTo(24 ** (1 / 5), 9)
  })

  it('are one of 120 s when there is one', () => {
    expect(pauseLengths(1)).toEqual([120_000])
  })
})
