/**
 * Real daemons, real faults, every message counted: `npm run faults -- P` runs the short rows (nine minutes on two
 * cores), `-- N` all but the soak, `-- N --row R7 --nodes 10 --minutes 2` one. Exit 0 when every row passed, 1 when one
 * failed, 3 when none failed and one was inconclusive: too slow, or not possible on this machine. With `--keep` the
 * results go into docs/results/faults and the table of RELIABILITY.md, each in place of the last one of its row that was
 * asked for in the same tier with the same options.
 */
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { parseParameters, PRESETS } from '../daemon/testnet/index.ts'
import { OPTIONS } from '../tests/faults/command.ts'
import { keepRun, type KeptRun, runText } from '../tests/faults/result.ts'
import { plannedMinutes, ROWS, rowsOf } from '../tests/faults/rows/index.ts'
import type { RunOptions } from '../tests/faults/rehearse.ts'
import type { Outcome } from '../tests/faults/verdict.ts'

const INCONCLUSIVE = 3
let quietUntil = 0

const { values, positionals } = options()
const [tier = 'P', ...rest] = positionals
if (rest.length > 0 || (tier !== 'P' && tier !== 'N')) fail('write: npm run faults -- P|N')
const preset = PRESETS.find((each) => each === values.preset)
if (values.preset !== undefined && preset === undefined) {
  fail(`--preset must be one of ${PRESETS.join(', ')}`)
}
const wanted = values.row ?? []
const unknown = wanted.filter((id) => !ROWS.some((row) => row.id === id))
if (unknown.length > 0) {
  fail(`no row ${unknown.join(', ')}; there are ${ROWS.map(({ id }) => id).join(', ')}`)
}
const rows = wanted.length === 0 ? rowsOf(tier) : ROWS.filter(({ id }) => wanted.includes(id))

// Before the first result is kept, which changes the tree.
const tree = commit()

// Timers of the clock do not keep a process alive.
const awake = setInterval(() => {}, 2 ** 30)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error('interrupted')))
}
const runOptions: RunOptions = {
  tier,
  seed: values.seed,
  ...(preset === undefined ? {} : { preset }),
  ...(values.param === undefined ? {} : { parameters: parseParameters(values.param) }),
  ...number('nodes', 2, 60),
  ...number('rate', 1, 1_000),
  ...number('minutes', 0.1, 600),
  ...number('times', 1, 100_000),
  progress,
  signal: stop.signal,
}

console.log(`${rows.length} rows, about ${plannedMinutes(rows, runOptions).toFixed(0)} minutes`)
const verdicts: string[] = []
for (const row of rows) {
  if (stop.signal.aborted) break
  console.log(`${row.id} ${row.title}`)
  const began = performance.now()
  const outcome = await row.run(runOptions).catch(broken)
  progress('')
  const run: KeptRun = {
    row: row.id,
    title: row.title,
    tier,
    command: `npm run faults ${['--', ...process.argv.slice(2)].join(' ')}`,
    seed: values.seed,
    commit: tree,
    date: new Date().toISOString().slice(0, 10),
    durationS: Math.round((performance.now() - began) / 1000),
    ...outcome,
  }
  console.log(runText(run))
  if (!stop.signal.aborted && values.keep) keepRun(run)
  verdicts.push(run.verdict)
}
clearInterval(awake)
const count = (verdict: string) => verdicts.filter((each) => each === verdict).length
if (count('inconclusive') > 0) console.log(`${count('inconclusive')} inconclusive`)
if (count('not run') > 0) console.log(`${count('not run')} cannot run here`)
console.log(`${count('passed')} passed, ${count('failed')} failed`)
if (stop.signal.aborted) process.exit(130)
process.exit(count('failed') > 0 ? 1 : count('passed') === rows.length ? 0 : INCONCLUSIVE)

/** A run that broke off shows nothing about the daemons, and must not look as if it had passed. */
function broken(error: unknown): Outcome {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { verdict: 'failed', reasons: [reason], violations: [], figures: {} }
}

function options() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS })
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

function number(name: 'nodes' | 'rate' | 'minutes' | 'times', low: number, high: number) {
  const text = values[name]
  if (text === undefined) return {}
  const value = Number(text)
  if (value >= low && value <= high) return { [name]: value }
  return fail(`--${name} must be a number from ${low} to ${high}`)
}

function fail(message: string): never {
  console.error(`faults: ${message}`)
  process.exit(2)
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

/** One line that is written over on a terminal; elsewhere a line every ten seconds. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
  else if (text !== '' && performance.now() >= quietUntil) {
    process.stderr.write(`${text}\n`)
    quietUntil = performance.now() + 10_000
  }
}
