import { EXIT, ExitError } from '../exit-codes.ts'
import { inParallel, withNodeInTime } from './asking.ts'
import { joinAll, running, waitLinked } from './joining.ts'
import { chooseAddresses, nodeHome } from './layout.ts'
import { type NodeProcess, type SpawnOptions, spawnNode } from './node-process.ts'
import { type Parameters, sameParameters } from './parameters.ts'
import type { TestnetPorts } from './ports.ts'
import { STOP_GRACE_MS } from '../stop-deadline.ts'
import { isAlive, type ProcessRef, stopProcesses } from '../processes.ts'
import { relayReport, startRelay } from './relay/index.ts'
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
    const { only } = options
    const nodes = running(state).filter(({ index }) => only?.includes(index) ?? true)
    const wanted = { nodes, deadline, signal }
    await joinAll(ports, state, wanted)
    // A single node that runs and is not linked is what its links are: nobody wants it stopped for that.
    if (only !== undefined) {
      started.length = 0
      relay = undefined
    }
    const { links } = relayReport(options.dir, state)
    state = await waitLinked(ports, state, { ...wanted, links })
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
    await waitReady(ports, node, { process: spawned, deadline: start.deadline }, signal)
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

/** Resolves when a node runs. @throws ExitError when it ended, or 5 when it is late. */
export async function waitReady(
  ports: TestnetPorts,
  node: NodeState,
  start: { process: NodeProcess; deadline: number },
  signal: AbortSignal,
): Promise<void> {
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
    if (await isRunning(ports, node, { deadline: start.deadline, signal })) return
    if (ports.clock.monotonic() > start.deadline) {
      throw new ExitError(EXIT.notReady, `node ${node.index} is not ready in time`)
    }
    await ports.clock.sleep(POLL_MS, signal)
  }
}

async function isRunning(
  ports: TestnetPorts,
  node: NodeState,
  until: { deadline: number; signal: AbortSignal },
): Promise<boolean> {
  try {
    const status = await withNodeInTime(ports, node, until, (rpc, signal) =>
      rpc.call('node.status', {}, signal),
    )
    return status.state === 'running'
  } catch {
    // Not listening yet, or not answering yet: asked again until the deadline.
    return false
  }
}
