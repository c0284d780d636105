import { losses } from '../checker.ts'
import { waits } from '../promptness.ts'
import { AROUND_MS, type Extent, rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

const SESSION_MS = 60_000
const ABSENCE_MS = 30_000
const DEFAULT_MINUTES = 4
/** Without `--minutes` as many as `swift` is for: 30 nodes of `lab` need six minutes to know each other. */
const NODES_SHORT = 12
const NODES = 30
/** From the first return of its recipient until a message must have arrived. */
const RETURN_MS = 600_000
/** Share of the messages for which that holds; the others may come later, or be reported. */
const IN_TIME = 0.999
/** Pairs that write; setting one up takes about a hundred boxes of the network. */
const MAX_PAIRS = 10
const LOOK_MS = 200
/**
 * The scoreboard's in `swift`; a steady rate of 22 is measured as a little more or less. In `lab` each of 30 nodes publishes a
 * box in 16 s, two thirds of them are there, and 18 such texts fit in a box: 20 nodes that write can publish 15 texts a
 * second at most, half of it for what has to be said again.
 */
const LOADS = { swift: { rate: 22, minRate: 20 }, lab: { rate: 5, minRate: 4 } }
const WARM_UP_MS = 30_000
/** What a run takes beside its churn: in `lab` as measured, most of it for exchanges of keys; in `swift` nobody has measured it yet. */
const AROUND = { swift: AROUND_MS + WARM_UP_MS + 90_000, lab: 550_000 }

export function churnMs({ nodes, minutes }: Extent): number {
  const around = AROUND[smallest(nodes ?? nodesFor(minutes))]
  return around + (minutes ?? DEFAULT_MINUTES) * 60_000
}

/** R12: every node comes and goes, mixes and keepers too. */
export function churn(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? nodesFor(options.minutes)
  const minutes = options.minutes ?? DEFAULT_MINUTES
  const preset = options.preset ?? smallest(nodes)
  const { rate, minRate } = LOADS[preset === 'swift' ? 'swift' : 'lab']
  const half = Math.floor(nodes / 2)
  const pairs = Array.from({ length: Math.min(half, MAX_PAIRS) }, (_, i) => i)
  return rehearse(options, {
    nodes,
    preset,
    pairs: pairs.flatMap((i) => [[i, i + half] as const, [i + half, i] as const]),
    rate: options.rate ?? rate,
    minRate,
    // A third of the nodes are away at a time.
    inFaults: { minRate: minRate / 2 },
    warmUpMs: WARM_UP_MS,
    settleMs: RETURN_MS,
    // Half a dozen daemons start at the same time here: that measures the machine.
    readyMs: 30_000,
    faults: async ({ rig, wrong }) => {
      rig.look()
      const looks = setInterval(() => rig.look(), LOOK_MS)
      try {
        const { stops, starts, failures } = await rig.churn({
          sessionMs: SESSION_MS,
          absenceMs: ABSENCE_MS,
          forMs: minutes * 60_000,
          keep: [],
          hard: false,
        })
        wrong.push(...failures)
        return { minutes, stops, 'starts in the churn': starts }
      } finally {
        clearInterval(looks)
        rig.look()
      }
    },
    afterwards: async (stage) => promptness(stage),
  })
}

function nodesFor(minutes: number | undefined): number {
  return minutes === undefined ? NODES_SHORT : NODES
}

/** The preset that is made for so many nodes on one machine. */
function smallest(nodes: number): 'swift' | 'lab' {
  return nodes <= NODES_SHORT ? 'swift' : 'lab'
}

function promptness({ rig, late }: Stage): Record<string, string | number> {
  const all = waits(rig.recorder)
  const took = all.flatMap(({ waitedMs }) => (waitedMs === undefined ? [] : [waitedMs]))
  const inTime = took.filter((ms) => ms <= RETURN_MS).length
  const share = all.length === 0 ? 0 : inTime / all.length
  const limit = `within ${RETURN_MS / 60_000} min of the recipient's return`
  if (share < IN_TIME) late.push(`${inTime} of ${all.length} messages arrived ${limit}`)
  return {
    [`${limit}, %`]: Number((Math.floor(share * 100_000) / 1_000).toFixed(3)),
    'longest wait from the return, s': Number((Math.max(0, ...took) / 1000).toFixed(1)),
    unreported: losses(rig.recorder).lost,
  }
}
