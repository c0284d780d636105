import { publishEvery } from '../../../src/directory/index.ts'
import type { CopyGapResult } from './copy-gap.ts'
import type { CourierNamesResult } from './courier-names.ts'
import { boundText, daysOf, wireBytes } from './rows.ts'
import type { ScenarioResult } from './run-scenario.ts'
import { linkedBoxesPerDay, TEXTS_RECEIVED_PER_DAY, TEXTS_SENT_PER_DAY } from './text-model.ts'

/** Everything that one command found out. */
export interface Findings {
  readonly adopted: readonly ScenarioResult[]
  readonly rules: readonly ScenarioResult[]
  readonly couriers: readonly CourierNamesResult[]
  readonly gaps: readonly CopyGapResult[]
}

/** Where the figures come from, `name: value`. */
export type Provenance = readonly (readonly [name: string, value: string])[]

const fixed = (value: number, digits: number) => value.toFixed(digits)
const percent = (share: number) => `${Number((share * 100).toFixed(1))} %`

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

const EVIDENCE_HEAD = ['bits per publication (max)', '5 %', 'learnt: path + replies', 'calibration']

function evidence(r: ScenarioResult): string[] {
  return [
    `${fixed(r.entropyMeanBits, 2)} (${fixed(r.maxBits, 2)})`,
    fixed(r.entropyP5Bits, 2),
    `${fixed(r.bitsOfPath, 3)} + ${fixed(r.bitsOfReply, 3)}`,
    `${fixed(r.meanTruth, 4)} / ${fixed(r.meanSquares, 4)}`,
  ]
}

function named(r: ScenarioResult): string[] {
  return [
    `**${boundText(r.linkedMedian)}** (${boundText(r.linkedP10)})`,
    `${boundText(r.linkedMedian, daysOf)} (${boundText(r.linkedP10, daysOf)})`,
  ]
}

function adoptedTable(results: readonly ScenarioResult[]): string {
  const head = ['preset', 'nodes', 'corrupt', 'mixes', 'linked boxes (10 %)', 'days (10 %)']
  const rows = results.map((r) => [
    r.scenario.preset,
    String(r.scenario.nodes),
    percent(r.scenario.corrupt),
    fixed(r.mixesMean, 0),
    ...named(r),
    ...evidence(r),
  ])
  return table([...head, ...EVIDENCE_HEAD], rows)
}

function rulesTable(results: readonly ScenarioResult[]): string {
  const rows = results.map((r) => [
    r.scenario.label,
    String(r.scenario.nodes),
    percent(r.scenario.corrupt),
    named(r)[0] as string,
    ...evidence(r),
  ])
  return table(['rules', 'nodes', 'corrupt', 'linked boxes (10 %)', ...EVIDENCE_HEAD], rows)
}

function cycleSeconds({ scenario: { nodes, parameters } }: ScenarioResult): number {
  return (publishEvery(nodes, parameters) * parameters.slotMs) / 1_000
}

function costTable(results: readonly ScenarioResult[]): string {
  const rows = results
    .filter(({ scenario }) => scenario.corrupt === 0)
    .map((r) => [
      r.scenario.preset,
      String(r.scenario.nodes),
      `${fixed(r.routeP50Ms / 1_000, 1)} / ${fixed(r.routeP95Ms / 1_000, 1)}`,
      fixed(cycleSeconds(r), 0),
      String(wireBytes(r)),
      fixed((r.packetsPerNode * wireBytes(r)) / 1_000, 1),
      fixed((r.packetsPerMix * wireBytes(r)) / 1_000, 1),
    ])
  const head = ['preset', 'nodes', 'route p50 / p95, s', 'cycle, s', 'frame, B']
  return table([...head, 'upload per node, kB/s', 'per mix, kB/s'], rows)
}

function courierTable(results: readonly CourierNamesResult[]): string {
  const rows = results.map(({ options, ...r }) => [
    options.rule === 'drawn' ? 'as drawn by a node' : 'control: own node left out',
    String(options.nodes),
    String(options.nodesPerNet),
    String(options.boxes),
    `${fixed(r.meanRank, 3)} ± ${fixed(r.rankMargin, 3)}`,
    `${fixed(r.meanPosterior, 4)} (${fixed(r.chance, 4)})`,
    `${r.named} of ${r.trials}`,
  ])
  const head = ['routes', 'nodes', 'nodes per /16', 'boxes', 'rank of the sender (chance 0.5)']
  return table([...head, 'its posterior (chance)', 'named'], rows)
}

function gapTable(results: readonly CopyGapResult[]): string {
  const rows = results.map((r) => [
    r.options.rule === 'next-cycle' ? 'in the next cycle' : 'behind what waits (not adopted)',
    boundText({ value: r.boxesMedian, censored: r.censored }),
  ])
  return table(['second copy', 'linked boxes until a contact tells busy from idle'], rows)
}

/** What the terminal shows. */
export function toText({ adopted, rules, couriers, gaps }: Findings): string {
  const parts = [
    adopted.length > 0 ? [adoptedTable(adopted), costTable(adopted)] : [],
    rules.length > 0 ? [rulesTable(rules)] : [],
    couriers.length > 0 ? [courierTable(couriers)] : [],
    gaps.length > 0 ? [gapTable(gaps)] : [],
  ]
  return `${parts.flat().join('\n\n')}\n`
}

/** The report as Markdown. */
export function toMarkdown(findings: Findings, provenance: Provenance, plot: string): string {
  const { adopted, rules, couriers, gaps } = findings
  const day = `${TEXTS_SENT_PER_DAY} texts sent and ${TEXTS_RECEIVED_PER_DAY} received a day`
  const parts = [
    '# How long a linked stream stays anonymous',
    provenance.map(([name, value]) => `    ${name.padEnd(9)}${value}`).join('\n'),
    'Simulated with the routes, delays, slots, elections and presets of the code. The model, the adversary and what' +
      ' it does not cover: `tests/sim/privacy/README.md`. Figures are medians over the victims, in brackets the 10th' +
      ' percentile; `>` means that the simulation ended there.',
    `![linked boxes until the sender is named](${plot})`,
    '## The presets as shipped',
    `The contact links all boxes of the victim: ${day}, ${fixed(linkedBoxesPerDay(), 0)} boxes.`,
    adoptedTable(adopted),
    'Bits per publication are those of the sender given one publication; "learnt" is the mean of' +
      ' log2(p(sender) · candidates), by the way of the request and by the replies. Calibration: mean p(sender) and' +
      ' mean Σp², equal when the adversary is neither too sure nor too modest.',
    '## What each rule is worth',
    rulesTable(rules),
    '## Latency and cost',
    'From the packet’s moment to the publication, without the wait for the cycle. Upload counts mix frames only, no' +
      ' gossip and no headers of the link.',
    costTable(adopted),
    '## A contact who sees only couriers',
    'It knows the election and the rule of routes, and the courier of every copy of every linked box. Senders are' +
      ' nodes of the last layer.',
    courierTable(couriers),
    '## The gap between copies',
    gapTable(gaps),
  ]
  return `${parts.join('\n\n')}\n`
}
