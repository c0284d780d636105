import { type Rng, uniform } from '../base/index.ts'
import { OFFERS_MAX } from './constants.ts'

/** When an unacknowledged record is offered again. */
export interface OfferTimes {
  /** Usual time until an ack is back, milliseconds: two trips, settle and jitter. */
  readonly ackRoundTripMs: number
}

const GROWTH = 1.5
// Of the last offer.
const LONGEST_TRIPS = 2 * 2 * GROWTH ** (OFFERS_MAX - 1)

/**
 * The delays after the first sending at which a record that stays unacknowledged goes out again in a fresh
 * box: `OFFERS_MAX` of them, growing by half, each drawn uniformly in [1, 2) of its step. They are drawn once,
 * when the record was first sent, so that nothing heard later can move them (a reaction to gossip would tell
 * an observer which boxes belong together).
 */
export function drawOffers(rng: Rng, times: OfferTimes): number[] {
  const offers: number[] = []
  let step = times.ackRoundTripMs * 2
  for (let i = 0; i < OFFERS_MAX; i++) {
    offers.push(Math.round(step * (1 + uniform(rng))))
    step *= GROWTH
  }
  return offers
}

/**
 * What is left of `due` when a record goes again at `now`: its later times; those that passed before a slot came are
 * over. When the longest wait has passed since the first of them, the machine slept or its clock was put ahead, and
 * perhaps wrongly: one offer must not be the last then, and as many as are left are drawn from `now` on.
 */
export function offersLeft(
  rng: Rng,
  times: OfferTimes,
  due: readonly number[],
  now: number,
): number[] {
  const longest = times.ackRoundTripMs * LONGEST_TRIPS
  if (now - Math.min(...due) <= longest) return due.filter((at) => at > now)
  const left = due.length - 1
  return drawOffers(rng, times)
    .slice(OFFERS_MAX - left)
    .map((after) => now + after)
}
