import { type Outcome, rehearse, type RunOptions } from '../rehearse.ts'

const SESSION_MS = 60_000
const ABSENCE_MS = 30_000
const DEFAULT_MINUTES = 5
/** After everybody is back, until all of it must have arrived. */
const RETURN_MS = 600_000
/** Pairs that write; setting one up takes about a hundred boxes of the network. */
const MAX_PAIRS = 10

/** R12: every node comes and goes, mixes and keepers too. */
export function churn(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 30
  const minutes = options.minutes ?? DEFAULT_MINUTES
  const half = Math.floor(nodes / 2)
  const pairs = Array.from({ length: Math.min(half, MAX_PAIRS) }, (_, i) => i)
  return rehearse(options, {
    nodes,
    preset: options.preset ?? (nodes <= 12 ? 'swift' : 'lab'),
    pairs: pairs.flatMap((i) => [[i, i + half] as const, [i + half, i] as const]),
    rate: options.rate ?? 10,
    minRate: 5,
    warmUpMs: 30_000,
    settleMs: RETURN_MS,
    // Half a dozen daemons start at the same time here: that measures the machine.
    readyMs: 30_000,
    faults: async ({ rig, wrong }) => {
      const { stops, starts, failures } = await rig.churn({
        sessionMs: SESSION_MS,
        absenceMs: ABSENCE_MS,
        forMs: minutes * 60_000,
        keep: [],
        hard: false,
      })
      wrong.push(...failures)
      return { minutes, stops, 'starts in the churn': starts }
    },
  })
}
