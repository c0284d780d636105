import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Outcome } from './verdict.ts'
import { ROWS } from './rows/index.ts'

/** A run as it is kept: whoever has the command, the seed and the commit can repeat it. */
export interface KeptRun extends Outcome {
  readonly row: string
  readonly title: string
  readonly tier: string
  readonly command: string
  readonly seed: string
  readonly commit: string
  readonly date: string
  readonly durationS: number
}

const ROOT = join(import.meta.dirname, '..', '..')
const FOLDER = join(ROOT, 'docs', 'results', 'faults')
const TABLE_FILE = join(ROOT, 'RELIABILITY.md')
const BEGIN = '<!-- rows: written by npm run faults -- … --keep -->\n'
const END = '<!-- end of rows -->'
const HEAD = `| | fault | verdict | accepted | a second | lost | twice | sent to arrived | start to ready | besides | run |
|---|---|---|---|---|---|---|---|---|---|---|
`
/** Figures that are in columns of their own, or only in the kept file: what every row has. */
const COMMON = new Set([
  'messages/s before faults',
  'messages/s in the faults',
  'on their way at that rate',
  'accepted',
  'delivered',
  'lost',
  'reported as expired or failed',
  'duplicates',
  'events read',
  'send to arrival p50, ms',
  'send to arrival p99, ms',
  'starts',
  'ready p50, ms',
  'ready p99, ms',
  'all ended after the last send, s',
  'asked for again under their keys',
  'cores',
  'used by other programs, %',
])

/** The verdict and the figures of a run, for a terminal. */
export function runText(run: KeptRun): string {
  const figures = Object.entries(run.figures).map(([name, value]) => `  ${name}: ${value}`)
  const reasons = run.reasons.map((reason) => `  ! ${reason}`)
  return [`${run.row} ${run.verdict} in ${run.durationS} s`, ...figures, ...reasons].join('\n')
}

/** Writes the run in place of the last one of its row, and renews the table. */
export function keepRun(run: KeptRun): void {
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(join(FOLDER, `${run.row}.json`), `${JSON.stringify(run, undefined, 2)}\n`)
  writeFileSync(TABLE_FILE, withTable(readFileSync(TABLE_FILE, 'utf8'), keptRuns()))
}

/** The last kept run of each row that has one. */
export function keptRuns(): KeptRun[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as KeptRun)
}

/** The page with a table of all rows in it; a row without a run says so. @throws Error without its marks. */
export function withTable(page: string, runs: readonly KeptRun[]): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from === -1 || to < from) throw new Error('RELIABILITY.md has lost the marks of its table')
  const lines = ROWS.map(({ id, title }) => {
    const run = runs.find(({ row }) => row === id)
    return run === undefined ? `| ${id} | ${title} | not run | | | | | | | | |` : tableLine(run)
  })
  return `${page.slice(0, from)}${BEGIN}${HEAD}${lines.join('\n')}\n${page.slice(to)}`
}

function tableLine(run: KeptRun): string {
  const { figures, row, title, verdict, reasons } = run
  const besides = Object.entries(figures).filter(([name]) => !COMMON.has(name))
  const cells = [
    row,
    title,
    reasons.length === 0 ? verdict : `**${verdict}**: ${reasons[0]?.split('\n')[0]}`,
    figures['accepted'] ?? '',
    figures['messages/s before faults'] ?? '',
    figures['lost'] ?? '',
    figures['duplicates'] ?? '',
    secondsOf(figures, 'send to arrival'),
    secondsOf(figures, 'ready'),
    besides.map(([name, value]) => `${name}: ${value}`).join('<br>'),
    `[${run.commit}](docs/results/faults/${row}.json), ${run.date}, ${run.durationS} s, seed ${run.seed}<br>\`${run.command}\``,
  ]
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
}

/** `0.8 s, p99 1.2 s`: the median, and what one of a hundred exceeds. */
function secondsOf(figures: KeptRun['figures'], name: string): string {
  const [p50, p99] = ['p50', 'p99'].map((p) => figures[`${name} ${p}, ms`])
  if (typeof p50 !== 'number' || typeof p99 !== 'number') return ''
  return `${(p50 / 1_000).toFixed(1)} s, p99 ${(p99 / 1_000).toFixed(1)} s`
}
