/**
 * Runs the benchmarks and prints one table with the targets beside the results: `npm run bench` runs all,
 * `npm run bench -- box rpc` those. What missed its target is marked, not hidden. A figure taken while other
 * processes used the cores says so in the head of the table.
 */
import { execFileSync } from 'node:child_process'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import type { BenchResult } from '../tests/bench/box.ts'

const ROOT = join(import.meta.dirname, '..')

/** Each in a process of its own, so that none inherits another's heap. */
const BENCHES: Record<string, () => Promise<BenchResult[]>> = {
  box: async () => (await import('../tests/bench/box.ts')).benchBox(),
  sphinx: async () => (await import('../tests/bench/sphinx.ts')).benchSphinx(),
  gossip: async () => (await import('../tests/bench/gossip.ts')).benchGossip(),
  rpc: async () => (await import('../tests/bench/rpc.ts')).benchRpc(),
  events: async () => (await import('../tests/bench/events.ts')).benchEvents(),
  send: async () => (await import('../tests/bench/send.ts')).benchSend(),
  relay: async () => (await import('../tests/bench/mix-relay.ts')).benchRelay(),
  lateness: async () => (await import('../tests/bench/mix-lateness.ts')).benchLateness(),
  mixing: async () => (await import('../tests/bench/mix-mixing.ts')).benchMixing(),
  daemon: async () => (await import('../tests/bench/daemon.ts')).benchDaemon(),
}

const [first, ...rest] = process.argv.slice(2)
if (first === '--one') {
  const results = await BENCHES[rest[0] ?? '']?.()
  process.stdout.write(`${JSON.stringify(results)}\n`)
  process.exit(0)
}

const names = first === undefined ? Object.keys(BENCHES) : [first, ...rest]
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0) {
  console.error(
    `no such benchmark: ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}`,
  )
  process.exit(2)
}

console.log(`commit  ${commit()}`)
console.log(
  `machine ${availableParallelism()} cores, load ${loadavg()
    .map((l) => l.toFixed(2))
    .join(' ')}`,
)
if ((loadavg()[0] ?? 0) > 0.5) {
  console.log(
    '        other processes used the cores when this began: absolute figures are inconclusive',
  )
}
console.log('')
const results: BenchResult[] = []
for (const name of names) {
  const args = [import.meta.filename, '--one', name]
  const output = execFileSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 16 * 1024 * 1024,
  })
  results.push(...(JSON.parse(output.trim().split('\n').at(-1) ?? '[]') as BenchResult[]))
}
console.log('| measured | result | target | |')
console.log('|---|---|---|---|')
for (const { name, value, unit, target, note } of results) {
  console.log(
    `| ${name} | ${figure(value)} ${unit} | ${goal(unit, target)} | ${verdict(value, unit, target)}${note === undefined ? '' : ` (${note})`} |`,
  )
}

function figure(value: number): string {
  return value >= 1000
    ? Math.round(value).toLocaleString('en')
    : value.toFixed(value >= 100 ? 0 : 2)
}

/** Rates must be at least their target; times, sizes and ratios at most. */
function isRate(unit: string): boolean {
  return unit.endsWith('/s')
}

function goal(unit: string, target: number | undefined): string {
  return target === undefined
    ? ''
    : `${isRate(unit) ? '≥' : '≤'} ${target.toLocaleString('en')} ${unit}`
}

function verdict(value: number, unit: string, target: number | undefined): string {
  if (target === undefined) return ''
  const met = isRate(unit) ? value >= target : value <= target
  return met ? 'met' : `**missed by ${Math.abs((value / target - 1) * 100).toFixed(0)} %**`
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: ROOT,
      encoding: 'utf8',
    }).trim()
  } catch {
    return 'not in a repository'
  }
}
