import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PRESETS } from '../../../src/directory/index.ts'
import { type CopyGapOptions, tryCopyGaps } from './copy-gap.ts'
import { type CourierNamesOptions, tryCourierNames } from './courier-names.ts'
import { FinishedRows } from './finished-rows.ts'
import { toSvg } from './plot.ts'
import { type Findings, type Provenance, toMarkdown, toText } from './report.ts'
import { toCsv, toPrivacyRow, toPrivacyTable } from './rows.ts'
import { type RunOptions, runScenario, type ScenarioResult } from './run-scenario.ts'
import {
  adopted,
  type Scenario,
  type ShippedPreset,
  TABLE_CORRUPT,
  TABLE_NODES,
  WEAK_SCENARIOS,
} from './scenario.ts'

const ROOT = join(import.meta.dirname, '../../..')
const TABLE_FILE = join(ROOT, 'src/mix/privacy-table.ts')
const SHIPPED: readonly ShippedPreset[] = ['swift', 'lab', 'balanced', 'strong']
const LINK_MS = [20, 150] as const

const USAGE = `npm run sim -- privacy [options]
  --preset a,b     of ${SHIPPED.join(', ')}
  --nodes a,b      default ${TABLE_NODES.join(',')}
  --corrupt a,b    shares, default ${TABLE_CORRUPT.join(',')}
  --rules          only the weakened rules, the couriers and the gaps
  --victims n      per row, default 40
  --messages n     linked boxes until the simulation of a row ends, default 300
  --seed text      default 1
  --quick          two small rows of 12 victims and 30 boxes
  --out DIR        writes privacy-<day>.csv, .svg and .md
  --resume FILE    keeps finished rows in FILE and does not run them again; delete it when the code has changed
  --write          writes src/mix/privacy-table.ts
With --preset, --nodes or --corrupt only the presets run, else everything (about half an hour on one core).`

interface Plan {
  readonly scenarios: readonly Scenario[]
  readonly rules: readonly Scenario[]
  readonly hasExtras: boolean
  readonly options: RunOptions
  readonly out: string | undefined
  readonly finished: FinishedRows
  readonly write: boolean
}

/** Runs `npm run sim -- privacy` with these arguments. Returns the exit code. */
export function simulatePrivacy(args: readonly string[]): number {
  let plan: Plan
  try {
    plan = planOf(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return 2
  }
  const started = performance.now()
  const load = loadavg()[0] ?? 0
  const findings: Findings = {
    adopted: runAll(plan.scenarios, plan),
    rules: runAll(plan.rules, plan),
    couriers: plan.hasExtras ? courierOptions(plan.options.seed).map(tryCourierNames) : [],
    gaps: plan.hasExtras ? gapOptions(plan.options.seed).map(tryCopyGaps) : [],
  }
  console.log(toText(findings))
  const minutes = ((performance.now() - started) / 60_000).toFixed(1)
  console.error(`${minutes} minutes`)
  if (plan.out !== undefined) {
    const provenance: Provenance = [
      ['command', `npm run sim -- privacy${args.map((arg) => ` ${arg}`).join('')}`],
      ['commit', commit()],
      ['seed', plan.options.seed],
      ['machine', `${availableParallelism()} cores, load ${load.toFixed(2)} at the beginning`],
      ['time', `${minutes} minutes on one core`],
    ]
    writeReport(plan.out, findings, provenance, plan.options.messages)
  }
  if (plan.write) writeFileSync(TABLE_FILE, toPrivacyTable(findings.adopted.map(toPrivacyRow)))
  return 0
}

function planOf(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      preset: { type: 'string' },
      nodes: { type: 'string' },
      corrupt: { type: 'string' },
      rules: { type: 'boolean', default: false },
      victims: { type: 'string' },
      messages: { type: 'string' },
      seed: { type: 'string', default: '1' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      resume: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  })
  const { quick } = values
  const isChosen = [values.preset, values.nodes, values.corrupt].some((v) => v !== undefined)
  const presets = values.preset?.split(',') ?? (quick ? ['swift', 'balanced'] : SHIPPED)
  const nodes = numbers('nodes', values.nodes, quick ? [12] : TABLE_NODES)
  const shares = numbers('corrupt', values.corrupt, quick ? [0.125] : TABLE_CORRUPT)
  if (values.write && (isChosen || values.rules || quick)) {
    throw new Error('--write needs all rows: give no selection with it')
  }
  const scenarios = presets.flatMap((preset) =>
    nodes.flatMap((n) => shares.map((share) => checked(preset, n, share))),
  )
  return {
    scenarios: values.rules ? [] : scenarios,
    rules: quick || (isChosen && !values.rules) ? [] : WEAK_SCENARIOS,
    hasExtras: values.rules || (!quick && !isChosen),
    options: {
      seed: values.seed,
      victims: whole('victims', values.victims, quick ? 12 : 40),
      messages: whole('messages', values.messages, quick ? 30 : 300),
      rehearsed: quick ? 600 : 4_000,
      linkMs: LINK_MS,
    },
    out: values.out,
    finished: new FinishedRows(values.resume),
    write: values.write,
  }
}

