import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pair, Peer } from '../../../daemon/testnet/contacts.ts'
import type { Preset } from '../../../daemon/testnet/index.ts'
import { nodeHome } from '../../../daemon/testnet/layout.ts'
import type { Parameters } from '../../../daemon/testnet/parameters.ts'
import type { Network } from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { type Cycles, type Emission, firstAt, type Phase, type Trace } from '../analysis/trace.ts'
import { machineMs } from './machine-clock.ts'
import { TRACE_FILE, withLiveNetwork } from './network.ts'
import { STRANGER } from './relay.ts'
import { processorTicks, type Ticks } from './processor.ts'
import { schedule } from './schedule.ts'
import { readTap, type TapLine } from './tap.ts'
import { readTrace } from './trace-file.ts'
import { type Look, Workload } from './workload.ts'

export interface ObserveOptions {
  readonly nodes: number
  readonly preset: Preset
  readonly parameters?: Parameters
  readonly seed: string
  readonly pairs: number
  /** False: the phases that are called busy are idle too. */
  readonly load: boolean
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

/** A run of a testnet: what the wire showed, what the nodes themselves know, and what the users did. */
export interface Observation {
  readonly nodes: number
  readonly network: Network
  readonly cycles: Cycles
  readonly phases: readonly Phase[]
  readonly trace: Trace
  readonly emissions: readonly (Emission & { readonly kind: string; readonly dueAt: number })[]
  readonly publications: readonly number[]
  readonly seconds: readonly (Extract<TapLine, { is: 'second' }> & { readonly node: number })[]
  readonly looks: readonly Look[]
  /** What the processors did between two moments. */
  readonly ticks: readonly (Ticks & { readonly from: number; readonly to: number })[]
  readonly sent: number
  /** Connections that the relay did not see, and chunks in the judged phases of which it did not know whose. */
  readonly unseen: readonly string[]
}

/** Of these slots of a phase everything is judged. */
export const PHASE_SLOTS = 64
/** Before them, so that what waits has left. */
export const PAUSE_SLOTS = 52
const MARGIN_SLOTS = 40
/** After the last key exchange. */
const SETTLE_SLOTS = 60
const LOOK_MS = 2_000

/** Around a ring: everybody writes to two others, and no long key exchange of all with all goes before. */
function contactsOf(peers: readonly Peer[]): Pair[] {
  return peers.map((peer, i): Pair => [peer, peers[(i + 1) % peers.length] as Peer])
}

/** Runs a fresh testnet through phases of idleness and of load. */
export function observe(options: ObserveOptions): Promise<Observation> {
  return withLiveNetwork(
    { ...options, observed: true },
    async (net) => {
      const { peers, network } = net
      const pairs = contactsOf(peers)
      await net.befriend(pairs)
      const { mixing } = await peers[0]!.rpc.call('node.status')
      const workload = new Workload(
        { peers, rng: seededRng(`${options.seed}/load`), now: machineMs },
        { pairs },
      )
      const originMs = network.createdAt - net.wallOffset()
      const { slotMs, layerEpochMs } = network.parameters
      const pauseMs = PAUSE_SLOTS * slotMs
      const phases = schedule(seededRng(`${options.seed}/phases`), {
        from: machineMs() + SETTLE_SLOTS * slotMs,
        epochOrigin: originMs,
        epochMs: layerEpochMs,
        pairs: options.pairs,
        phaseMs: PHASE_SLOTS * slotMs,
        pauseMs,
        marginMs: MARGIN_SLOTS * slotMs,
      })
      const unseen = new Set<string>()
      const ticks: Observation['ticks'][number][] = []
      const ended = new AbortController()
      const broken = new AbortController()
      // A daemon that fails ends the run at once.
      const users = workload
        .run(AbortSignal.any([ended.signal, options.signal]))
        .catch((error: unknown) => broken.abort(error))
      const signal = AbortSignal.any([broken.signal, options.signal])
      for (const [i, { busy, from, to }] of phases.entries()) {
        await until(from - pauseMs, signal)
        workload.busy = busy && options.load
        while (machineMs() < to) {
          for (const each of net.capture?.bypasses() ?? []) unseen.add(each)
          const left = Math.round(((phases.at(-1)?.to ?? 0) - machineMs()) / 1_000)
          options.progress(`phase ${i + 1} of ${phases.length}, ${left} s left`)
          const [begun, before] = [machineMs(), processorTicks()]
          await until(Math.min(begun < from ? from : to, begun + LOOK_MS), signal)
          const after = processorTicks()
          ticks.push({
            from: begun,
            to: machineMs(),
            free: after.free - before.free,
            all: after.all - before.all,
          })
        }
        workload.busy = false
      }
      ended.abort()
      await users
      // The nodes write their last second.
      await until(machineMs() + 2_000, signal)
      const { publishEvery } = mixing
      const { looks, sent } = workload
      return { network, originMs, publishEvery, phases, looks, ticks, sent, unseen: [...unseen] }
    },
    (dir, run) => {
      const { slotMs, layerEpochMs } = run.network.parameters
      const taps = Array.from({ length: options.nodes }, (_, node) =>
        readTap(nodeHome(dir, node, process.env).root),
      )
      const nodeOf = new Map(
        taps.flatMap((lines, node) =>
          lines.flatMap((line): [string, number][] =>
            line.is === 'self' ? [[line.peer, node]] : [],
          ),
        ),
      )
      const all = taps.flatMap((lines, node) => lines.map((line) => ({ ...line, node })))
      const trace = readTrace(join(dir, TRACE_FILE))
      const foreign = run.phases.flatMap((phase) => strangersIn(trace, phase))
      return {
        nodes: options.nodes,
        network: run.network,
        cycles: {
          originMs: run.originMs,
          slotMs,
          slotsPerEpoch: Math.floor(layerEpochMs / slotMs),
          publishEvery: run.publishEvery,
        },
        phases: run.phases,
        trace,
        emissions: all.flatMap((line) =>
          line.is === 'own' ? [{ ...line, to: nodeOf.get(line.to) ?? -1 }] : [],
        ),
        publications: all
          .flatMap((line) => (line.is === 'publication' ? [line.at] : []))
          .toSorted((a, b) => a - b),
        seconds: all.flatMap((line) => (line.is === 'second' ? [line] : [])),
        looks: run.looks,
        ticks: run.ticks,
        sent: run.sent,
        unseen: [...run.unseen, ...foreign],
      }
    },
  )
}

function strangersIn(trace: Trace, { from, to }: Phase): string[] {
  const found: string[] = []
  for (let i = firstAt(trace, from); i < trace.at.length && trace.at[i]! < to; i++) {
    if (trace.from[i] === STRANGER || trace.to[i] === STRANGER) found.push(`${trace.bytes[i]} B`)
  }
  return found
}

async function until(at: number, signal: AbortSignal): Promise<void> {
  const left = at - machineMs()
  if (left > 0) await sleep(left, undefined, { signal })
}
