import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pair } from '../../../daemon/testnet/contacts.ts'
import type { Preset } from '../../../daemon/testnet/index.ts'
import { nodeHome } from '../../../daemon/testnet/layout.ts'
import type { Parameters } from '../../../daemon/testnet/parameters.ts'
import type { Network } from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import type { Emission, Grid, Phase, Trace } from '../analysis/trace.ts'
import { machineMs } from './machine-clock.ts'
import { TRACE_FILE, withLiveNetwork } from './network.ts'
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
  readonly grid: Grid
  readonly publishEvery: number
  readonly phases: readonly Phase[]
  readonly trace: Trace
  readonly emissions: readonly (Emission & { readonly kind: string; readonly dueAt: number })[]
  readonly publications: readonly number[]
  readonly seconds: readonly (Extract<TapLine, { is: 'second' }> & { readonly node: number })[]
  readonly looks: readonly Look[]
  readonly sent: number
  /** Connections that the relay did not see, or whose maker it did not know. */
  readonly unseen: readonly string[]
}

const PHASE_MS = 20_000
const PAUSE_MS = 12_000
const MARGIN_MS = 10_000
/** After the last key exchange. */
const SETTLE_MS = 15_000
const PROGRESS_MS = 5_000

/** Runs a fresh testnet through phases of idleness and of load. */
export function observe(options: ObserveOptions): Promise<Observation> {
  return withLiveNetwork(
    { ...options, observed: true },
    async (net) => {
      const { peers, network } = net
      await net.befriend(
        peers.flatMap((a) => peers.flatMap((b): Pair[] => (a.index < b.index ? [[a, b]] : []))),
      )
      const { mixing } = await peers[0]!.rpc.call('node.status')
      const workload = new Workload({
        peers,
        rng: seededRng(`${options.seed}/load`),
        now: machineMs,
      })
      const originMs = network.createdAt - net.wallOffset()
      const phases = schedule(seededRng(`${options.seed}/phases`), {
        from: machineMs() + SETTLE_MS,
        epochOrigin: originMs,
        epochMs: network.parameters.layerEpochMs,
        pairs: options.pairs,
        phaseMs: PHASE_MS,
        pauseMs: PAUSE_MS,
        marginMs: MARGIN_MS,
      })
      const unseen = new Set<string>()
      const ended = new AbortController()
      const users = workload.run(AbortSignal.any([ended.signal, options.signal]))
      // A daemon that fails ends the run at the next look.
      let failure: unknown
      users.catch((error: unknown) => {
        failure = error
      })
      for (const [i, { busy, from, to }] of phases.entries()) {
        await until(from - PAUSE_MS, options.signal)
        workload.busy = busy && options.load
        while (machineMs() < to) {
          if (failure !== undefined) throw failure
          for (const each of net.capture?.bypasses() ?? []) unseen.add(each)
          const left = Math.round(((phases.at(-1)?.to ?? 0) - machineMs()) / 1_000)
          options.progress(`phase ${i + 1} of ${phases.length}, ${left} s left`)
          await until(Math.min(to, machineMs() + PROGRESS_MS), options.signal)
        }
        workload.busy = false
      }
      ended.abort()
      await users
      // The nodes write their last second.
      await until(machineMs() + 2_000, options.signal)
      const { publishEvery } = mixing
      const { looks, sent } = workload
      return { network, originMs, publishEvery, phases, looks, sent, unseen: [...unseen] }
    },
    (dir, run, strangers) => {
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
      const unknown = strangers > 0 ? [`${strangers} connections of an unknown process`] : []
      return {
        nodes: options.nodes,
        network: run.network,
        grid: { originMs: run.originMs, slotMs: run.network.parameters.slotMs },
        publishEvery: run.publishEvery,
        phases: run.phases,
        trace: readTrace(join(dir, TRACE_FILE)),
        emissions: all.flatMap((line) =>
          line.is === 'own' ? [{ ...line, to: nodeOf.get(line.to) ?? -1 }] : [],
        ),
        publications: all
          .flatMap((line) => (line.is === 'publication' ? [line.at] : []))
          .toSorted((a, b) => a - b),
        seconds: all.flatMap((line) => (line.is === 'second' ? [line] : [])),
        looks: run.looks,
        sent: run.sent,
        unseen: [...run.unseen, ...unknown],
      }
    },
  )
}

async function until(at: number, signal: AbortSignal): Promise<void> {
  const left = at - machineMs()
  if (left > 0) await sleep(left, undefined, { signal })
}
