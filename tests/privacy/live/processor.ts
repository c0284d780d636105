import { readFileSync } from 'node:fs'

/** Ticks of all processors since the machine started. Linux only. */
export interface Ticks {
  readonly idle: number
  readonly all: number
}

export function processorTicks(): Ticks {
  return parseTicks(readFileSync('/proc/stat', 'utf8'))
}

/** The first line of a /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, and two that are parts. */
export function parseTicks(text: string): Ticks {
  const [, ...ticks] = (text.split('\n')[0] ?? '').trim().split(/\s+/).slice(0, 9).map(Number)
  return {
    idle: (ticks[3] ?? 0) + (ticks[4] ?? 0),
    all: ticks.reduce((sum, each) => sum + each, 0),
  }
}
