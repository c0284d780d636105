import type { Preset } from '../../../daemon/testnet/index.ts'
import type { Parameters } from '../../../daemon/testnet/parameters.ts'
import { PRESETS } from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { DEFAULT_CLASSIFIER, type Sample, separate } from '../analysis/classifier.ts'
import { power } from '../analysis/planted-effects.ts'
import { type Check, checksOf, type Verdict } from './checks.ts'
import { observe, PAUSE_SLOTS, PHASE_SLOTS } from './observe.ts'
import { type Found, type Report, reportJson, reportText } from './report.ts'
import { EFFECTS, type RunSummary, summarise } from './summary.ts'

export interface JudgeOptions {
  readonly nodes: number
  readonly preset: Preset
  /** What replaces the preset's values. */
  readonly parameters: Parameters
  readonly minutes: number
  /** Runs with busy phases. */
  readonly runs: number
  readonly seed: string
  readonly command: string
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

/** A verdict in three forms. */
export interface Result {
  readonly checks: readonly Check[]
  readonly text: string
  readonly json: string
}

const EXCHANGES = 200
const TRIALS = 40
const MIN_PAIRS = 3

/** Runs the testnets one after the other and judges them. */
export async function judge(options: JudgeOptions): Promise<Result> {
  const { runs, nodes, preset, parameters, minutes, seed, command, signal } = options
  const slotMs = Number(parameters.slotMs ?? PRESETS[preset].slotMs)
  const pairMs = 2 * (PHASE_SLOTS + PAUSE_SLOTS) * slotMs
  const pairs = Math.max(MIN_PAIRS, Math.round((minutes * 60_000) / pairMs))
  const run = async (label: string, load: boolean): Promise<RunSummary> => {
    const progress = (text: string) => options.progress(`${label}: ${text}`)
    const own = {
      nodes,
      preset,
      parameters,
      pairs,
      load,
      progress,
      signal,
      seed: `${seed}/${label}`,
    }
    const observation = await observe(own)
    progress('looking at the trace …')
    const effects = load ? EFFECTS : []
    return summarise(label, observation, { rng: seededRng(`${own.seed}/effects`) }, { effects })
  }
  const control = await run('idle', false)
  const busy: RunSummary[] = []
  for (let i = 1; i <= runs; i++) busy.push(await run(`busy ${i}`, true))
  options.progress('comparing …')
  const rng = seededRng(`${seed}/judge`)
  const classifier = { ...DEFAULT_CLASSIFIER, exchanges: EXCHANGES }
  const windows = pooled(busy.map((each) => each.windows))
  const verdict: Verdict = {
    runs: busy,
    control,
    slotMs,
    separation: separate(windows, { rng }, classifier),
    controlSeparation: separate(control.windows, { rng }, classifier),
  }
  const { error } = verdict.separation
  const found = EFFECTS.map((effect, i): Found => {
    const planted = pooled(busy.map((each) => each.planted[i]!.windows))
    const powerOptions = { ...DEFAULT_CLASSIFIER, error, trials: TRIALS }
    return { effect, ...power(windows, planted, { rng }, powerOptions) }
  })
  const checks = checksOf(verdict)
  const report: Report = { ...verdict, checks, found, command, preset, parameters, nodes }
  return { checks, text: reportText(report), json: reportJson(report) }
}

/** The windows of several runs, with blocks of their own. */
function pooled(runs: readonly (readonly Sample[])[]): Sample[] {
  return runs.flatMap((windows, run) =>
    windows.map((window) => ({ ...window, block: run * 10_000 + window.block })),
  )
}
