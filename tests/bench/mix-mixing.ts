import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { effectiveRate, type Network, publishEvery } from '../../src/directory/index.ts'
import { FETCH_SHARE, REQUEST_BODY_BYTES } from '../../src/mix/constants.ts'
import { frameBytes } from '../../src/mix/frame.ts'
import { sphinxGeometry } from '../../src/sphinx/index.ts'
import type { BenchResult } from './box.ts'
import { Child, mean, rounded } from './mix-child.ts'
import { linked, type NodeChild, planFleet } from './mix-fleet.ts'
import type { handlers as idleHandlers } from './mix-idle-node.ts'
import type { Usage } from './mix-node.ts'

type IdleChild = Child<typeof idleHandlers>

const NODES = 12
const LINK_MS = 120_000
/** Longer than the longest trip, and than what joining brings: dials, descriptors, first look-ups. */
const SETTLE_MS = 30_000
const MEASURED_MS = 150_000
const LENGTH_BYTES = 4

const CPU_TARGET = 6
const DEVIATION_TARGET = 5

interface Reading {
  readonly at: number
  readonly nodes: readonly Usage[]
  readonly idleCpuMs: number
}

async function read(nodes: readonly NodeChild[], idle: IdleChild): Promise<Reading> {
  const [usages, idleCpuMs] = await Promise.all([
    Promise.all(nodes.map((node) => node.call('usage', undefined))),
    idle.call('cpuMs', undefined),
  ])
  return { at: performance.now(), nodes: usages, idleCpuMs }
}

/**
 * Bytes that each node writes to mix links in a second: in each slot it originates a request, which crosses L links,
 * and causes a reply, which crosses L + 1. Slots that do not publish ask a keeper with the fetch share; the question
 * and its answer cross one more link each, unless the courier is that keeper itself.
 */
function predictedBytes({ parameters }: Network, every: number): number {
  const { layers, slotMs, suite } = parameters
  const geometry = sphinxGeometry({ suite, hops: layers, bodyBytes: REQUEST_BODY_BYTES })
  const asks = (1 - 1 / every) * FETCH_SHARE * (1 - 1 / (NODES - 1))
  const frames = layers + (layers + 1) + 2 * asks
  return (frames * (LENGTH_BYTES + frameBytes(geometry)) * 1000) / slotMs
}

function results(network: Network, before: Reading, after: Reading): BenchResult[] {
  const ms = after.at - before.at
  const share = (from: number, to: number) => (100 * (to - from)) / ms
  const cpu = after.nodes.map(({ cpuMs }, i) => share(before.nodes[i]?.cpuMs ?? 0, cpuMs))
  const idle = share(before.idleCpuMs, after.idleCpuMs)
  const bytes = after.nodes.reduce(
    (sum, { bytes: b }, i) => sum + b - (before.nodes[i]?.bytes ?? 0),
    0,
  )
  const perNode = (1000 * bytes) / ms / NODES
  const every = after.nodes[0]?.publishEvery ?? Number.NaN
  const predicted = predictedBytes(network, every)
  const connections = mean(after.nodes.map(({ connected }) => connected))
  const rate = effectiveRate(NODES, network.parameters) * network.parameters.copies
  const setting = `${NODES} processes in ${network.parameters.preset}, ${rounded(ms / 1000, 0)} s after linking`
  return [
    {
      name: 'mixing: CPU of a node',
      value: rounded(mean(cpu)),
      unit: '% of a core',
      target: CPU_TARGET,
      note: `${setting}; largest ${rounded(Math.max(...cpu))} %; ${rounded(rate, 1)} publications/s heard by all`,
    },
    {
      name: 'mixing: CPU of an idle libp2p node beside it',
      value: rounded(idle),
      unit: '% of a core',
      note: `the same protocols and ${rounded(connections, 0)} connections, nothing sent`,
    },
    {
      name: 'mixing: bytes on mix links, deviation from the prediction',
      value: rounded((100 * Math.abs(perNode - predicted)) / predicted),
      unit: '%',
      target: DEVIATION_TARGET,
      note: `${rounded(perNode / 1000, 2)} KB/s a node, predicted ${rounded(predicted / 1000, 2)}; counted at the links`,
    },
    {
      name: 'mixing: memory of a node',
      value: rounded(Math.max(...after.nodes.map(({ rssMb }) => rssMb)), 0),
      unit: 'MB',
      note: 'RSS, the largest',
    },
  ]
}

/** What taking part costs in the default preset when nobody writes. About four minutes. */
export async function benchMixing(): Promise<BenchResult[]> {
  const dir = mkdtempSync(join(tmpdir(), 'hb-mixing-'))
  const plan = await planFleet({
    nodes: NODES,
    preset: 'balanced',
    second: 63,
    dirOf: (index) => join(dir, `node-${index}`),
  })
  const nodes: NodeChild[] = plan.nodes.map(() => Child.start('./mix-node.ts'))
  const idle: IdleChild = Child.start('./mix-idle-node.ts')
  const quiet: IdleChild = Child.start('./mix-idle-node.ts')
  try {
    for (const [index, node] of nodes.entries()) {
      await node.call('start', { plans: plan.nodes.slice(index, index + 1), file: plan.file })
    }
    const others = await quiet.call('start', { nodes: NODES - 1, second: 64 })
    await idle.call('start', { nodes: 1, second: 65 })
    await idle.call('connect', { peers: others })
    await linked(nodes, NODES, LINK_MS)
    await sleep(SETTLE_MS)
    const before = await read(nodes, idle)
    await sleep(MEASURED_MS)
    const after = await read(nodes, idle)
    const every = publishEvery(NODES, plan.network.parameters)
    if (after.nodes.some((usage) => usage.publishEvery !== every)) {
      throw new Error('the nodes do not agree on their number')
    }
    return results(plan.network, before, after)
  } finally {
    await Promise.all([...nodes, idle, quiet].map((child) => child.end()))
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.main) console.table(await benchMixing())
