import { type Rng, uniform } from '../base/index.ts'
import { DELAY_MEANS_MAX } from './constants.ts'

/**
 * An exponential delay, whole milliseconds: memoryless, so that a mix's departures say nothing about which of its
 * packets came first. Drawn again above `DELAY_MEANS_MAX` means (once in 20,000), so that a route has an end.
 */
export function drawDelay(rng: Rng, meanMs: number): number {
  for (;;) {
    const delay = -meanMs * Math.log(1 - uniform(rng))
    if (delay <= DELAY_MEANS_MAX * meanMs) return Math.round(delay)
  }
}
