import {
  changeLinks,
  directions,
  type LinkFaults,
  NO_FAULTS,
  percentiles,
} from '../../../daemon/testnet/index.ts'
import type { PacketWire } from '../../support/packet-wire.ts'
import { onWire } from '../on-wire.ts'
import { AROUND_MS, type Extent, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

interface Profile extends Pick<LinkFaults, 'rateBps' | 'delayMs' | 'jitterMs' | 'loss'> {
  readonly name: string
}

/** From good to absurd, as iroh's tests have them; the delay is that of one direction. */
const PROFILES: readonly Profile[] = [
  { name: 'good wifi', rateBps: 100e6, delayMs: 16, jitterMs: 0, loss: 0.001 },
  { name: 'congested wifi', rateBps: 25e6, delayMs: 40, jitterMs: 12, loss: 0.01 },
  { name: 'weak 4g', rateBps: 8e6, delayMs: 90, jitterMs: 15, loss: 0.02 },
  { name: 'slow 3g', rateBps: 3e6, delayMs: 200, jitterMs: 30, loss: 0.03 },
  { name: 'congested cellular', rateBps: 1.5e6, delayMs: 300, jitterMs: 40, loss: 0.05 },
  { name: 'very bad', rateBps: 0.8e6, delayMs: 450, jitterMs: 60, loss: 0.08 },
  { name: 'satellite', rateBps: 25e6, delayMs: 600, jitterMs: 40, loss: 0.015 },
  { name: 'barely usable', rateBps: 0.5e6, delayMs: 450, jitterMs: 80, loss: 0.12 },
  { name: 'absurd', rateBps: 0.256e6, delayMs: 800, jitterMs: 150, loss: 0.25 },
]
const EACH_MS = 25_000
/** After a step, for what it sent; the next ones wait for what is late. */
const ARRIVAL_MS = 10_000
/** On clean links, until all is there: as measured. */
const SETTLES_MS = 80_000
/** The scoreboard's; messages are accepted whatever the links are. */
const MIN_RATE = 10
/** Mean packets of a loss: they come in bursts. */
const BURST = 3

export function ladderMs({ minutes }: Extent): number {
  return AROUND_MS + SETTLES_MS + PROFILES.length * (stepMs(minutes) + ARRIVAL_MS)
}

function stepMs(minutes: number | undefined): number {
  return minutes === undefined ? EACH_MS : (minutes * 60_000) / PROFILES.length
}

/** R8: all links become worse step by step. What is sent on a step must arrive, whatever that takes. */
export function ladder(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 5
  const ms = stepMs(options.minutes)
  return onWire(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 15,
    minRate: MIN_RATE,
    inFaults: { minRate: MIN_RATE },
    settleMs: 300_000,
    faults: async (stage, wire) => {
      const figures: Record<string, string> = {}
      for (const profile of PROFILES) {
        stage.rig.options.progress(`links are ${profile.name}`)
        await worsen(stage, wire, profile, nodes)
        figures[profile.name] = await step(stage, ms)
      }
      if (wire === undefined) await stage.rig.links('clean', {})
      else await stage.rig.wire('clean', wire, {})
      return figures
    },
  })
}

async function worsen(
  { rig }: Stage,
  wire: PacketWire | undefined,
  { name, ...shape }: Profile,
  nodes: number,
): Promise<void> {
  if (wire !== undefined) return rig.wire(name, wire, { ...shape, burst: BURST })
  const all = Array.from({ length: nodes }, (_, i) => i)
  const faults = { ...NO_FAULTS, ...shape }
  await rig.links(
    name,
    changeLinks({}, directions(all, all), () => faults),
  )
}

/** @returns `p50 / p99 ms, n of m`: times from sending to arrival, while the step lasted and a little longer. */
async function step({ rig, sleep }: Stage, ms: number): Promise<string> {
  const { recorder } = rig
  const first = recorder.sends.length
  await sleep(ms)
  const sends = new Map(recorder.sends.slice(first).map((send) => [send.text, send.calledAt]))
  const arrivals = () =>
    recorder.events.flatMap(({ type, text, at }) => {
      const calledAt = type === 'message.received' ? sends.get(text) : undefined
      return calledAt === undefined ? [] : [at - calledAt]
    })
  const deadline = performance.now() + ARRIVAL_MS
  while (arrivals().length < sends.size && performance.now() < deadline) await sleep(250)
  const { p50, p99 } = percentiles(arrivals())
  return `${p50 ?? '-'} / ${p99 ?? '-'} ms, ${arrivals().length} of ${sends.size}`
}