function checked(preset: string, nodes: number, corrupt: number): Scenario {
  const shipped = SHIPPED.find((name) => name === preset)
  if (shipped === undefined) throw new Error(`no such preset: ${preset}`)
  const { layers } = PRESETS[shipped]
  if (!Number.isInteger(nodes) || nodes < 2 * layers) {
    throw new Error(`${preset} needs at least ${2 * layers} nodes: two mixes for each layer`)
  }
  if (!(corrupt >= 0 && corrupt <= 0.5)) throw new Error('--corrupt is a share from 0 to 0.5')
  return adopted(shipped, nodes, corrupt)
}

function numbers(
  name: string,
  text: string | undefined,
  otherwise: readonly number[],
): readonly number[] {
  if (text === undefined) return otherwise
  const values = text.split(',').map(Number)
  if (values.some((value) => !Number.isFinite(value))) throw new Error(`--${name} takes numbers`)
  return values
}

function whole(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number`)
  return value
}

function runAll(scenarios: readonly Scenario[], { options, finished }: Plan): ScenarioResult[] {
  return scenarios.map((scenario, index) => {
    const head = `${index + 1}/${scenarios.length} ${scenario.id}`
    const started = performance.now()
    const onProgress = (done: number) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${head}: ${Math.round(done * 100)} %  `)
    }
    const result = finished.of(scenario, options, () =>
      runScenario(scenario, { ...options, onProgress }),
    )
    const seconds = ((performance.now() - started) / 1_000).toFixed(0)
    const { value, censored } = result.linkedMedian
    const lead = process.stderr.isTTY ? '\r' : ''
    console.error(`${lead}${head}: ${censored ? '> ' : ''}${value} linked boxes, ${seconds} s`)
    return result
  })
}

function courierOptions(seed: string): CourierNamesOptions[] {
  return (['drawn', 'own-left-out'] as const).flatMap((rule) =>
    [1, 4].map((nodesPerNet) => ({
      seed,
      rule,
      parameters: PRESETS.balanced,
      nodes: 50,
      nodesPerNet,
      boxes: 50,
      worlds: 50,
      sendersPerWorld: 3,
      learnt: 600,
    })),
  )
}

function gapOptions(seed: string): CopyGapOptions[] {
  return (['next-cycle', 'queued'] as const).map((rule) => ({
    seed,
    rule,
    parameters: PRESETS.balanced,
    nodes: 50,
    linkMs: LINK_MS,
    idle: 0.02,
    busy: 0.5,
    learnt: 50_000,
    streams: 200,
    horizon: 300,
  }))
}

function writeReport(
  out: string,
  findings: Findings,
  provenance: Provenance,
  horizon: number,
): void {
  mkdirSync(out, { recursive: true })
  const name = `privacy-${new Date().toISOString().slice(0, 10)}`
  const results = [...findings.rules, ...findings.adopted]
  writeFileSync(join(out, `${name}.csv`), toCsv(results))
  writeFileSync(join(out, `${name}.svg`), toSvg(results, horizon))
  writeFileSync(join(out, `${name}.md`), toMarkdown(findings, provenance, `${name}.svg`))
}

function commit(): string {
  try {
    const options = { cwd: ROOT, encoding: 'utf8' } as const
    return execFileSync('git', ['describe', '--always', '--dirty'], options).trim()
  } catch {
    return 'not in a repository'
  }
}
