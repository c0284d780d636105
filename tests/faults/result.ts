import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Outcome } from './rehearse.ts'
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
const HEAD = `| | fault | verdict | accepted | lost | twice | what it took | run |
|---|---|---|---|---|---|---|---|
`
/** Figures with a column of their own, or that say nothing about the fault. */
const ELSEWHERE =
  /^(accepted|delivered|lost|duplicates|events read|cores|used by other programs, %)$/

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

/** The page with a table of all rows in it; a row without a run says so. @throws Error without its marks. */
export function withTable(page: string, runs: readonly KeptRun[]): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from === -1 || to < from) throw new Error('RELIABILITY.md has lost the marks of its table')
  const lines = ROWS.map(({ id, title }) => {
    const run = runs.find(({ row }) => row === id)
    return run === undefined ? `| ${id} | ${title} | not run | | | | | |` : tableLine(run)
  })
  return `${page.slice(0, from)}${BEGIN}${HEAD}${lines.join('\n')}\n${page.slice(to)}`
}

function tableLine(run: KeptRun): string {
  const { figures, row, title, verdict, reasons } = run
  const rest = Object.entries(figures)
    .filter(([name]) => !ELSEWHERE.test(name))
    .map(([name, value]) => `${name} ${value}`)
  const cells = [
    row,
    title,
    reasons.length === 0 ? verdict : `**${verdict}**: ${reasons[0]?.split('\n')[0]}`,
    figures['accepted'] ?? '',
    figures['lost'] ?? '',
    figures['duplicates'] ?? '',
    rest.join(', '),
    `\`${run.command}\`, seed ${run.seed}, ${run.date}, ${run.commit}, ${run.durationS} s`,
  ]
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
}

function keptRuns(): KeptRun[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as KeptRun)
}
