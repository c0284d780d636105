import { admitsFrom } from './admission.ts'
import { CLOCK_TOLERANCE_MS } from './constants.ts'
import type { Network } from './network.ts'

/** How far the wall clock of this node is from those of others. */
export interface ClockSkew {
  /** Integer ms: positive when it is ahead of them, negative when it is behind. */
  readonly ms: number
  /** True when it may be further off: dates that were signed some time ago say no more. */
  readonly atLeast: boolean
}

/** True for one that the network does not bear: from there on what one signs is too early or too late for the other. */
export function isTooFar({ ms }: ClockSkew): boolean {
  return Math.abs(ms) > CLOCK_TOLERANCE_MS
}

/**
 * What a network file tells a clock that is behind: nobody is admitted before its operator signed it. Undefined where
 * `now` (ms) is later, or earlier by no more than the network bears. A clock that is ahead it cannot tell.
 */
export function skewByFile(network: Network, now: number): ClockSkew | undefined {
  const skew = { ms: Math.min(0, now - admitsFrom(network)), atLeast: true }
  return isTooFar(skew) ? skew : undefined
}
