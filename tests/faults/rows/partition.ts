import { changeLinks, parsePartition, percentiles } from '../../../daemon/testnet/index.ts'
import { uniformInt } from '../../../src/base/index.ts'
import { cutOff, HealthWatch, toldAfter, wellSince } from '../health.ts'
import {
  AROUND_MS,
  type Extent,
  rehearse,
  type RunOptions,
  type Stage,
  WATCH_MS,
} from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

/** After the heal, until all that was sent before it must have arrived. */
const HEALED_MS = 120_000
/** The same of 99 in a hundred. */
const MOST_HEALED_MS = 60_000
const PAUSE_MS = 10_000
const DEFAULT_MINUTES = 0.5
/** Within this time a node that lost half of the others says so. */
const TOLD_MS = 20_000
/** The scoreboard's; a steady rate of 33 is measured as a little more or less. */
const MIN_RATE = 30
/** A cut stops nobody from sending. */
const MIN_RATE_IN_FAULTS = 25
/** From the heal until what was sent before it is there: as measured. */
const HEALS_MS = 35_000

interface Cut {
  /** Milliseconds from the heal to the arrival of what was sent before it and came after it. */
  readonly after: readonly number[]
  /** Milliseconds from the cut until the status of each node that lost half of the others said so. */
  readonly told: readonly number[]
  /** Milliseconds from the heal until no status named anything any more. */
  readonly wellMs: number
}

export function partitionMs(extent: Extent): number {
  const { tier, minutes = DEFAULT_MINUTES } = extent
  const cuts = kinds(extent, '0').length
  const pauses = (cuts - 1) * PAUSE_MS
  const watch = tier === 'N' ? WATCH_MS : 0
  return AROUND_MS + cuts * (minutes * 60_000 + HEALS_MS) + pauses + watch
}

/**
 * R7: the network is cut in two, one way, around one node, and into a ring, under load. What was sent arrives after the
 * heal, and whoever is cut off says so in its status until then.
 */
export function partition(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? (options.tier === 'P' ? 6 : 10)
  const ms = (options.minutes ?? DEFAULT_MINUTES) * 60_000
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    relayed: true,
    rate: options.rate ?? 33,
    minRate: MIN_RATE,
    inFaults: { minRate: MIN_RATE_IN_FAULTS },
    watchesOn: true,
    settleMs: 240_000,
    faults: async (stage) => {
      const one = String(uniformInt(stage.rng, nodes))
      const cuts = kinds(options, one)
      const all: Cut[] = []
      const { rig } = stage
      const watch = new HealthWatch({
        recorder: rig.recorder,
        connect: (node) => rig.connect(node),
      })
      watch.start(rig.state.nodes.map(({ index }) => index))
      try {
        for (const [n, words] of cuts.entries()) {
          if (n > 0) await stage.sleep(PAUSE_MS)
          all.push(await cut(stage, words, { nodes, ms }))
        }
      } finally {
        await watch.stop()
      }
      const after = all.flatMap((each) => each.after)
      const told = all.flatMap((each) => each.told)
      const { p50, p99 } = percentiles(after)
      if ((p99 ?? 0) > MOST_HEALED_MS) stage.late.push(`p99 after the heal is ${p99} ms`)
      return {
        cuts: cuts.map((words) => words.join(' ')).join('; '),
        'each, s': ms / 1000,
        'accepted before a heal, arrived after it': after.length,
        'p50 after the heal, ms': p50 ?? '-',
        'p99 after the heal, ms': p99 ?? '-',
        'status says so after p50, s': seconds(percentiles(told).p50),
        'status says so after at most, s': seconds(told.length === 0 ? null : Math.max(...told)),
        'all is well in the status after the heal, at most, s': seconds(
          Math.max(...all.map(({ wellMs }) => wellMs)),
        ),
      }
    },
  })
}

/** In P, and for as long as somebody wants, halves alone. */
function kinds({ tier, minutes }: Extent, one: string): string[][] {
  if (tier === 'P' || minutes !== undefined) return [['halves']]
  return [['halves'], ['isolate', one], ['one-way', `${one}>*`], ['ring']]
}

function seconds(ms: number | null): number | string {
  return ms === null ? '-' : Number((ms / 1000).toFixed(1))
}

/** Cuts, waits, heals, and waits again. */
async function cut(
  stage: Stage,
  words: readonly string[],
  { nodes, ms }: { nodes: number; ms: number },
): Promise<Cut> {
  const { rig, late, sleep } = stage
  const { progress } = rig.options
  const name = words.join(' ')
  const directions = parsePartition(words, nodes)
  if ((await well(stage)) === undefined) stage.unsure.push(`not all was well before "${name}"`)
  progress(`partition ${name}`)
  const cutAt = performance.now()
  await rig.links(
    name,
    changeLinks({}, directions, (faults) => ({ ...faults, down: true })),
  )
  await sleep(ms)
  const told = whoTold(stage, cutOff(directions, nodes), { name, from: cutAt })
  await rig.links('heal', {})
  const healedAt = performance.now()
  const before = new Set(
    rig.recorder.sends.flatMap(({ acceptedAt, text }) =>
      acceptedAt !== undefined && acceptedAt < healedAt ? [text] : [],
    ),
  )
  const arrived = () =>
    rig.recorder.events.filter(({ type, text }) => type === 'message.received' && before.has(text))
  const open = () => before.size - new Set(arrived().map(({ text }) => text)).size
  while (open() > 0 && performance.now() - healedAt < HEALED_MS) {
    progress(`healed; ${open()} of the messages from before are on their way`)
    await sleep(250)
  }
  if (open() > 0) late.push(`${open()} messages did not arrive ${HEALED_MS} ms after "${name}"`)
  // An event that is handed out again is no arrival.
  const firstAt = new Map(
    arrived()
      .toReversed()
      .map(({ text, at }) => [text, at]),
  )
  const after = [...firstAt.values()].flatMap((at) => (at >= healedAt ? at - healedAt : []))
  const since = await well(stage)
  if (since === undefined) late.push(`not all is well ${HEALED_MS} ms after "${name}"`)
  return { after, told, wellMs: Math.max(0, (since ?? performance.now()) - healedAt) }
}

/** Milliseconds from the cut until each of the nodes told of it; who did not is named in `wrong` or `late`. */
function whoTold(
  { rig, wrong, late }: Stage,
  nodes: readonly number[],
  { name, from }: { name: string; from: number },
): number[] {
  return nodes.flatMap((node) => {
    const until = performance.now()
    const ms = toldAfter(rig.recorder.health, { node, from, until })
    if (ms === undefined) {
      wrong.push(`the status of node ${node} says nothing of "${name}"`)
      return []
    }
    if (ms > TOLD_MS) late.push(`the status of node ${node} says after ${ms} ms that "${name}"`)
    return [ms]
  })
}

/** Waits until no status names anything. @returns since when; undefined when that takes longer than a heal may. */
async function well({ rig, sleep }: Stage): Promise<number | undefined> {
  const nodes = rig.state.nodes.map(({ index }) => index)
  const deadline = performance.now() + HEALED_MS
  for (;;) {
    const since = wellSince(rig.recorder.health, nodes)
    if (since !== undefined || performance.now() > deadline) return since
    rig.options.progress('waiting until no status names anything')
    await sleep(250)
  }
}
