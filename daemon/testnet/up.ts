import { EXIT, ExitError } from '../exit-codes.ts'
import type { Rpc } from '../rpc-port.ts'
import { chooseAddresses, nodeHome } from './layout.ts'
import { type NodeProcess, type SpawnOptions, spawnNode } from './node-process.ts'
import { type Parameters, sameParameters } from './parameters.ts'
import type { TestnetPorts } from './ports.ts'
import { STOP_GRACE_MS } from '../stop-deadline.ts'
import { isAlive, type ProcessRef, stopProcesses } from './processes.ts'
import { startRelay } from './relay/index.ts'
import { type NodeState, type Preset, readState, type TestnetState, writeState } from './state.ts'

export interface UpOptions {
  readonly dir: string
  readonly nodes: number
  readonly preset: Preset
  /** Values that replace those of the preset. */
  readonly parameters?: Parameters
  readonly seed: string
  readonly tethered: boolean
  /** A new testnet gets a relay between its nodes, so that links can be disturbed. */
  readonly relayed?: boolean
  readonly timeoutMs: number
  /** Start and await these nodes alone; all of them when undefined. */
  readonly only?: readonly number[]
}

const POLL_MS = 50
/** Daemons that start at the same time on one machine; more only wait for the processor. */
const STARTS_AT_ONCE = 8

/**
 * Starts the nodes of a testnet that do not run, makes the network on node 0, joins the others, and
 * resolves when every node is running and linked. When it fails or is aborted, every process that it
 * started has been stopped. The caller holds the lock.
 * @throws ExitError 8 when a testnet of another size or with other parameters is there, 5 when a node is not ready in time.
 */
export async function bringUp(
  ports: TestnetPorts,
  options: UpOptions,
  signal: AbortSignal,
): Promise<TestnetState> {
  const started: NodeProcess[] = []
  let relay: ProcessRef | undefined
  try {
    let state = readState(options.dir) ?? (await planState(ports, options))
    if (state.nodes.length !== options.nodes) {
      throw new ExitError(
        EXIT.conflict,
        `the testnet in ${options.dir} has ${state.nodes.length} nodes, not ${options.nodes}`,
        'stop and delete it with: hearsay testnet down --wipe, or use another --dir',
      )
    }
    refuseOtherParameters(options, state)
    const deadline = ports.clock.monotonic() + options.timeoutMs
    if (state.relay !== undefined && !(state.relay.process && isAlive(state.relay.process))) {
      // It reads there who the nodes are.
      writeState(options.dir, state)
      relay = await startRelay(ports.clock, options.dir, signal)
      state = { ...state, relay: { process: relay } }
      writeState(options.dir, state)
    }
    state = await startMissing(ports, options, { state, started, deadline }, signal)
    await joinAll(ports, state, running(state), signal)
    state = await waitLinked(ports, state, deadline, signal)
    writeState(options.dir, state)
    return state
  } catch (error) {
    ports.progress('stopping what was started …')
    await stopProcesses(
      [...started.map(({ ref }) => ref), ...(relay === undefined ? [] : [relay])],
      ports.clock,
      STOP_GRACE_MS,
    )
    throw error
  }
}

/** A testnet of which nothing runs yet, with an address for every node. */
export async function planState(
  ports: Pick<TestnetPorts, 'env'>,
  options: Pick<UpOptions, 'dir' | 'nodes' | 'preset' | 'parameters' | 'seed' | 'relayed'>,
): Promise<TestnetState> {
  const addresses = await chooseAddresses(options.nodes, options.relayed === true)
  return {
    version: 1,
    preset: options.preset,
    ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
    seed: options.seed,
    nodes: addresses.map((where, index) => {
      const home = nodeHome(options.dir, index, ports.env)
      return { index, home: home.root, rpc: home.socket, ...where, peerId: '' }
    }),
    ...(addresses.every(({ listen }) => listen !== undefined) ? { relay: {} } : {}),
  }
}

/** The parameters of a network are fixed when it is made. */
function refuseOtherParameters({ dir, parameters }: UpOptions, state: TestnetState): void {
  if (parameters === undefined || sameParameters(parameters, state.parameters ?? {})) return
  throw new ExitError(
    EXIT.conflict,
    `the testnet in ${dir} was made with other parameters`,
    'stop and delete it with: hearsay testnet down --wipe, or use another --dir',
  )
}

interface Start {
  readonly state: TestnetState
  readonly started: NodeProcess[]
  readonly deadline: number
}

