import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Preset } from '../../daemon/testnet/index.ts'
import type { Parameters } from '../../daemon/testnet/parameters.ts'
import { seededRng } from '../../daemon/testnet/seeded-rng.ts'
import { type Rng, systemClock } from '../../src/base/index.ts'
import { climb } from './climb.ts'
import { Recorder } from './history.ts'
import type { Hosts } from './hosts.ts'
import { Load } from './load.ts'
import { Machine } from './machine.ts'
import { fewInFaults, type Floor, rateBetween } from './rates.ts'
import { Rig } from './rig.ts'
import { judge, type Limits, type Outcome } from './verdict.ts'

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

/** What of it decides how long a run takes. */
export type Extent = Pick<RunOptions, 'tier' | 'nodes' | 'minutes' | 'times'>

export interface Plan extends Limits {
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
  readonly warmUpMs?: number
  /** After the last fault, until everything must have ended. */
  readonly settleMs: number
  /** With fewer messages the faults have met an idle network, and the run says nothing. Undefined where none are sent then. */
  readonly inFaults: Floor | undefined
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
const LOOK_MS = 1_000
/** The hot window is reconciled once a minute: what that brings once more comes by then. */
export const WATCH_MS = 70_000
/**
 * What a run takes beside its faults: up to ten nodes of `swift` and their contacts, the warm-up, the settling, the questions
 * at the end and the stop. 44 to 51 s as measured.
 */
export const AROUND_MS = 60_000

/** All nodes but one. */
export function othersThan(victim: number, nodes: number): number[] {
  return Array.from({ length: nodes }, (_, i) => i).filter((i) => i !== victim)
}

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
    const span = { from: begun, to: calm }
    const during = rateBetween(recorder.sends, span, plan.inFaults?.by)
    unsure.push(...fewInFaults(recorder.sends, span, plan.inFaults))
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
    const outcome = judge(recorder, plan, {
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
    if (outcome.verdict === 'failed') keep(recorder)
    return outcome
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

async function rateOf(
  recorder: Recorder,
  ms: number,
  { progress, sleep }: { progress: (text: string) => void; sleep: (ms: number) => Promise<void> },
): Promise<number> {
  progress('warming up')
  await sleep(ms)
  const to = performance.now()
  return rateBetween(recorder.sends, { from: to - ms / 2, to })
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
