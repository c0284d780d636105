import type { Effect } from '../analysis/planted-effects.ts'
import { detectableAuc } from '../analysis/classifier.ts'
import { type Check, count, percent, tooBusy, type Verdict } from './checks.ts'
import type { Side } from './summary.ts'

/** How often a planted leak was found, and how well it separated. */
export interface Found {
  readonly effect: Effect
  readonly auc: number
  readonly found: number
}

export interface Report extends Verdict {
  readonly command: string
  readonly checks: readonly Check[]
  readonly found: readonly Found[]
  readonly preset: string
  readonly parameters: Readonly<Record<string, string | number>>
  readonly nodes: number
}

const MARKS = new Map([
  [true, 'passed'],
  [false, '**failed**'],
  [undefined, 'inconclusive'],
])

/** The whole result for people, in Markdown. */
export function reportText(report: Report): string {
  const { checks, separation, runs, control, preset, nodes, slotMs, command } = report
  const replaced = Object.entries(report.parameters).map((entry) => entry.join(' '))
  const network = [`\`${preset}\``, ...replaced].join(', ')
  const sides = [...runs, control].flatMap(({ idle, busy }) => [idle, busy])
  const busy = tooBusy(report)
  return [
    `Command: \`${command}\``,
    '',
    `Preset ${network}; ${nodes} daemons, slots of ${slotMs} ms; ${count(sides).toLocaleString('en')} node-slots judged: ` +
      `${runs.length} runs with idle and busy phases in a drawn order, one run that is idle throughout as control.`,
    ...(busy === undefined ? [] : ['', `Inconclusive in time: ${busy}.`]),
    '',
    table(
      ['check', 'rule', 'figure', ''],
      checks.map(({ name, rule, figure, passed }) => [name, rule, figure, MARKS.get(passed) ?? '']),
    ),
    '',
    'What would have been found:',
    '',
    `- Moments in the slot: a delay of all packets by ${most(runs.map(({ moments }) => moments.detectableMs))} ms in one run.`,
    `- Classifier: an AUC of ${detectableAuc(separation.error, 0.8).toFixed(3)} with probability 0.8, of ` +
      `${detectableAuc(separation.error, 0.95).toFixed(3)} with 0.95 (${separation.windows} windows in ${separation.blocks} blocks).`,
    '- Leaks planted into these traces, and how often the classifier found them:',
    '',
    table(
      ['planted in busy phases', 'AUC', 'found'],
      report.found.map(({ effect, auc, found }) => [
        effectText(effect),
        auc.toFixed(3),
        percent(found),
      ]),
    ),
    '',
    'By run. Their bytes are not compared with each other: how often gossip tells somebody what it knows follows from the ' +
      'mesh, which is another in every network. Idle and busy phases of one run share it.',
    '',
    table(
      [
        'run',
        'phases',
        'late p50',
        'late p99',
        'left its slot late',
        'kB/s',
        'frames/s',
        'free processor',
      ],
      [...runs, control].flatMap((run) => [
        [run.label, 'idle', ...sideRow(run.idle)],
        ['', run === control ? 'idle, called busy' : 'busy', ...sideRow(run.busy)],
      ]),
    ),
    '',
  ].join('\n')
}

/** The same for programs; without the windows. */
export function reportJson(report: Report): string {
  const runs = [...report.runs, report.control].map(
    ({ windows: _windows, planted: _planted, idle, busy, ...run }) => ({
      ...run,
      idle: withoutMoments(idle),
      busy: withoutMoments(busy),
    }),
  )
  const {
    checks,
    separation,
    controlSeparation,
    found,
    preset,
    parameters,
    nodes,
    slotMs,
    command,
  } = report
  return `${JSON.stringify(
    {
      command,
      preset,
      parameters,
      nodes,
      slotMs,
      checks,
      separation,
      controlSeparation,
      found,
      runs,
    },
    undefined,
    2,
  )}\n`
}

function withoutMoments({ cadence: { moments: _moments, ...cadence }, ...side }: Side) {
  return { ...side, cadence }
}

function sideRow({
  late,
  cadence,
  bytesPerSecond,
  framesPerSecond,
  processorFree,
}: Side): string[] {
  return [
    `${late.p50.toFixed(2)} ms`,
    `${late.p99.toFixed(1)} ms`,
    percent(cadence.strayed / cadence.nodeSlots),
    (bytesPerSecond / 1_000).toFixed(0),
    framesPerSecond.toFixed(1),
    percent(processorFree),
  ]
}

function effectText(effect: Effect): string {
  switch (effect.kind) {
    case 'late':
      return `own packets ${effect.ms} ms later`
    case 'missing':
      return `one own packet in ${effect.oneIn} left out`
    case 'chatter':
      return `${effect.bytes} bytes more on one link every ${effect.everyMs / 1_000} s`
  }
}

function most(values: readonly number[]): string {
  return Math.max(...values).toFixed(1)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}
