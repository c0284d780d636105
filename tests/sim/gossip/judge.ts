import { ksDistance } from '../../support/statistics.ts'

/**
 * Largest distance of the two distribution functions that is taken for the same. Chance makes 0.18 (in 5 of 100 cases) of
 * links whose latencies are drawn once, 56 between 8 nodes, and 20 ms of work on a machine that is in use 0.07 of
 * latencies from 100 to 400 ms. A model that is half or twice as fast is more than one and a half times as far away (unit test).
 */
export const MAX_DISTANCE = 0.25

export interface Judgement {
  readonly distance: number
  readonly ok: boolean
  /** One sentence. */
  readonly text: string
}

/** Whether the model hears as gossipsub does: hear times in milliseconds, of so many that there should be. */
export function judgeModel(
  model: readonly number[],
  gossipsub: readonly number[],
  expected: number,
): Judgement {
  const distance = ksDistance(model, gossipsub)
  const unheard = [model, gossipsub].map((times) => expected - times.length)
  const found = `the distribution functions are ${distance.toFixed(3)} apart at most`
  const ok = distance <= MAX_DISTANCE && unheard.every((count) => count === 0)
  const text = unheard.some((count) => count !== 0)
    ? `Outside: ${unheard.join(' and ')} of ${expected} were not heard, in the model and with gossipsub.`
    : `${ok ? 'Inside' : 'Outside'}: ${found}, ${MAX_DISTANCE} is allowed.`
  return { distance, ok, text }
}