async function startMissing(
  ports: TestnetPorts,
  options: UpOptions,
  start: Start,
  signal: AbortSignal,
): Promise<TestnetState> {
  const nodes = [...start.state.nodes]
  const alive = running(start.state)
  const missing = nodes.filter(
    (node) => !alive.includes(node) && (options.only?.includes(node.index) ?? true),
  )
  let ready = alive.length
  const tell = () => ports.progress(`starting nodes, ${ready} of ${nodes.length} ready`)
  tell()
  const startOne = async (node: NodeState) => {
    signal.throwIfAborted()
    const spawned = (ports.spawn ?? spawnNode)(spawnOptions(node, options), ports.env)
    start.started.push(spawned)
    nodes[node.index] = { ...node, process: spawned.ref }
    // Written at once: if this command is killed now, `testnet down` still finds the process.
    writeState(options.dir, { ...start.state, nodes })
    const rpc = await connectWhenReady(
      ports,
      node,
      { process: spawned, deadline: start.deadline },
      signal,
    )
    rpc.close()
    ready++
    tell()
  }
  await inParallel(missing, STARTS_AT_ONCE, startOne)
  return { ...start.state, nodes }
}

/** How a node of a testnet is started, the first time and every other. */
export function spawnOptions(
  { index, address, listen }: NodeState,
  { dir, tethered }: Pick<UpOptions, 'dir' | 'tethered'>,
): SpawnOptions {
  return listen === undefined
    ? { dir, index, address, tethered }
    : { dir, index, address: listen, announce: address, tethered }
}

/** A connection to a node that runs. @throws ExitError when it ended, or 5 when it is late. */
export async function connectWhenReady(
  ports: TestnetPorts,
  node: NodeState,
  start: { process: NodeProcess; deadline: number },
  signal: AbortSignal,
): Promise<Rpc> {
  for (;;) {
    const exit = start.process.exit()
    if (exit !== undefined) {
      const why = exit.said === '' ? '' : `: ${exit.said}`
      throw new ExitError(
        exit.code ?? EXIT.rpcError,
        `node ${node.index} ended with exit code ${exit.code}${why}`,
        `its log is in ${node.home}/log`,
      )
    }
    const rpc = await tryConnect(ports, node)
    if (rpc !== undefined) return rpc
    if (ports.clock.monotonic() > start.deadline) {
      throw new ExitError(EXIT.notReady, `node ${node.index} is not ready in time`)
    }
    await ports.clock.sleep(POLL_MS, signal)
  }
}

async function tryConnect(ports: TestnetPorts, node: NodeState): Promise<Rpc | undefined> {
  let rpc: Rpc | undefined
  try {
    rpc = await ports.connect(node.rpc)
    const { state } = await rpc.call('node.status')
    if (state === 'running') return rpc
  } catch {
    // Not listening yet, or not answering yet: asked again until the deadline.
  }
  rpc?.close()
  return undefined
}

function running(state: TestnetState): NodeState[] {
  return state.nodes.filter(({ process }) => process !== undefined && isAlive(process))
}

/** Makes the network on node 0 unless it has one, and joins every node that has none. */
async function joinAll(
  ports: TestnetPorts,
  state: TestnetState,
  nodes: readonly NodeState[],
  signal: AbortSignal,
): Promise<void> {
  ports.progress('joining the network …')
  const [first, ...others] = nodes
  if (first === undefined) return
  const uri = await withNode(ports, first, async (rpc) => {
    const { network } = await rpc.call('node.status')
    if (network !== null) return (await rpc.call('network.get')).uri
    const created = await rpc.call('network.create', {
      name: 'testnet',
      preset: state.preset,
      ...(state.parameters === undefined ? {} : { parameters: state.parameters }),
      admission: 'open',
      announce: [first.address],
      join: true,
    })
    return created.uri
  })
  await inParallel(others, STARTS_AT_ONCE, async (node) => {
    signal.throwIfAborted()
    await withNode(ports, node, async (rpc) => {
      const { network } = await rpc.call('node.status')
      if (network === null) await rpc.call('network.join', { uri })
    })
  })
}

async function waitLinked(
  ports: TestnetPorts,
  state: TestnetState,
  deadline: number,
  signal: AbortSignal,
): Promise<TestnetState> {
  let linked = 0
  const alive = running(state)
  const nodes = await Promise.all(
    state.nodes.map(async (node) => {
      if (!alive.includes(node)) return node
      return withNode(ports, node, async (rpc) => {
        const timeoutMs = Math.max(1, Math.round(deadline - ports.clock.monotonic()))
        const status = await rpc.call('node.wait', { for: 'linked', timeoutMs }, signal)
        ports.progress(`linking nodes, ${++linked} of ${alive.length} linked`)
        return { ...node, peerId: status.peerId }
      })
    }),
  )
  return { ...state, nodes }
}

/** Runs `use` with a connection to `node` and closes it. */
export async function withNode<T>(
  ports: Pick<TestnetPorts, 'connect'>,
  node: NodeState,
  use: (rpc: Rpc) => Promise<T>,
): Promise<T> {
  const rpc = await ports.connect(node.rpc)
  try {
    return await use(rpc)
  } finally {
    rpc.close()
  }
}

/** Runs `work` for every item, at most `limit` at a time; rejects with the first failure after all ended. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items]
  const failures: unknown[] = []
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item)
      } catch (error) {
        failures.push(error)
        queue.length = 0
      }
    }
  }
  await Promise.all(Array.from({ length: limit }, worker))
  if (failures.length > 0) throw failures[0]
}
