import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { extentText } from './command.ts'
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

/** Where a run is kept: a name in FOLDER. */
export interface Kept {
  readonly file: string
  readonly run: KeptRun
}

const ROOT = join(import.meta.dirname, '..', '..')
const FOLDER = 'docs/results/faults'
const TABLE_FILE = 'RELIABILITY.md'
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

/**
 * Writes the run in place of the last one of its row and extent, and renews the table. One of another extent stays: a short run
 * must not replace a long one, nor a run that passed one that failed at what it did not try.
 */
export function keepRun(run: KeptRun, root = ROOT): void {
  const folder = join(root, FOLDER)
  mkdirSync(folder, { recursive: true })
  const extent = extentText(run.command)
  const like = keptRuns(root).find(
    (kept) => kept.run.row === run.row && extentText(kept.run.command) === extent,
  )
  const file = like?.file ?? `${run.row}-${extent.replaceAll(/[^A-Za-z0-9.]+/g, '-')}.json`
  writeFileSync(join(folder, file), `${JSON.stringify(run, undefined, 2)}\n`)
  const page = join(root, TABLE_FILE)
  writeFileSync(page, withTable(readFileSync(page, 'utf8'), keptRuns(root)))
}

/** The last kept run of each row and extent that has one. */
export function keptRuns(root = ROOT): Kept[] {
  const folder = join(root, FOLDER)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((file) => ({
      file,
      run: JSON.parse(readFileSync(join(folder, file), 'utf8')) as KeptRun,
    }))
}

/**
 * The page with a table of all rows in it, a line for each kept run, the shorter ones first; a row without one says so.
 * @throws Error without its marks.
 */
export function withTable(page: string, all: readonly Kept[]): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from === -1 || to < from) throw new Error('RELIABILITY.md has lost the marks of its table')
  const lines = ROWS.flatMap(({ id, title }) => {
    const its = all.filter(({ run }) => run.row === id)
    if (its.length === 0) return [`| ${id} | ${title} | not run | | | | | | | | |`]
    return its.toSorted((a, b) => a.run.durationS - b.run.durationS).map(tableLine)
  })
  return `${page.slice(0, from)}${BEGIN}${HEAD}${lines.join('\n')}\n${page.slice(to)}`
}

function tableLine({ file, run }: Kept): string {
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
    `[${run.commit}](${FOLDER}/${file}), ${run.date}, ${run.durationS} s, seed ${run.seed}<br>\`${run.command}\``,
  ]
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
}

/** `0.8 s, p99 1.2 s`: the median, and what one of a hundred exceeds. */
function secondsOf(figures: KeptRun['figures'], name: string): string {
  const [p50, p99] = ['p50', 'p99'].map((p) => figures[`${name} ${p}, ms`])
  if (typeof p50 !== 'number' || typeof p99 !== 'number') return ''
  return `${(p50 / 1_000).toFixed(1)} s, p99 ${(p99 / 1_000).toFixed(1)} s`
}
