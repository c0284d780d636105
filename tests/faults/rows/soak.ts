import { seededRng } from '../../../daemon/testnet/seeded-rng.ts'
import { effectiveRate, type NetworkParameters, PRESETS } from '../../../src/directory/index.ts'
import { HEARD_STEP_MS } from '../../../src/mailbox/constants.ts'
import { addHotBoxes } from '../../support/hot-boxes.ts'
import {
  AROUND_MS,
  type Extent,
  rehearse,
  ringPairs,
  type RunOptions,
  type Stage,
} from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { growth, type Sample, slopeOf } from '../slope.ts'
import { timersOf, usageOf } from '../usage.ts'

const DEFAULT_MINUTES = 10
/** Caches fill at first: the slope is that of the rest. A third of a shorter run, which can then show no growth. */
const SETTLED_MS = 600_000
const SAMPLE_MS = 5_000
const PARTS = 10
const HOUR_MS = 3_600_000
/** Until the windows are full, as measured. */
const FILL_MS = 60_000

/** What is watched of every node, and how much of it a node may gain in an hour. */
const QUANTITIES = {
  'RSS, MB': 8,
  'RSS without mapped files, MB': 8,
  descriptors: 20,
  timers: 60,
} as const
type Quantity = keyof typeof QUANTITIES
const NAMES = Object.keys(QUANTITIES) as Quantity[]
type Series = Readonly<Record<Quantity, Sample[]>>

export function soakMs({ minutes = DEFAULT_MINUTES }: Extent): number {
  return AROUND_MS + FILL_MS + minutes * 60_000
}

/**
 * R21: nothing is broken, for long, at the rate of messages that the network carries. Nothing may grow. The window of hot
 * boxes is full from the start, as it is in any network that is older than an hour: while it fills, a node grows.
 */
export function soak(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 7
  const minutes = options.minutes ?? DEFAULT_MINUTES
  const preset = options.preset ?? 'swift'
  return rehearse(options, {
    nodes,
    preset,
    beforehand: ({ rig }) => fillWindows(rig, { ...PRESETS[preset], ...options.parameters }),
    pairs: ringPairs(nodes),
    rate: options.rate ?? 20,
    minRate: 10,
    inFaults: { minRate: 10 },
    settleMs: 240_000,
    faults: async (stage) => {
      const ms = minutes * 60_000
      const from = Math.min(SETTLED_MS, ms / 3)
      const series = await watch(stage, { ms, from })
      const isSettled = from === SETTLED_MS
      const figures = NAMES.map((name) => judge(stage, { name, series, isSettled }))
      return { minutes, ...Object.assign({}, ...figures), ...course(series) }
    },
  })
}

/** The time for which a box is hot: `hotHours`, and until its step is over. */
const hotMs = ({ hotHours }: NetworkParameters) => hotHours * HOUR_MS + HEARD_STEP_MS

/**
 * As many boxes as `nodes` nodes publish while one is hot. Not one more: a window that holds more than come empties as the
 * soak goes on, and what is freed hides what grows.
 */
export function windowOf(nodes: number, parameters: NetworkParameters): number {
  return Math.round((effectiveRate(nodes, parameters) * hotMs(parameters)) / 1_000)
}

/** The same boxes into all nodes: a full window each. */
async function fillWindows(rig: Stage['rig'], parameters: NetworkParameters): Promise<void> {
  const { ttlDays } = parameters
  const overMs = hotMs(parameters)
  const { nodes } = rig.state
  const boxes = windowOf(nodes.length, parameters)
  await Promise.all(nodes.map(({ index }) => rig.kill(index, 'SIGTERM')))
  const options = { boxes, now: Date.now(), overMs, ttlDays, kept: false }
  for (const { index, home } of nodes) {
    rig.options.progress(`${boxes} boxes for node ${index}`)
    await addHotBoxes(home, seededRng(`soak/${rig.options.seed}`), options)
  }
  await Promise.all(nodes.map(({ index }) => rig.start(index, { counted: false })))
}

function judge(
  { wrong, unsure }: Stage,
  { name, series, isSettled }: { name: Quantity; series: readonly Series[]; isSettled: boolean },
): Record<string, string | number> {
  const limit = QUANTITIES[name]
  const slopes = series.map((each) => slopeOf(each[name]))
  for (const [node, slope] of slopes.entries()) {
    const how =
      slope === undefined
        ? `too few samples of ${name} of node ${node}`
        : `node ${node}, ${name}: ${slope.perHour.toFixed(1)} more an hour, between ` +
          `${slope.low.toFixed(1)} and ${slope.high.toFixed(1)}; ${limit} is the limit`
    const found = growth(slope, limit)
    if (found === 'grows' && isSettled) wrong.push(how)
    else if (found !== 'flat') unsure.push(`${how}: longer`)
  }
  return {
    [`${name} an hour, upper bound of the worst node`]: worst(slopes.map((each) => each?.high)),
    [`${name} an hour, worst node`]: worst(slopes.map((each) => each?.perHour)),
    [`${name}, most`]: worst(series.flatMap((each) => each[name].map(({ value }) => value))),
  }
}

/** The mean of all nodes in each tenth of the time: whether it grows, or only settles. */
function course(series: readonly Series[]): Record<string, string> {
  const name = 'RSS without mapped files, MB'
  const samples = series.flatMap((each) => each[name])
  const times = samples.map(({ at }) => at)
  const [from, to] = [Math.min(...times), Math.max(...times)]
  const parts = Array.from({ length: PARTS }, (_, part) => {
    const values = samples
      .filter(
        ({ at }) => Math.min(PARTS - 1, Math.floor((PARTS * (at - from)) / (to - from))) === part,
      )
      .map(({ value }) => value)
    return (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1)
  })
  return { [`${name}, mean of the nodes in each tenth`]: parts.join(', ') }
}

/** Samples of every node, without those of the first time. */
async function watch(
  { rig, sleep }: Stage,
  { ms, from }: { ms: number; from: number },
): Promise<Series[]> {
  const series = rig.state.nodes.map(
    (): Series => ({
      'RSS, MB': [],
      'RSS without mapped files, MB': [],
      descriptors: [],
      timers: [],
    }),
  )
  const began = performance.now()
  for (let passed = 0; passed < ms; passed = performance.now() - began) {
    rig.options.progress(`${Math.round(passed / 1000)} of ${Math.round(ms / 1000)} s`)
    for (const { index, process: ref, rpc } of rig.state.nodes) {
      const used = ref === undefined ? undefined : usageOf(ref.pid)
      if (used === undefined || passed < from) continue
      const at = passed / 3_600_000
      series[index]?.['RSS, MB'].push({ at, value: used.rssMb })
      series[index]?.['RSS without mapped files, MB'].push({ at, value: used.ownMb })
      series[index]?.descriptors.push({ at, value: used.descriptors })
      series[index]?.timers.push({ at, value: await timersOf(rpc) })
    }
    await sleep(SAMPLE_MS)
  }
  return series
}

function worst(values: readonly (number | undefined)[]): number | string {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? '-' : Number(Math.max(...known).toFixed(1))
}
