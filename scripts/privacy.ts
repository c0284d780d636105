/**
 * What an observer of the wire can tell of idle and busy users, measured on real daemons:
 * `npm run privacy` runs a testnet once idle and several times with idle and busy phases, captures every byte outside
 * of the daemons, and prints a table of checks; the last line says how many passed.
 * `npm run privacy -- latency` compares the time that messages take with its prediction.
 * On a machine that other programs use the checks of times are inconclusive, and it says so.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseParameters, PRESETS } from '../daemon/testnet/index.ts'
import { compareLatency } from '../tests/privacy/live/compare-latency.ts'
import { judge, type Result } from '../tests/privacy/live/judge.ts'

const { values, positionals } = options()

const preset = PRESETS.find((each) => each === values.preset)
if (preset === undefined) fail(`--preset must be one of ${PRESETS.join(', ')}`)
const [what = 'traces', ...rest] = positionals
if (rest.length > 0 || (what !== 'traces' && what !== 'latency')) {
  fail(`there is nothing called ${positionals.join(' ')}; there are: traces, latency`)
}

let quietUntil = 0
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error('interrupted')))
}
const shared = {
  nodes: whole('nodes', values.nodes, 4, 30),
  preset,
  seed: values.seed,
  command: `npm run privacy ${['--', ...process.argv.slice(2)].join(' ')}`.replace(/ --$/, ''),
  progress,
  signal: stop.signal,
}
// Timers of the clock do not keep a process alive.
const awake = setInterval(() => {}, 2 ** 30)
const result = await run().catch((error: unknown) => {
  if (!stop.signal.aborted) throw error
  console.error('privacy: interrupted')
  process.exit(130)
})
clearInterval(awake)
progress('')
console.log(result.text)
if (values.out !== undefined) {
  mkdirSync(values.out, { recursive: true })
  writeFileSync(join(values.out, `${what}.md`), result.text)
  writeFileSync(join(values.out, `${what}.json`), result.json)
}
const passed = result.checks.filter((check) => check.passed === true).length
const failed = result.checks.filter((check) => check.passed === false).length
const open = result.checks.length - passed - failed
if (open > 0) console.log(`${open} inconclusive: the machine was too busy`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed + open > 0 ? 1 : 0)

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        preset: { type: 'string', default: 'swift' },
        /** Minutes of judged phases and pauses per run. */
        minutes: { type: 'string', default: '10' },
        /** Replaces one parameter of the preset: slotMs=500; may be repeated. */
        param: { type: 'string', multiple: true, default: [] },
        nodes: { type: 'string', default: '12' },
        runs: { type: 'string', default: '3' },
        messages: { type: 'string', default: '300' },
        seed: { type: 'string', default: '1' },
        out: { type: 'string' },
      },
    })
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

function run(): Promise<Result> {
  if (what === 'latency') {
    const messages = whole('messages', values.messages, 20, 10_000)
    return compareLatency({ ...shared, messages })
  }
  const minutes = whole('minutes', values.minutes, 1, 600)
  const runs = whole('runs', values.runs, 1, 20)
  return judge({ ...shared, parameters: parseParameters(values.param), minutes, runs })
}

function whole(name: string, text: string, low: number, high: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= low && value <= high) return value
  return fail(`--${name} must be a whole number from ${low} to ${high}`)
}

function fail(message: string): never {
  console.error(`privacy: ${message}`)
  process.exit(2)
}

/** One line that is written over on a terminal; elsewhere a line a minute. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
  else if (text !== '' && performance.now() >= quietUntil) {
    process.stderr.write(`${text}\n`)
    quietUntil = performance.now() + 60_000
  }
}
