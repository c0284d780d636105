import { availableParallelism } from 'node:os'
import { percentiles } from '../../daemon/testnet/index.ts'
import { check, losses, type Violation } from './checker.ts'
import type { Recorder } from './history.ts'

export type Verdict = 'passed' | 'failed' | 'inconclusive' | 'not run'

export interface Outcome {
  readonly verdict: Verdict
  /** Why it is not passed. */
  readonly reasons: readonly string[]
  readonly violations: readonly Violation[]
  /** What was measured, in the order of the table. */
  readonly figures: Readonly<Record<string, string | number>>
}

/** What a plan asks of a run. */
export interface Limits {
  /** Messages a second before any fault: below it the run says nothing. */
  readonly minRate: number
  /** Within so many ms a node is ready; READY_MS if undefined. */
  readonly readyMs?: number
}

/** More than that, and limits of time mean nothing. */
export const MAX_OTHERS = 0.15
const READY_MS = 2_000
/** Violations that are told in words; the rest is counted. */
const SHOWN = 10

/** What a run has seen beside its history. */
export interface Seen {
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

/**
 * A limit of time that was missed on a machine that others used shows nothing; a promise that was broken does, whoever
 * used it. What could not be decided leaves no run passed.
 */
export function judge(recorder: Recorder, plan: Limits, seen: Seen): Outcome {
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

/** The outcome of a row that this machine cannot run. */
export function impossible(reason: string): Outcome {
  return { verdict: 'not run', reasons: [reason], violations: [], figures: {} }
}
