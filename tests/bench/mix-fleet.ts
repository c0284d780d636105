import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemRng } from '../../src/base/index.ts'
import {
  createNetwork,
  encodeNetworkFile,
  type Network,
  type ParameterOverrides,
  type PresetName,
} from '../../src/directory/index.ts'
import { nodeKeyFromSeed } from '../../src/net/node-key.ts'
import { peerIdText } from '../../src/net/node-id.ts'
import type { Child } from './mix-child.ts'
import type { handlers } from './mix-node.ts'

export interface NodePlan {
  readonly seed: Uint8Array
  /** Multiaddr with a port that was free. */
  readonly listen: string
  /** Where its store is; in memory without one. */
  readonly dir?: string
}

/** A network that nobody has joined yet; its bootstrap is the first node. */
export interface FleetPlan {
  readonly network: Network
  readonly file: string
  readonly nodes: readonly NodePlan[]
}

export type NodeChild = Child<typeof handlers>

/** Each node has an address of its own: 127.<second>.<i>.1. Admission is open, everything else as the preset says. */
export async function planFleet(o: {
  readonly nodes: number
  readonly preset: PresetName
  readonly overrides?: ParameterOverrides
  /** Second number of the addresses. */
  readonly second: number
  readonly dirOf?: (index: number) => string
}): Promise<FleetPlan> {
  const nodes: NodePlan[] = []
  for (let index = 0; index < o.nodes; index++) {
    const host = `127.${o.second}.${index}.1`
    const dir = o.dirOf?.(index)
    nodes.push({
      seed: systemRng.bytes(32),
      listen: `/ip4/${host}/tcp/${await freePort(host)}`,
      ...(dir === undefined ? {} : { dir }),
    })
  }
  const [first] = nodes
  if (first === undefined) throw new Error('a network of no nodes')
  const network = createNetwork({
    name: 'bench',
    preset: o.preset,
    overrides: { ...o.overrides, admission: 'open' },
    bootstraps: [`${first.listen}/p2p/${peerIdText(nodeKeyFromSeed(first.seed).nodeId)}`],
    operatorSeed: systemRng.bytes(32),
    now: Date.now(),
    rng: systemRng,
  })
  return { network, file: encodeNetworkFile(network), nodes }
}

function freePort(host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, host, () => {
    const address = server.address()
    server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
  })
  return promise
}

/** Resolves when every node of these processes knows all others and all links of the mix stand. */
export async function linked(
  children: readonly NodeChild[],
  nodes: number,
  ms: number,
): Promise<void> {
  const end = performance.now() + ms
  for (;;) {
    const states = await Promise.all(children.map((child) => child.call('isLinked', { nodes })))
    if (states.every(Boolean)) return
    if (performance.now() > end) throw new Error('the nodes did not link in time')
    await sleep(250)
  }
}
