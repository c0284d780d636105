import { type Outcome, rehearse, ringPairs, type RunOptions, type Stage } from '../rehearse.ts'
import { type Sample, slopeOf } from '../slope.ts'
import { usageOf } from '../usage.ts'

const DEFAULT_MINUTES = 10
/** Caches fill at first: the slope is that of the rest. At most a third of a short run. */
const SETTLED_MS = 600_000
const SAMPLE_MS = 5_000
const MAX_MB_PER_HOUR = 8
const MAX_DESCRIPTORS_PER_HOUR = 20

interface Series {
  readonly rss: Sample[]
  readonly descriptors: Sample[]
}

/** R21: nothing is broken, for long, at the rate of messages that the network carries. Nothing may grow. */
export function soak(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 7
  const minutes = options.minutes ?? DEFAULT_MINUTES
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    pairs: ringPairs(nodes),
    rate: options.rate ?? 20,
    minRate: 10,
    settleMs: 240_000,
    faults: async (stage) => {
      const series = await watch(stage, minutes * 60_000)
      const rss = series.map((each) => slopeOf(each.rss))
      const open = series.map((each) => slopeOf(each.descriptors))
      const { unsure, wrong } = stage
      if (rss.some((slope) => slope === undefined)) unsure.push('too short for a slope')
      for (const [node, slope] of rss.entries()) {
        const name = `node ${node} grows by ${slope?.perHour.toFixed(1)} MB an hour`
        const between = `between ${slope?.low.toFixed(1)} and ${slope?.high.toFixed(1)}`
        if ((slope?.low ?? 0) > MAX_MB_PER_HOUR) wrong.push(`${name}, ${between}`)
        else if ((slope?.high ?? 0) > MAX_MB_PER_HOUR) unsure.push(`${name}, ${between}: longer`)
      }
      for (const [node, slope] of open.entries()) {
        if ((slope?.low ?? 0) > MAX_DESCRIPTORS_PER_HOUR) {
          wrong.push(`node ${node} opens ${slope?.perHour.toFixed(0)} descriptors an hour`)
        }
      }
      return {
        minutes,
        'RSS slope, upper bound of the worst node, MB/h': worst(rss.map((slope) => slope?.high)),
        'RSS slope of the worst node, MB/h': worst(rss.map((slope) => slope?.perHour)),
        'largest RSS, MB': worst(series.flatMap((each) => each.rss.map(({ value }) => value))),
        'descriptors slope, upper bound, 1/h': worst(open.map((slope) => slope?.high)),
      }
    },
  })
}

/** Samples of every node, without those of the first time. */
async function watch({ rig, sleep }: Stage, ms: number): Promise<Series[]> {
  const series = rig.state.nodes.map((): Series => ({ rss: [], descriptors: [] }))
  const began = performance.now()
  const from = Math.min(SETTLED_MS, ms / 3)
  for (let passed = 0; passed < ms; passed = performance.now() - began) {
    rig.options.progress(`${Math.round(passed / 1000)} of ${Math.round(ms / 1000)} s`)
    for (const { index, process: ref } of rig.state.nodes) {
      const used = ref === undefined ? undefined : usageOf(ref.pid)
      if (used === undefined || passed < from) continue
      const at = passed / 3_600_000
      series[index]?.rss.push({ at, value: used.rssMb })
      series[index]?.descriptors.push({ at, value: used.descriptors })
    }
    await sleep(SAMPLE_MS)
  }
  return series
}

function worst(values: readonly (number | undefined)[]): number | string {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? '-' : Number(Math.max(...known).toFixed(1))
}
