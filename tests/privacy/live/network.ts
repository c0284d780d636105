import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from '../../../daemon/connect.ts'
import type { Rpc } from '../../../daemon/rpc-port.ts'
import { ensureContacts, type Pair, type Peer } from '../../../daemon/testnet/contacts.ts'
import {
  bringUp,
  type Preset,
  takeDown,
  type TestnetPorts,
  type TestnetState,
  writeState,
} from '../../../daemon/testnet/index.ts'
import { spawnNode } from '../../../daemon/testnet/node-process.ts'
import type { Parameters } from '../../../daemon/testnet/parameters.ts'
import { planState } from '../../../daemon/testnet/up.ts'
import { V8_FLAGS } from '../../../daemon/start-settings.ts'
import { systemClock } from '../../../src/base/index.ts'
import { inspectNetwork, type Network } from '../../../src/directory/index.ts'
import { Capture } from './capture.ts'
import { machineMs } from './machine-clock.ts'
import type { Route } from './relay.ts'

export interface LiveOptions {
  readonly nodes: number
  readonly preset: Preset
  readonly parameters?: Parameters
  readonly seed: string
  /** Every connection goes through the relay and every daemon writes its tap file. */
  readonly observed: boolean
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

/** A testnet of real daemons, each with an open RPC connection; all nodes are contacts of each other when asked. */
export interface LiveNetwork {
  readonly dir: string
  readonly network: Network
  readonly peers: readonly Peer[]
  readonly capture: Capture | undefined
  /** Makes these pairs contacts, called `node-<i>`. */
  befriend(pairs: readonly Pair[]): Promise<void>
  /** Wall clock minus machine clock, milliseconds. */
  wallOffset(): number
}

export const TRACE_FILE = 'trace.bin'
/** Towards the nodes the relay has this address; node i listens on 127.(128+i).0.1. */
const RELAY_HOST = '127.255.0.1'
const HIDDEN_HOSTS = 128
/** Long enough to see the wall clock tick. */
const CLOCK_LOOK_MS = 10
const UP_TIMEOUT_MS = 180_000
const CONTACTS_TIMEOUT_MS = 600_000

/** Runs `use` with a fresh testnet; `collect` is called after it was stopped and before its files are deleted. */
export async function withLiveNetwork<T, R>(
  options: LiveOptions,
  use: (net: LiveNetwork) => Promise<T>,
  collect: (dir: string, used: T) => R,
): Promise<R> {
  if (process.platform !== 'linux') {
    throw new Error('the capture needs Linux: it looks up in /proc whose a connection is')
  }
  const dir = mkdtempSync(join(tmpdir(), 'hs-privacy-'))
  let capture: Capture | undefined
  let state: TestnetState | undefined
  const rpcs: Rpc[] = []
  try {
    const plan = await planState({ env: process.env }, { ...options, dir })
    const routes = routesOf(plan)
    writeState(dir, plan)
    if (options.observed) {
      capture = await Capture.start(join(dir, TRACE_FILE), { routes, dir, host: RELAY_HOST })
    }
    const ports = testnetPorts(options, routes)
    state = await bringUp(
      ports,
      { ...options, dir, tethered: true, timeoutMs: UP_TIMEOUT_MS },
      options.signal,
    )
    const peers: Peer[] = []
    for (const { index, rpc: socket } of state.nodes) {
      const rpc = await connect({ socket })
      rpcs.push(rpc)
      peers.push({ index, rpc })
    }
    const { file } = await rpcs[0]!.call('network.get')
    const used = await use({
      dir,
      network: inspectNetwork(file, { now: Date.now() }),
      peers,
      capture,
      befriend: (pairs) => ensureContacts(ports, pairs, CONTACTS_TIMEOUT_MS, options.signal),
      wallOffset,
    })
    for (const rpc of rpcs.splice(0)) rpc.close()
    options.progress('stopping the nodes …')
    await takeDown(systemClock, state)
    state = undefined
    await capture?.stop()
    capture = undefined
    return collect(dir, used)
  } finally {
    for (const rpc of rpcs) rpc.close()
    if (state !== undefined) await takeDown(systemClock, state)
    await capture?.stop()
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
}

function routesOf(plan: TestnetState): Route[] {
  return plan.nodes.map(({ index, address }) => {
    const [, , host = '', , port] = address.split('/')
    return {
      node: index,
      announced: { host, port: Number(port) },
      listening: { host: `127.${HIDDEN_HOSTS + index}.0.1`, port: Number(port) },
    }
  })
}

function testnetPorts(options: LiveOptions, routes: readonly Route[]): TestnetPorts {
  const ports: TestnetPorts = {
    clock: systemClock,
    env: process.env,
    connect: (socket) => connect({ socket }),
    progress: options.progress,
  }
  const program = options.observed
    ? new URL('./tapped-daemon.ts', import.meta.url)
    : new URL('../../../daemon/main.ts', import.meta.url)
  const args = [...V8_FLAGS, fileURLToPath(program)]
  return {
    ...ports,
    spawn: (node, env) => {
      const { host, port } = routes[node.index]!.listening
      const place = options.observed
        ? { address: `/ip4/${host}/tcp/${port}`, announce: node.address }
        : { address: node.address }
      return spawnNode({ ...node, ...place, program: { file: process.execPath, args } }, env)
    },
  }
}

/** The wall clock tells whole milliseconds, rounded down: the largest of many differences is the nearest. */
function wallOffset(): number {
  let largest = Number.NEGATIVE_INFINITY
  const end = machineMs() + CLOCK_LOOK_MS
  while (machineMs() < end) largest = Math.max(largest, Date.now() - machineMs())
  return largest
}
