import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type KeptRun, keptRuns, runText, withTable } from '../../faults/result.ts'
import { ROWS } from '../../faults/rows/index.ts'

const RUN: KeptRun = {
  row: 'R1',
  title: 'kill -9 at any moment',
  tier: 'P',
  command: 'npm run faults -- P --row R1',
  seed: '7',
  commit: 'abc1234',
  date: '2026-11-27',
  durationS: 91,
  verdict: 'passed',
  reasons: [],
  violations: [],
  figures: {
    'messages/s before faults': 20,
    accepted: 900,
    lost: 0,
    duplicates: 0,
    'ready p50, ms': 812,
    'ready p99, ms': 1150,
    kills: 40,
    cores: 2,
  },
}
const PAGE = `# Title
<!-- rows: written by npm run faults -- … --keep -->
yesterday
<!-- end of rows -->
after
`

describe('the table of results', () => {
  it('names the run, and says of every other row that it was not run', () => {
    const page = withTable(PAGE, [RUN])
    const line = page.split('\n').find((each) => each.startsWith('| R1 |'))
    expect(line).toContain(
      '| R1 | kill -9 at any moment | passed | 900 | 20 | 0 | 0 |  | 0.8 s, p99 1.1 s | kills: 40 | ' +
        '[abc1234](docs/results/faults/R1.json), ',
    )
    expect(page).toContain('seed 7')
    expect(page.match(/not run/g)).toHaveLength(ROWS.length - 1)
    expect(page).not.toContain('yesterday')
    expect(page.startsWith('# Title\n') && page.endsWith('after\n')).toBe(true)
  })

  it('stays the same when it is written twice', () => {
    const once = withTable(PAGE, [RUN])
    expect(withTable(once, [RUN])).toBe(once)
  })

  it('shows why a row did not pass, in a cell that stays one cell', () => {
    const failed = { ...RUN, verdict: 'failed', reasons: ['B: "0|1" never arrived'] } as const
    expect(withTable(PAGE, [failed])).toContain('**failed**: B: "0\\|1" never arrived |')
    expect(runText(failed)).toContain('! B: "0|1" never arrived')
  })

  it('in RELIABILITY.md is that of the kept runs', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../RELIABILITY.md'), 'utf8')
    expect(withTable(page, keptRuns())).toBe(page)
  })

  it('refuses a page without the marks', () => {
    expect(() => withTable('# Title\n', [RUN])).toThrow('marks')
  })
})
