import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchResult } from './box.ts'
import { canPin, Child, rounded } from './mix-child.ts'
import type { handlers, Peer, RelayState } from './mix-relay-node.ts'

type Node = Child<typeof handlers>

const FILE = './mix-relay-node.ts'
/** Two cores: the relay has one for itself, with all its threads. */
const [RELAY_CORE, OTHER_CORE] = [0, 1]
/** Mixes that it relays to, in one process. */
const NEXT_LAYER = 4
const WARM_UP = 10_000
const SATURATED = 20_000
const PACED = 5_000
const PACE_PER_SECOND = 500
const TARGET_PER_SECOND = 2_000
/** All delays of what was sent are over: ten means and what the disk takes. */
const DRAIN_MS = 6_000
const SAMPLE_MS = 250
/** The delays of the first packets: until then fewer leave than come. */
const RAMP_MS = 2_000
const READY_MS = 30_000

interface Sample {
  readonly at: number
  readonly taken: number
  readonly state: RelayState
}

/** Looks at sink and relay while `busy` goes on, and once more at its end. */
async function sampled(relay: Node, sink: Node, busy: Promise<void>): Promise<Sample[]> {
  const samples: Sample[] = []
  const look = async () => {
    const [taken, state] = await Promise.all([
      sink.call('taken', undefined),
      relay.call('state', undefined),
    ])
    samples.push({ at: performance.now(), taken, state })
  }
  let isOver = false
  const over = busy.finally(() => {
    isOver = true
  })
  while (!isOver) {
    await look()
    await Promise.race([over, sleep(SAMPLE_MS)])
  }
  await over
  await look()
  return samples
}

const relayedBy = ({ state }: Sample): number => state.counts.relayed ?? 0

function between(first: Sample, last: Sample) {
  const packets = relayedBy(last) - relayedBy(first)
  return {
    packets,
    perSecond: (packets * 1000) / (last.at - first.at),
    cpuUs: ((last.state.cpuMs - first.state.cpuMs) * 1000) / packets,
  }
}

/** From the end of the ramp to the last packet that the source handed over. */
function steady(samples: readonly Sample[]): { first: Sample; last: Sample } {
  const [begin] = samples
  const last = samples.at(-1)
  const first = samples.find(({ at }) => begin !== undefined && at >= begin.at + RAMP_MS)
  if (first === undefined || last === undefined || first === last) {
    throw new Error('too short to measure')
  }
  return { first, last }
}

function lost({ counts }: RelayState): number {
  const { relayed: _, sent: __, 'not-sent': ___, ...others } = counts
  return Object.values(others).reduce((sum, count) => sum + count, 0)
}

async function run(source: Node, relay: Node, sink: Node, dir: string): Promise<BenchResult[]> {
  const [from] = await source.call('listen', { host: 1, nodes: 1 })
  const sinks = await sink.call('listen', { host: 3, nodes: NEXT_LAYER })
  if (from === undefined) throw new Error('no source')
  const self = await relay.call('relay', { host: 2, dir, source: from, sinks })
  const end = performance.now() + READY_MS
  while (!(await relay.call('isReady', undefined))) {
    if (performance.now() > end) throw new Error('the relay did not link')
    await sleep(100)
  }
  await source.call('wrap', { relay: self, sinks, count: WARM_UP + SATURATED + PACED })

  const peer: Peer = self
  await source.call('send', { relay: peer, count: WARM_UP })
  await sleep(DRAIN_MS)
  const before = await relay.call('state', undefined)
  const flood = await sampled(relay, sink, source.call('send', { relay: peer, count: SATURATED }))
  const saturated = steady(flood)
  await sleep(DRAIN_MS)
  const after = await relay.call('state', undefined)
  const arrived = await sink.call('taken', undefined)
  const trickle = await sampled(
    relay,
    sink,
    source.call('send', { relay: peer, count: PACED, perSecond: PACE_PER_SECOND }),
  )
  const paced = steady(trickle)

  const full = between(saturated.first, saturated.last)
  const slow = between(paced.first, paced.last)
  const own = canPin() ? 'pinned to one core with all its threads' : 'not pinned'
  const peak = Math.max(...flood.map(({ state }) => state.rssMb))
  return [
    {
      name: 'relay: packets of one node on one core',
      value: full.perSecond,
      unit: 'packets/s',
      target: TARGET_PER_SECOND,
      note: `saturated, ${own}; three processes, libp2p over loopback, tags synced to disk; ${arrived} of ${WARM_UP + SATURATED} arrived, ${lost(after)} dropped`,
    },
    {
      name: 'relay: packets per second of CPU',
      value: 1_000_000 / full.cpuUs,
      unit: 'packets/s',
      target: TARGET_PER_SECOND,
      note: 'what a free core would do: hardly depends on what else the machine does',
    },
    {
      name: 'relay: CPU per packet, saturated',
      value: rounded(full.cpuUs, 1),
      unit: 'µs',
      note: 'user and system time, all threads',
    },
    {
      name: `relay: CPU per packet at ${PACE_PER_SECOND}/s`,
      value: rounded(slow.cpuUs, 1),
      unit: 'µs',
      note: `the same, ${rounded(slow.perSecond, 0)} packets/s left; heartbeats of libp2p included`,
    },
    {
      name: `relay: memory gained by ${SATURATED} packets`,
      value: rounded(after.rssMb - before.rssMb, 1),
      unit: 'MB',
      target: 64,
      note: `RSS ${rounded(before.rssMb, 0)} MB before, at most ${rounded(peak, 0)} MB`,
    },
  ]
}

/** What one mix relays over real links. About a minute. */
export async function benchRelay(): Promise<BenchResult[]> {
  const dir = mkdtempSync(join(tmpdir(), 'hb-relay-'))
  const relay: Node = Child.start(FILE, { core: RELAY_CORE })
  const source: Node = Child.start(FILE, { core: OTHER_CORE })
  const sink: Node = Child.start(FILE, { core: OTHER_CORE })
  try {
    return await run(source, relay, sink, dir)
  } finally {
    await Promise.all([source.end(), relay.end(), sink.end()])
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.main) console.table(await benchRelay())
