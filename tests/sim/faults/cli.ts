import { parseArgs } from 'node:util'
import { FAILPOINTS } from '../../../src/base/index.ts'
import { FastRng } from '../privacy/fast-rng.ts'
import { PLANTED, type Planted } from './planted.ts'
import { type Cast, Pool } from './pool.ts'
import type { SeedReport } from './run-seed.ts'
import { describeFault } from './schedule.ts'
import { shrink } from './shrink.ts'

const USAGE = `npm run sim -- faults [options]
  --seeds n        how many, default 300
  --first s        the first of them, default 1
  --jobs n         processes, default 2
  --brief          5 nodes and one minute for every seed: what CI has time for
  --planted name   puts in a bug, and ends at the seed that finds it: ${PLANTED.join(', ')}
  --verbose        what happened in each seed, and the hash of its trace: two versions that leave the same do the same
Each seed is 5 to 12 nodes, two minutes of texts and faults on virtual time, and the time until all has settled.
Exit 1 if a seed violates what is promised; with --planted, if none does. Last line: N passed, N failed.`

const SMALLEST = { name: '5', nodes: 5, isAged: false, share: 0.5 }
/** Without them no short seed would see a step of a send group. */
const SMALLEST_AGED = { name: '5 aged', nodes: 5, isAged: true, share: 0.5 }
/** With `--brief`. */
const BRIEF_CASTS = [SMALLEST, SMALLEST_AGED]
/**
 * Few nodes are cheap, and show all that two of them do among themselves; the rest is for what only crowds do. In aged
 * conversations the keys change in the middle of the faults.
 */
const CASTS: readonly (Cast & { readonly share: number })[] = [
  SMALLEST,
  { name: '6 aged', nodes: 6, isAged: true, share: 0.3 },
  { name: '8', nodes: 8, isAged: false, share: 0.15 },
  { name: '12', nodes: 12, isAged: false, share: 0.05 },
]
/** Every so many seeds one is run twice, and must leave the same trace. */
const TWICE_EVERY = 50
const PROGRESS_EVERY = 50
const BRIEF_MS = 60_000
/** Looks at the memory that do not count, and what may come after them. */
const GROWTH_FROM = 4
const GROWTH_BYTES_MAX = 64_000_000

interface Options {
  readonly seeds: number
  readonly first: number
  readonly jobs: number
  readonly isBrief: boolean
  readonly planted: Planted | undefined
  readonly verbose: boolean
}

interface Tally {
  passed: number
  failed: number
  virtualMs: number
  cpuMs: number
  /** Live bytes of a process, as time went on. */
  readonly heaps: number[]
  readonly counts: Map<string, number>
}

