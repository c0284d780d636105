import { parseArgs } from 'node:util'
import type { Extent } from './rehearse.ts'

/** What `npm run faults` understands. */
export const OPTIONS = {
  row: { type: 'string', multiple: true },
  seed: { type: 'string', default: '1' },
  nodes: { type: 'string' },
  preset: { type: 'string' },
  param: { type: 'string', multiple: true },
  rate: { type: 'string' },
  minutes: { type: 'string' },
  times: { type: 'string' },
  /** Write the result into docs/results/faults and RELIABILITY.md. */
  keep: { type: 'boolean', default: false },
} as const

/** Those that decide what a run shows: not which rows run beside it, nor the seed. */
const DECISIVE = ['minutes', 'nodes', 'param', 'preset', 'rate', 'times'] as const

/**
 * What a command asks of each of its rows, the same for all that ask the same: the tier, then the options in a fixed order.
 * `npm run faults -- N --row R7 --seed 2 --nodes 10 --minutes 2` is `N --minutes 2 --nodes 10`.
 */
export function extentText(command: string): string {
  const { values, tier } = parsed(command)
  const words = DECISIVE.flatMap((name) => {
    const all: string[] = [values[name] ?? []].flat()
    return all.toSorted().flatMap((value) => [`--${name}`, value])
  })
  return [tier, ...words].join(' ')
}

/** The same, of what decides how long a run takes. */
export function extentOf(command: string): Extent {
  const { values, tier } = parsed(command)
  const { nodes, minutes, times } = values
  return {
    tier: tier === 'N' ? 'N' : 'P',
    ...(nodes === undefined ? {} : { nodes: Number(nodes) }),
    ...(minutes === undefined ? {} : { minutes: Number(minutes) }),
    ...(times === undefined ? {} : { times: Number(times) }),
  }
}

function parsed(command: string) {
  const [, words = ''] = /^npm run faults -- ?(.*)$/.exec(command) ?? []
  const args = words.split(/\s+/).filter((word) => word !== '')
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: OPTIONS })
  const [tier = 'P'] = positionals
  return { values, tier }
}
