import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keepRun, type KeptRun, keptRuns, runText, withTable } from '../../faults/result.ts'
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
const KEPT = { file: 'R1.json', run: RUN }
const PAGE = `# Title
<!-- rows: written by npm run faults -- … --keep -->
yesterday
<!-- end of rows -->
after
`

describe('the table of results', () => {
  it('names the run, and says of every other row that it was not run', () => {
    const page = withTable(PAGE, [KEPT])
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
    const once = withTable(PAGE, [KEPT])
    expect(withTable(once, [KEPT])).toBe(once)
  })

  it('shows why a row did not pass, in a cell that stays one cell', () => {
    const failed = { ...RUN, verdict: 'failed', reasons: ['B: "0|1" never arrived'] } as const
    const page = withTable(PAGE, [{ ...KEPT, run: failed }])
    expect(page).toContain('**failed**: B: "0\\|1" never arrived |')
    expect(runText(failed)).toContain('! B: "0|1" never arrived')
  })

  it('in RELIABILITY.md is that of the kept runs', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../RELIABILITY.md'), 'utf8')
    expect(withTable(page, keptRuns())).toBe(page)
  })

  it('refuses a page without the marks', () => {
    expect(() => withTable('# Title\n', [KEPT])).toThrow('marks')
  })

  it('has a line for each kept run of a row, the shorter one first, with its command and its file', () => {
    const long = { ...RUN, tier: 'N', command: 'npm run faults -- N --keep', durationS: 470 }
    const page = withTable(PAGE, [{ file: 'R1-N.json', run: long }, KEPT])
    const lines = page.split('\n').filter((each) => each.startsWith('| R1 |'))
    expect(lines).toHaveLength(2)
    expect(lines[0]).toContain('(docs/results/faults/R1.json)')
    expect(lines[0]).toContain('`npm run faults -- P --row R1`')
    expect(lines[1]).toContain('(docs/results/faults/R1-N.json)')
    expect(lines[1]).toContain('`npm run faults -- N --keep`')
  })
})

describe('a run that is kept', () => {
  let root: string
  let folder: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'hearsay-kept-'))
    folder = join(root, 'docs/results/faults')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(root, 'RELIABILITY.md'), PAGE)
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const keep = (options: string, more: Partial<KeptRun> = {}) =>
    keepRun({ ...RUN, command: `npm run faults -- ${options}`, ...more }, root)
  const seeds = () =>
    Object.fromEntries(keptRuns(root).map(({ file, run }) => [file, run.seed] as const))

  it('takes the place of the last one that was asked for in the same way', () => {
    keep('P --row R1 --keep')
    keep('P --seed 8 --keep', { seed: '8' })
    expect(seeds()).toEqual({ 'R1-P.json': '8' })
    expect(readFileSync(join(root, 'RELIABILITY.md'), 'utf8')).toContain('seed 8')
  })

  it('leaves longer ones, shorter ones and those of other rows where they are, whatever they showed', () => {
    keep('N --row R1 --times 1000 --keep', { seed: '1', durationS: 1_600 })
    keep('N --keep', { seed: '2', durationS: 470 })
    keep('P --keep', { seed: '3', verdict: 'failed', reasons: ['it lost one'] })
    keep('P --keep', { seed: '4', row: 'R2' })
    expect(seeds()).toEqual({
      'R1-N-times-1000.json': '1',
      'R1-N.json': '2',
      'R1-P.json': '3',
      'R2-P.json': '4',
    })
    const page = readFileSync(join(root, 'RELIABILITY.md'), 'utf8')
    expect(page.match(/^\| R1 \|/gm)).toHaveLength(3)
    expect(page).toContain('it lost one')
  })

  it('takes the place of an old one in the file that it has', () => {
    writeFileSync(join(folder, 'R1.json'), JSON.stringify(RUN))
    keep('P --keep', { seed: '8' })
    expect(readdirSync(folder)).toEqual(['R1.json'])
    expect(seeds()).toEqual({ 'R1.json': '8' })
  })
})