/** Runs `npm run sim -- faults` with these arguments. Returns the exit code. */
export async function simulateFaults(args: readonly string[]): Promise<number> {
  let options: Options
  try {
    options = optionsOf(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return 2
  }
  const { first, seeds, jobs } = options
  const began = performance.now()
  const numbers = Array.from({ length: seeds }, (_, i) => first + i)
  const pool = await Pool.open(jobs, [...new Set(numbers.map((seed) => castOf(seed, options)))])
  try {
    const ready = performance.now()
    const tally = await runAll(pool, numbers, options)
    if (hasGrown(tally.heaps)) {
      console.log(`memory grows: ${tally.heaps.map(megabytes).join(', ')} MB`)
      tally.failed++
    }
    for (const what of missingOf(tally, options)) {
      console.log(`${what}, in as many seeds as should have it`)
      tally.failed++
    }
    report(tally, { fixtures: ready - began, seeds: performance.now() - ready })
    const found = options.planted === undefined ? tally.failed === 0 : tally.failed > 0
    return found ? 0 : 1
  } finally {
    pool.close()
  }
}

/** Seeds leave nothing behind; what code and tables take at first is no growth. */
function hasGrown(heaps: readonly number[]): boolean {
  const [early, late] = [heaps.at(GROWTH_FROM), heaps.at(-1)]
  return early !== undefined && late !== undefined && late - early > GROWTH_BYTES_MAX
}

/** What so many seeds have of: a fault that does not happen shows nothing. */
const EXPECTED = [
  'on the way lost',
  'on the way doubled',
  'on the way late',
  'a write failed',
  'fault file-error',
  'healed of failed',
  'healed of full',
  'crash now',
  'crash disk write',
  'crash disk written',
  'end delivered',
  'end expired',
  'answer of before',
]
/** Of each failpoint: as many machines stop there. */
const STOPS_EXPECTED = 20
/** What consumers do, and what the retention does to them: at most a fifth of what is reckoned with. */
const READING_EXPECTED = {
  'consumer acks answered': 1_000,
  'consumer resumes': 1_000,
  'consumer overruns': 20,
  'retention trims': 1_000,
} as const
/** The rarest, a text whose time a clock has jumped over, comes in about one of ten short ones. */
const EXPECTED_FROM = 300

function missingOf({ counts }: Tally, { seeds, planted }: Options): string[] {
  if (seeds < EXPECTED_FROM || planted !== undefined) return []
  const missing = (what: string, least: number): string[] => {
    const count = counts.get(what) ?? 0
    return count < least ? [`${what}: ${count} times, not ${least}`] : []
  }
  return [
    ...EXPECTED.flatMap((what) => missing(what, 1)),
    ...FAILPOINTS.flatMap((name) => missing(`failpoint ${name}`, STOPS_EXPECTED)),
    ...Object.entries(READING_EXPECTED).flatMap(([what, least]) => missing(what, least)),
  ]
}

async function runAll(pool: Pool, seeds: readonly number[], options: Options): Promise<Tally> {
  const tally: Tally = {
    passed: 0,
    failed: 0,
    virtualMs: 0,
    cpuMs: 0,
    heaps: [],
    // Printed also where there are none.
    counts: new Map<string, number>([
      ...FAILPOINTS.map((name) => [`failpoint ${name}`, 0] as const),
      ...Object.keys(READING_EXPECTED).map((what) => [what, 0] as const),
    ]),
  }
  const left = seeds.values()
  const lane = async (): Promise<void> => {
    for (const seed of left) {
      if (options.planted !== undefined && tally.failed > 0) return
      await runOne(pool, seed, options, tally)
      const done = tally.passed + tally.failed
      if (done % PROGRESS_EVERY === 0) console.log(`${done} of ${seeds.length} seeds`)
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, lane))
  return tally
}

async function runOne(pool: Pool, seed: number, options: Options, tally: Tally): Promise<void> {
  const { verbose } = options
  const how = { seed, planted: options.planted, runMs: runMsOf(options) }
  const { name } = castOf(seed, options)
  const { report: result, usage } = await pool.seed(name, how)
  const violations = [...result.violations]
  if (seed % TWICE_EVERY === 1) {
    const { report: again } = await pool.seed(name, how)
    if (again.trace !== result.trace) violations.push('another run of this seed left another trace')
  }
  tally.virtualMs += result.virtualMs
  tally.cpuMs += usage.cpuMs
  if (usage.heapBytes !== undefined) tally.heaps.push(usage.heapBytes)
  for (const [what, count] of Object.entries(result.counts)) {
    tally.counts.set(what, (tally.counts.get(what) ?? 0) + count)
  }
  if (verbose) {
    const { nodes, trace, counts } = result
    console.log(`seed ${seed}: ${nodes} nodes, trace ${trace}, ${JSON.stringify(counts)}`)
  }
  if (violations.length === 0) {
    tally.passed++
    return
  }
  tally.failed++
  await describe(pool, result, violations, options)
}

/** What failed, how to see it again, and as few faults as it takes. */
async function describe(
  pool: Pool,
  { seed, nodes, schedule }: SeedReport,
  violations: readonly string[],
  options: Options,
): Promise<void> {
  const { planted } = options
  const { name } = castOf(seed, options)
  const fails = async (shorter: SeedReport['schedule']): Promise<boolean> => {
    const how = { seed, planted, runMs: runMsOf(options), schedule: shorter }
    const { report: result } = await pool.seed(name, how)
    return result.violations.length > 0
  }
  const brief = options.isBrief ? ' --brief' : ''
  const more = planted === undefined ? brief : `${brief} --planted ${planted}`
  console.log(`seed ${seed} of ${nodes} nodes violates what is promised:`)
  for (const violation of violations) console.log(`  - ${violation}`)
  console.log(`  again: npm run sim -- faults --first ${seed} --seeds 1${more}`)
  const { faults } = await shrink(schedule, fails)
  console.log(`  seed ${seed} needs ${faults.length} of its ${schedule.faults.length} faults:`)
  for (const fault of faults) console.log(`    ${describeFault(fault)}`)
}

function report(tally: Tally, ms: { readonly fixtures: number; readonly seeds: number }): void {
  const { passed, failed, virtualMs, cpuMs, heaps, counts } = tally
  const lines = [...counts].toSorted(([a], [b]) => a.localeCompare(b))
  for (const [what, count] of lines) console.log(`${what.padEnd(44)} ${count}`)
  const seconds = (value: number): string => `${(value / 1_000).toFixed(1)} s`
  const seeds = Math.max(1, passed + failed)
  console.log(
    `made ready in ${seconds(ms.fixtures)}, run in ${seconds(ms.seeds)}; a seed: ` +
      `${seconds(virtualMs / seeds)} of virtual time, ${seconds(cpuMs / seeds)} of a core, ` +
      `${(virtualMs / cpuMs).toFixed(0)} times as fast as real time`,
  )
  if (heaps.length > 0)
    console.log(`live memory of a process: ${heaps.map(megabytes).join(', ')} MB`)
  console.log(`${passed} passed, ${failed} failed`)
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}

/** Undefined: as long as a run usually is. */
function runMsOf({ isBrief }: Options): number | undefined {
  return isBrief ? BRIEF_MS : undefined
}

function castOf(seed: number, { isBrief }: Options): Cast {
  let draw = new FastRng(`${seed}/cast`).float()
  for (const cast of isBrief ? BRIEF_CASTS : CASTS) {
    draw -= cast.share
    if (draw < 0) return cast
  }
  return SMALLEST
}

function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '300' },
      first: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '2' },
      brief: { type: 'boolean', default: false },
      planted: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const number = (name: 'seeds' | 'first' | 'jobs', max: number): number => {
    const value = Number(values[name])
    if (!Number.isInteger(value) || value < 1 || value > max) {
      throw new Error(`--${name} is a whole number from 1 to ${max}`)
    }
    return value
  }
  const planted = PLANTED.find((name) => name === values.planted)
  if (values.planted !== undefined && planted === undefined) {
    throw new Error(`no such bug; there are: ${PLANTED.join(', ')}`)
  }
  return {
    seeds: number('seeds', 1_000_000),
    first: number('first', 2 ** 31),
    jobs: number('jobs', 64),
    isBrief: values.brief,
    planted,
    verbose: values.verbose,
  }
}
