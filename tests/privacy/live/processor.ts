import { readFileSync } from 'node:fs'

/**
 * Ticks of all processors since the machine started; free ones are those in which they had nothing to do or only work
 * of low priority, which makes way at once. Linux only.
 */
export interface Ticks {
  readonly free: number
  readonly all: number
}

export function processorTicks(): Ticks {
  return parseTicks(readFileSync('/proc/stat', 'utf8'))
}

/** The first line of a /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, and two that are parts. */
export function parseTicks(text: string): Ticks {
  const [, ...ticks] = (text.split('\n')[0] ?? '').trim().split(/\s+/).slice(0, 9).map(Number)
  return {
    free: (ticks[1] ?? 0) + (ticks[3] ?? 0) + (ticks[4] ?? 0),
    all: ticks.reduce((sum, each) => sum + each, 0),
  }
}
