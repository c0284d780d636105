import { type Rng, uniformInt } from '../../../src/base/index.ts'
import type { Phase } from '../analysis/trace.ts'

export interface ScheduleOptions {
  /** Machine clock: the earliest beginning, and the beginning of any epoch. */
  readonly from: number
  readonly epochOrigin: number
  readonly epochMs: number
  readonly pairs: number
  /** What is judged of a phase. */
  readonly phaseMs: number
  /** What goes before: a queue fills or empties, and the last effects of the phase before pass. */
  readonly pauseMs: number
  /** No phase is this near to the beginning or the end of an epoch, when roles and links change. */
  readonly marginMs: number
}

/**
 * Pairs of an idle and a busy phase in an order that is drawn for each pair, every pair inside one epoch if it fits:
 * what changes with the hour, the epoch or the age of the network is the same for both halves of a pair.
 */
export function schedule(rng: Rng, options: ScheduleOptions): Phase[] {
  const { from, epochOrigin, epochMs, pairs, phaseMs, pauseMs, marginMs } = options
  const step = pauseMs + phaseMs
  const fits = 2 * step + 2 * marginMs <= epochMs
  const phases: Phase[] = []
  let at = from
  for (let block = 0; block < pairs; block++) {
    const intoEpoch = (((at - epochOrigin) % epochMs) + epochMs) % epochMs
    if (fits && intoEpoch < marginMs) at += marginMs - intoEpoch
    if (fits && intoEpoch + 2 * step > epochMs - marginMs) at += epochMs - intoEpoch + marginMs
    const busyFirst = uniformInt(rng, 2) === 1
    for (const busy of [busyFirst, !busyFirst]) {
      phases.push({ busy, block, from: at + pauseMs, to: at + step })
      at += step
    }
  }
  return phases
}
