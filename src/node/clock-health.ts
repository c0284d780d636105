import { DAY_MS, HearsayError, HOUR_MS, MINUTE_MS } from '../base/index.ts'
import { type ClockSkew, type Network, skewByFile } from '../directory/index.ts'
import type { HealthEntry } from './api.ts'

/** What the status says of a clock that is further from the others than the network bears; nothing of any other. */
export function clockHealth(skew: ClockSkew | undefined): HealthEntry | undefined {
  if (skew === undefined) return undefined
  return {
    severity: 'error',
    code: 'CLOCK_SKEW',
    text: `${sentence(skew)}: what one says is too early or too late for the other`,
    fix: 'set the clock: timedatectl set-ntp true; if it is right, the clocks of the others are wrong',
  }
}

/** `clock-skew` with `skewMs`, positive when this machine is ahead. */
export function clockFault(skew: ClockSkew): HearsayError {
  return new HearsayError('clock-skew', sentence(skew), { skewMs: skew.ms })
}

/**
 * Refuses a network that admits nobody yet by the clock of this machine: nobody there would take what it says.
 * @throws HearsayError `clock-skew`.
 */
export function checkClock(network: Network, now: number): void {
  const skew = skewByFile(network, now)
  if (skew !== undefined) throw clockFault(skew)
}

function sentence({ ms, atLeast }: ClockSkew): string {
  const size = `${atLeast ? 'at least ' : ''}${sizeText(Math.abs(ms))}`
  return `the clock of this machine is ${size} ${ms > 0 ? 'ahead of' : 'behind'} those of other nodes`
}

/** In the largest unit of which there are two or so: less than two minutes is borne. */
function sizeText(ms: number): string {
  if (ms < 100 * MINUTE_MS) return `${Math.round(ms / MINUTE_MS)} minutes`
  if (ms < 40 * HOUR_MS) return `${Math.round(ms / HOUR_MS)} hours`
  return `${Math.round(ms / DAY_MS)} days`
}
