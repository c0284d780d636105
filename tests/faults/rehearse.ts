import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { percentiles, type Preset } from '../../daemon/testnet/index.ts'
import type { Parameters } from '../../daemon/testnet/parameters.ts'
import { seededRng } from '../../daemon/testnet/seeded-rng.ts'
import { type Rng, systemClock } from '../../src/base/index.ts'
import { check, losses, type Violation } from './checker.ts'
import { climb } from './climb.ts'
import { Recorder } from './history.ts'
import type { Hosts } from './hosts.ts'
import { Load } from './load.ts'
import { Machine } from './machine.ts'
import { Rig } from './rig.ts'

/** What the command line says about a run. What is undefined is the row's own choice. */
export interface RunOptions {
  readonly tier: 'P' | 'N'
  readonly seed: string
  readonly nodes?: number
  readonly preset?: Preset
  readonly parameters?: Parameters
  /** Messages a second. */
  readonly rate?: number
  readonly minutes?: number
  /** How often the fault is injected. */
  readonly times?: number
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

export type Verdict = 'passed' | 'failed' | 'inconclusive' | 'not run'

export interface Outcome {
  readonly verdict: Verdict
  /** Why it is not passed. */
  readonly reasons: readonly string[]
  readonly violations: readonly Violation[]
  /** What was measured, in the order of the table. */
  readonly figures: Readonly<Record<string, string | number>>
}

export interface Plan {
  readonly nodes: number
  readonly preset: Preset
  readonly parameters?: Parameters
  readonly relayed?: boolean
  /** A machine for every node; addresses of the loopback interface when undefined. */
  readonly hosts?: Hosts
  /** Ordered pairs that write; neighbours in a ring, both ways, when undefined. */
  readonly pairs?: readonly (readonly [number, number])[]
  /** Messages a second; a pair of numbers is a range, of which the highest rate is taken that the network carries. */
  readonly rate: number | readonly [from: number, to: number]
  /** Below it, before any fault, the run says nothing. */
  readonly minRate: number
  readonly warmUpMs?: number
  /** After the last fault, until everything must have ended. */
  readonly settleMs: number
  readonly readyMs?: number
  /**
   * Messages a second that `by`, or all, accepted while the faults went on; with fewer they have met an idle network, and the
   * run says nothing.
   */
  readonly inFaults?: { readonly minRate: number; readonly by?: number }
  /** In N all nodes are watched for another minute when everything has arrived. */
  readonly watchesOn?: boolean
  /** Lines of level error that the faults bring to a log. Any other is a failure. */
  readonly mayLog?: { readonly node: number; readonly lines: RegExp }
  /** Before the first start; what it returns is called after the last stop. */
  prepare?(stage: Pick<Stage, 'rig'>): Promise<() => Promise<void>>
  /** When all know each other, before the first message. */
  beforehand?(stage: Pick<Stage, 'rig'>): Promise<void>
  /** Does the damage. Figures that it returns join the table; broken limits of its own it names in `wrong`. */
  faults(stage: Stage): Promise<Readonly<Record<string, string | number>>>
  /** When all has settled and every node still runs: what shows only then. As `faults`. */
  afterwards?(stage: Stage): Promise<Readonly<Record<string, string | number>>>
}

export interface Stage {
  readonly rig: Rig
  readonly load: Load
  readonly rng: Rng
  /** What must not be, and the checker does not know of. */
  readonly wrong: string[]
  /** Limits of time that were missed: on a machine that others used they show nothing. */
  readonly late: string[]
  /** What could not be decided; nothing of it may be left in a run that passes. */
  readonly unsure: string[]
  /** Waits, unless the run is interrupted. */
  sleep(ms: number): Promise<void>
}

const WARM_UP_MS = 10_000
/** More than that, and limits of time mean nothing. */
const MAX_OTHERS = 0.15
const LOOK_MS = 1_000
/** The hot window is reconciled once a minute: what that brings once more comes by then. */
const WATCH_MS = 70_000
const READY_MS = 2_000
/** Violations that are told in words; the rest is counted. */
const SHOWN = 10

/** Neighbours in a ring, both ways. */
export function ringPairs(nodes: number): (readonly [number, number])[] {
  return Array.from({ length: nodes }, (_, i) => i).flatMap((i): [number, number][] => {
    const next = (i + 1) % nodes
    return [
      [i, next],
      [next, i],
    ]
  })
}

/** One scenario on a fresh testnet, from its first start to the verdict of the checker. */
export async function rehearse(options: RunOptions, plan: Plan): Promise<Outcome> {
  const dir = mkdtempSync(join(tmpdir(), 'hf-'))
  const recorder = new Recorder()
  const { progress, signal, seed } = options
  const parameters = options.parameters ?? plan.parameters
  const rig = new Rig(
    { recorder },
    {
      dir,
      nodes: plan.nodes,
      preset: plan.preset,
      ...(parameters === undefined ? {} : { parameters }),
      seed,
      relayed: plan.relayed === true,
      ...(plan.hosts === undefined ? {} : { hosts: plan.hosts }),
      progress,
      signal,
      ...(plan.mayLog === undefined ? {} : { mayLog: plan.mayLog }),
    },
  )
  const pairs = plan.pairs ?? ringPairs(plan.nodes)
  const [from, to] = typeof plan.rate === 'number' ? [plan.rate] : plan.rate
  const load = new Load({ rig }, { pairs, rate: from })
  const machine = new Machine({ pids: () => rig.pids() })
  let cleanUp: (() => Promise<void>) | undefined
  let looks: NodeJS.Timeout | undefined
  try {
    await rig.plan()
    cleanUp = await plan.prepare?.({ rig })
    await rig.up()
    await rig.befriend(unordered(pairs))
    await plan.beforehand?.({ rig })
    await load.start()
    const wrong: string[] = []
    const late: string[] = []
    const unsure: string[] = []
    machine.start()
    looks = setInterval(() => machine.look(), LOOK_MS)
    const sleep = (ms: number) => systemClock.sleep(ms, signal)
    const now = () => performance.now()
    const carried =
      to === undefined
        ? undefined
        : await climb({ recorder, load, now, sleep, progress }, { from, to })
    const rate = await rateOf(recorder, plan.warmUpMs ?? WARM_UP_MS, { progress, sleep })
    if (carried === 0) unsure.push(`not even ${from} messages a second were carried`)
    const waiting = recorder.open.length
    const rng = seededRng(`faults/${seed}`)
    const stage = { rig, load, rng, wrong, late, unsure, sleep }
    const begun = performance.now()
    const inFaults = await plan.faults(stage)
    progress('no new messages')
    const calm = performance.now()
    const { minRate = 0, by } = plan.inFaults ?? {}
    const during = rateBetween(recorder, { from: begun, to: calm, by })
    if (during < minRate) {
      unsure.push(`${during.toFixed(1)} messages a second in the faults, fewer than ${minRate}`)
    }
    await load.stopSending()
    const settled = await load.settled(plan.settleMs, signal)
    const settledMs = performance.now() - calm
    const { asked, answered } = await load.askAgain()
    if (answered < asked) wrong.push(`${asked - answered} of ${asked} keys have no answer any more`)
    const { others } = machine
    if (options.tier === 'N' && plan.watchesOn === true) {
      progress('looking for what comes twice')
      await sleep(WATCH_MS)
    }
    await load.finish()
    const found = carried === undefined ? {} : { 'highest rate carried, messages/s': carried }
    const measured = {
      'messages/s in the faults': Number(during.toFixed(1)),
      'asked for again under their keys': asked,
      ...found,
      ...inFaults,
      ...(await plan.afterwards?.(stage)),
    }
    await rig.down()
    return judge(recorder, plan, {
      rate,
      waiting,
      wrong,
      late,
      unsure,
      settled,
      settledMs,
      measured,
      others,
    })
  } catch (error) {
    rig.lookForCrashes()
    keep(recorder)
    throw error
  } finally {
    clearInterval(looks)
    // First the daemons: a client of one that stands still waits for ever.
    await rig.abandon()
    await load.abort()
    await cleanUp?.()
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
}

interface Seen {
  /** Accepted messages a second before the first fault. */
  readonly rate: number
  /** Of them on their way or unconfirmed at that moment: steady when the network carries the rate. */
  readonly waiting: number
  readonly wrong: readonly string[]
  readonly late: readonly string[]
  readonly unsure: readonly string[]
  readonly settled: boolean
  readonly settledMs: number
  /** Share of the processors that other programs used. */
  readonly others: number
  readonly measured: Readonly<Record<string, string | number>>
}

function judge(recorder: Recorder, plan: Plan, seen: Seen): Outcome {
  const violations = check(recorder, { readyMs: plan.readyMs ?? READY_MS })
  const { rate, late, unsure, settled, others } = seen
  // A fault that is over is no reason to give anything up: days are left until it expires.
  const { reported } = losses(recorder)
  const wrong = [...seen.wrong, ...(reported === 0 ? [] : [`${reported} messages were given up`])]
  const busy = others > MAX_OTHERS
  const reasons = [
    ...(settled ? [] : [`${recorder.open.length} messages have no end after the settling time`]),
    ...wrong,
    ...late,
    ...violations.slice(0, SHOWN).map(({ promise, what }) => `${promise}: ${what}`),
    ...(violations.length > SHOWN ? [`and ${violations.length - SHOWN} violations more`] : []),
  ]
  const slow = rate < plan.minRate
  const guard = `${rate.toFixed(1)} messages a second before the faults, fewer than ${plan.minRate}`
  const crowd = `other programs used ${(100 * others).toFixed(0)} % of the processors`
  // Late is not lost: what only took too long on a machine that was not ours alone shows nothing.
  const onlyLate =
    settled && wrong.length === 0 && violations.every(({ promise }) => promise === 'G')
  const failed = reasons.length > 0 && !(busy && onlyLate)
  if (failed) keep(recorder)
  const inconclusive = slow || unsure.length > 0 || reasons.length > 0
  return {
    verdict: failed ? 'failed' : inconclusive ? 'inconclusive' : 'passed',
    reasons: [
      ...reasons,
      ...unsure,
      ...(slow ? [guard] : []),
      ...(busy && inconclusive ? [crowd] : []),
    ],
    violations,
    figures: figures(recorder, seen),
  }
}

function figures(recorder: Recorder, { rate, waiting, settledMs, measured, others }: Seen) {
  const { accepted, delivered, lost, gone, reported, duplicates } = losses(recorder)
  const calledAt = new Map(recorder.sends.map((send) => [send.text, send.calledAt]))
  const latencies = recorder.events.flatMap(({ type, text, at }) => {
    const called = type === 'message.received' ? calledAt.get(text) : undefined
    return called === undefined ? [] : [at - called]
  })
  const latency = percentiles(latencies)
  const ready = percentiles(recorder.recoveries.map(({ readyMs }) => readyMs))
  return {
    'messages/s before faults': Number(rate.toFixed(1)),
    'on their way at that rate': waiting,
    accepted,
    delivered,
    lost,
    'reported as expired or failed': reported,
    ...(recorder.returns.length === 0 ? {} : { 'forgotten with the old copy': gone }),
    duplicates,
    'events read': recorder.events.length,
    'send to arrival p50, ms': latency.p50 ?? '-',
    'send to arrival p99, ms': latency.p99 ?? '-',
    ...(recorder.recoveries.length === 0
      ? {}
      : {
          starts: recorder.recoveries.length,
          'ready p50, ms': ready.p50 ?? '-',
          'ready p99, ms': ready.p99 ?? '-',
        }),
    'all ended after the last send, s': Number((settledMs / 1000).toFixed(1)),
    ...measured,
    cores: availableParallelism(),
    'used by other programs, %': Math.round(100 * others),
  }
}

function rateBetween(
  { sends }: Recorder,
  { from, to, by }: { from: number; to: number; by: number | undefined },
): number {
  const within = sends.filter(
    (send) =>
      (send.acceptedAt ?? 0) >= from &&
      (send.acceptedAt ?? 0) < to &&
      (by === undefined || send.from === by),
  )
  return (1_000 * within.length) / Math.max(1, to - from)
}

async function rateOf(
  recorder: Recorder,
  ms: number,
  { progress, sleep }: { progress: (text: string) => void; sleep: (ms: number) => Promise<void> },
): Promise<number> {
  progress('warming up')
  await sleep(ms)
  const since = performance.now() - ms / 2
  const recent = recorder.sends.filter(({ acceptedAt }) => (acceptedAt ?? 0) >= since).length
  return recent / (ms / 2000)
}

/** Every record of a failed run, so that it can be looked at: one JSON value a line. */
function keep(recorder: Recorder): void {
  const file = join(tmpdir(), `hearsay-faults-${process.pid}.ndjson`)
  const lines = [
    ...recorder.faults.map((each) => ({ is: 'fault', ...each })),
    ...recorder.recoveries.map((each) => ({ is: 'start', ...each })),
    ...recorder.sends.map((each) => ({ is: 'send', ...each })),
    ...recorder.events.map((each) => ({ is: 'event', ...each })),
    ...recorder.errors.map((each) => ({ is: 'error', ...each })),
    ...recorder.crashes.map((each) => ({ is: 'crash', ...each })),
    ...recorder.returns.map((each) => ({ is: 'return', ...each })),
    ...recorder.presence.map((each) => ({ is: 'presence', ...each })),
    ...recorder.health.map((each) => ({ is: 'health', ...each })),
    ...[...recorder.lists].flatMap(([node, list]) =>
      list.map((each) => ({ is: 'listed', node, ...each })),
    ),
  ]
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  process.stderr.write(`the history of the failed run is in ${file}\n`)
}

function unordered(pairs: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const seen = new Map<string, readonly [number, number]>()
  for (const [a, b] of pairs) seen.set([a, b].toSorted((x, y) => x - y).join('/'), [a, b])
  return [...seen.values()]
}

/** The outcome of a row that this machine cannot run. */
export function impossible(reason: string): Outcome {
  return { verdict: 'not run', reasons: [reason], violations: [], figures: {} }
}
