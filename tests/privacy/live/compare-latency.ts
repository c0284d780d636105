import type { Preset } from '../../../daemon/testnet/index.ts'
import { uniform } from '../../../src/base/index.ts'
import { PREPARE_LEAD_MS } from '../../../src/mix/constants.ts'
import { quantile, simulateLatencies } from '../../sim/privacy/latency.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { ksTwoSample } from '../../support/statistics.ts'
import { ksAgainst, type LatencyModel, median, predictLatency } from '../analysis/latency.ts'
import type { Check } from './checks.ts'
import type { Result } from './judge.ts'
import { measureLatency } from './latency.ts'

export interface CompareOptions {
  readonly nodes: number
  readonly preset: Preset
  readonly seed: string
  readonly messages: number
  readonly command: string
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

/** What replaces the preset's values. */
const PARAMETERS = { mixDelayMs: 250, boxRate: 10 }
/** Measured on an idle machine: a frame's way through two daemons, a publication's way to all, two writes to a disk. */
const OVERHEAD = { linkMs: 2, gossipMs: 10, workMs: 20 }
const MEDIAN_MARGIN = 0.15
const SIGNIFICANCE = 0.01
const SIMULATED = 20_000

/** Measures a testnet and compares with the prediction and with the simulator. */
export async function compareLatency(options: CompareOptions): Promise<Result> {
  const measured = await measureLatency({ ...options, parameters: PARAMETERS })
  const { parameters, publishEvery, samples, lost } = measured
  const { slotMs, layers, mixDelayMs } = parameters
  const model: LatencyModel = {
    cycleMs: publishEvery * slotMs,
    slotMs,
    layers,
    mixDelayMs,
    prepareMs: PREPARE_LEAD_MS,
    ...OVERHEAD,
  }
  const predicted = predictLatency(model)
  const rng = seededRng(`${options.seed}/simulation`)
  const { withWait } = simulateLatencies(rng, {
    parameters,
    nodes: options.nodes,
    linkMs: [OVERHEAD.linkMs, OVERHEAD.linkMs],
    samples: SIMULATED,
  })
  const around = PREPARE_LEAD_MS + OVERHEAD.gossipMs + OVERHEAD.workMs
  const simulated = [...withWait].map((ms) => ms + around + uniform(rng) * slotMs)
  const off = median(samples) / predicted.quantile(0.5) - 1
  const agreement = ksTwoSample(simulated, samples)
  const checks: Check[] = [
    {
      name: 'every message arrived',
      rule: 'none lost',
      figure: `${lost} of ${samples.length + lost} lost`,
      passed: lost === 0,
    },
    {
      name: 'median latency against the prediction',
      rule: `within ${MEDIAN_MARGIN * 100} %`,
      figure: `${median(samples).toFixed(0)} ms against ${predicted.quantile(0.5).toFixed(0)} ms (${(off * 100).toFixed(1)} %)`,
      passed: Math.abs(off) <= MEDIAN_MARGIN,
    },
    {
      name: 'simulated and measured latencies agree',
      rule: `KS, p ≥ ${SIGNIFICANCE}`,
      figure: `p = ${agreement.toPrecision(2)}`,
      passed: agreement >= SIGNIFICANCE,
    },
  ]
  const row = (name: string, of: (share: number) => number) =>
    `| ${name} | ${[0.05, 0.5, 0.95].map((share) => of(share).toFixed(0)).join(' | ')} |`
  const text = [
    `Command: \`${options.command}\``,
    '',
    `${samples.length} single messages over ${options.nodes} daemons; ${layers} layers, mixDelayMs ${mixDelayMs}, slotMs ${slotMs}, one publication in ${publishEvery} slots.`,
    '',
    '| check | rule | figure | |',
    '|---|---|---|---|',
    ...checks.map(
      ({ name, rule, figure, passed }) =>
        `| ${name} | ${rule} | ${figure} | ${passed === true ? 'passed' : '**failed**'} |`,
    ),
    '',
    '| ms | p5 | p50 | p95 |',
    '|---|---|---|---|',
    row('measured', (share) => quantile(samples, share)),
    row('predicted', (share) => predicted.quantile(share)),
    row('simulated', (share) => quantile(simulated, share)),
    '',
    `Against the predicted distribution: p = ${ksAgainst(predicted, samples).toPrecision(2)}.`,
    '',
  ].join('\n')
  const json = { ...options, progress: undefined, signal: undefined, model, checks, samples, lost }
  return { checks, text, json: `${JSON.stringify(json, undefined, 2)}\n` }
}
