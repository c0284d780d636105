import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { connect } from '../../daemon/connect.ts'
import { freePort } from '../../daemon/free-port.ts'
import type { Rpc } from '../../daemon/rpc-port.ts'
import { ensureContacts, type Pair, type Peer } from '../../daemon/testnet/contacts.ts'
import {
  bringUp,
  changeFaults,
  churn,
  type ChurnOptions,
  type ChurnReport,
  isAlive,
  type LinkTable,
  type NodeState,
  type Preset,
  type ProcessRef,
  readState,
  requireNode,
  requireState,
  signalProcess,
  takeDown,
  type TestnetPorts,
  type TestnetState,
  waitGone,
  writeState,
} from '../../daemon/testnet/index.ts'
import {
  type NodeProcess,
  type SpawnOptions,
  spawnNode,
} from '../../daemon/testnet/node-process.ts'
import { nodeHome } from '../../daemon/testnet/layout.ts'
import type { Parameters } from '../../daemon/testnet/parameters.ts'
import { planState, spawnOptions } from '../../daemon/testnet/up.ts'
import { V8_FLAGS } from '../../daemon/start-settings.ts'
import { STOP_GRACE_MS } from '../../daemon/stop-deadline.ts'
import { systemClock } from '../../src/base/index.ts'
import type { PacketFaults, PacketWire } from '../support/packet-wire.ts'
import type { Recorder } from './history.ts'
import type { Hosts, Program } from './hosts.ts'

export interface RigOptions {
  readonly dir: string
  readonly nodes: number
  readonly preset: Preset
  readonly parameters?: Parameters
  readonly seed: string
  /** A relay stands between the nodes. */
  readonly relayed: boolean
  /** A machine for every node; addresses of the loopback interface when undefined. */
  readonly hosts?: Hosts
  /** Lines of level error that a log may have. */
  readonly mayLog?: { readonly node: number; readonly lines: RegExp }
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

const ROOT = join(import.meta.dirname, '..', '..')
const UP_TIMEOUT_MS = 180_000
/** In `lab` with 30 nodes a node publishes a box every 15 s, and an exchange of keys takes about 24, in turns. */
const CONTACTS_TIMEOUT_MS = 900_000
const START_TIMEOUT_MS = 60_000
const POLL_MS = 20
/** What no log may hold, whatever happens to the node. */
const DISASTERS = /an error was not handled|the stop (failed|took too long)|heap out of memory/
const ERROR_LINE = '"level":"error"'

/** A testnet of real daemons, compiled, and what can be done to it. Every start and every crash is recorded. */
export class Rig {
  readonly recorder: Recorder
  readonly options: RigOptions
  readonly #ports: TestnetPorts
  /** Processes that were ended on purpose, or whose end is accounted for. */
  readonly #doomed = new Set<number>()
  /** What runs, or ran last, for each node. */
  readonly #processes = new Map<number, NodeProcess>()
  #moves = 0

  constructor(ports: { recorder: Recorder }, options: RigOptions) {
    this.recorder = ports.recorder
    this.options = options
    this.#ports = {
      clock: systemClock,
      env: process.env,
      connect: (socket) => connect({ socket }),
      progress: options.progress,
      spawn: (node, env) => this.#spawn({ ...node, program: compiled() }, env),
    }
  }

  /** The homes exist and nothing runs: whoever wants a disk of its own for a node mounts it now. */
  async plan(): Promise<void> {
    const { dir, hosts } = this.options
    const planned = await planState(this.#ports, this.options)
    const nodes = planned.nodes.map((node) =>
      hosts === undefined ? node : { ...node, address: hosts.addressOf(node.index) },
    )
    writeState(dir, { ...planned, nodes })
  }

  async up(): Promise<void> {
    const { signal } = this.options
    await bringUp(
      this.#ports,
      { ...this.options, tethered: false, timeoutMs: UP_TIMEOUT_MS },
      signal,
    )
  }

  /** Stops everything and looks for what no daemon may do. */
  async down(): Promise<void> {
    const { state } = this
    for (const { index } of state.nodes) this.#lookForCrash(index)
    const { forced } = await takeDown(systemClock, state)
    for (const { index, home, process: ref } of state.nodes) {
      if (ref !== undefined) this.#doomed.add(ref.pid)
      if (forced.some(({ pid }) => pid === ref?.pid)) {
        this.recorder.crashes.push({ node: index, what: `no end within ${STOP_GRACE_MS} ms` })
      }
      // The last stop too is one that may fail.
      this.#lookForDisaster(index, home)
    }
  }

  /** For a run that does not get to its end. */
  lookForCrashes(): void {
    const state = readState(this.options.dir)
    for (const { index, home } of state?.nodes ?? []) {
      this.#lookForCrash(index)
      this.#lookForDisaster(index, home)
    }
  }

  /** Stops everything that was started. */
  async abandon(): Promise<void> {
    const state = readState(this.options.dir)
    if (state !== undefined) await takeDown(systemClock, state)
  }

  get state(): TestnetState {
    return requireState(this.options.dir)
  }

  node(index: number): NodeState {
    return requireNode(this.state, index)
  }

  connect(index: number): Promise<Rpc> {
    return connect({ socket: this.node(index).rpc })
  }

  async befriend(pairs: readonly (readonly [number, number])[]): Promise<void> {
    const peers = new Map<number, Peer>()
    try {
      const peer = async (index: number): Promise<Peer> => {
        const known = peers.get(index) ?? { index, rpc: await this.connect(index) }
        peers.set(index, known)
        return known
      }
      const all: Pair[] = []
      for (const [a, b] of pairs) all.push([await peer(a), await peer(b)])
      await ensureContacts(this.#ports, all, CONTACTS_TIMEOUT_MS, this.options.signal)
    } finally {
      for (const { rpc } of peers.values()) rpc.close()
    }
  }

  /** Ends the process of a node and resolves when it is gone. */
  async kill(index: number, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const ref = this.process(index)
    this.#lookForCrash(index)
    this.#doomed.add(ref.pid)
    this.recorder.fault(signal, index)
    signalProcess(ref, signal)
    if (!(await waitGone(ref, systemClock, STOP_GRACE_MS))) {
      throw new Error(`node ${index} survives ${signal}`)
    }
  }

  /**
   * A node that does not run has from now on an empty home elsewhere, another port and, with hosts, another machine. Not
   * for a node behind the relay.
   */
  async move(index: number): Promise<NodeState> {
    const { dir, hosts } = this.options
    const node = this.node(index)
    this.#lookForDisaster(index, node.home)
    hosts?.move(index)
    const there = nodeHome(join(dir, `elsewhere-${++this.#moves}`), index, process.env)
    mkdirSync(there.root, { recursive: true, mode: 0o700 })
    const [, , ip = ''] = node.address.split('/')
    const next = {
      ...node,
      home: there.root,
      rpc: there.socket,
      address: hosts?.addressOf(index) ?? `/ip4/${ip}/tcp/${await freePort([ip])}`,
    }
    const { nodes, ...rest } = this.state
    writeState(dir, { ...rest, nodes: nodes.with(index, next) })
    return next
  }

  /**
   * How the process of a node ended by itself, within `ms` from now; undefined when it goes on. The caller judges it: it
   * is recorded as no crash.
   */
  async endOf(index: number, ms: number): Promise<Exit | undefined> {
    const deadline = performance.now() + ms
    for (;;) {
      const exit = this.#processes.get(index)?.exit()
      if (exit !== undefined) {
        this.#doomed.add(this.process(index).pid)
        return exit
      }
      if (performance.now() > deadline) return undefined
      await systemClock.sleep(POLL_MS, this.options.signal)
    }
  }

  /** @throws Error when the node does not run. */
  process(index: number): ProcessRef {
    const ref = this.node(index).process
    if (ref === undefined) throw new Error(`node ${index} does not run`)
    return ref
  }

  pause(index: number): void {
    this.recorder.fault('SIGSTOP', index)
    signalProcess(this.process(index), 'SIGSTOP')
  }

  resume(index: number): void {
    this.recorder.fault('SIGCONT', index)
    signalProcess(this.process(index), 'SIGCONT')
  }

  /**
   * Starts a node and resolves when it runs, with its state and the milliseconds that it took. @throws Error with what
   * it said when it ends, or is not there in time.
   */
  async start(index: number, options: StartOptions = {}): Promise<Started> {
    const { dir, signal } = this.options
    const { states = ['running'], counted = true, program = compiled(), env = {} } = options
    const began = performance.now()
    const node = this.node(index)
    const spawned = this.#spawn(
      // Its home may have moved away from the others.
      { ...spawnOptions(node, { dir: dirname(node.home), tethered: false }), program },
      { ...process.env, ...env },
    )
    const before = this.state
    writeState(dir, {
      ...before,
      nodes: before.nodes.with(index, { ...node, process: spawned.ref }),
    })
    for (;;) {
      const state = await this.#stateOf(index)
      const readyMs = performance.now() - began
      if (state !== undefined && states.includes(state)) {
        if (counted) this.recorder.recoveries.push({ node: index, at: began, readyMs })
        return { state, readyMs }
      }
      const exit = spawned.exit()
      if (exit !== undefined) {
        this.#doomed.add(spawned.ref.pid)
        throw new StartFailure(index, exit)
      }
      if (readyMs > START_TIMEOUT_MS)
        throw new Error(`node ${index} is ${state}, not ${states.join(' or ')}`)
      await systemClock.sleep(POLL_MS, signal)
    }
  }

  async #stateOf(index: number): Promise<string | undefined> {
    let rpc: Rpc | undefined
    try {
      rpc = await this.connect(index)
      return (await rpc.call('node.status')).state
    } catch {
      // Not there yet.
      return undefined
    } finally {
      rpc?.close()
    }
  }

  /** Stops and starts nodes at random, as `testnet churn` does, until all are back. */
  churn(options: Omit<ChurnOptions, 'dir' | 'startTimeoutMs' | 'seed'>): Promise<ChurnReport> {
    const { dir, seed, signal } = this.options
    const all = { ...options, dir, seed, startTimeoutMs: START_TIMEOUT_MS }
    return churn(this.#ports, all, signal)
  }

  /** Replaces all faults of the links. */
  async links(what: string, table: LinkTable): Promise<void> {
    await changeFaults(systemClock, this.options.dir, this.state, () => table)
    this.recorder.fault(what)
  }

  /** Replaces all faults of the wire between machines. */
  async wire(what: string, wire: PacketWire, faults: PacketFaults): Promise<void> {
    await wire.set(faults)
    this.recorder.fault(what)
  }

  /** Records of every node whether it is there, when that has changed. To be called often. */
  look(): void {
    const { presence } = this.recorder
    for (const { index, process: ref } of this.state.nodes) {
      const isUp = ref !== undefined && isAlive(ref)
      const before = presence.findLast(({ node }) => node === index)
      if (before?.isUp !== isUp) presence.push({ node: index, at: performance.now(), isUp })
    }
  }

  /** The processes of the nodes that run, of the relay and of the machines. */
  pids(): number[] {
    const { nodes, relay } = this.state
    const started = [...nodes, relay ?? {}].flatMap(({ process: ref }) =>
      ref !== undefined && isAlive(ref) ? [ref.pid] : [],
    )
    return [...started, ...(this.options.hosts?.pids ?? [])]
  }

  #spawn({ program, ...options }: Spawn, env: NodeJS.ProcessEnv): NodeProcess {
    const { hosts } = this.options
    const { index } = options
    const placed = hosts?.on(index, program) ?? program
    const spawned = spawnNode({ ...options, program: placed }, env)
    this.#processes.set(index, spawned)
    return spawned
  }

  #lookForDisaster(index: number, home: string): void {
    const log = join(home, 'log', 'hearsay.log')
    if (!existsSync(log)) return
    const lines = readFileSync(log, 'utf8').split('\n')
    const { mayLog } = this.options
    const isError = (each: string): boolean =>
      each.includes(ERROR_LINE) && !(mayLog?.node === index && mayLog.lines.test(each))
    const line = lines.find((each) => DISASTERS.test(each) || isError(each))
    if (line !== undefined) this.recorder.crashes.push({ node: index, what: line })
  }

  /** A process that nobody ended has no reason to be gone. */
  #lookForCrash(index: number): void {
    const ref = this.node(index).process
    if (ref === undefined || isAlive(ref) || this.#doomed.has(ref.pid)) return
    this.#doomed.add(ref.pid)
    const exit = this.#processes.get(index)?.exit()
    const how = `ended by itself, exit code ${exit?.code}: ${exit?.said}`
    this.recorder.crashes.push({ node: index, what: how })
  }
}

export interface StartOptions {
  /** What the daemon must say that it is. */
  readonly states?: readonly string[]
  /** False: it is no recovery, and the checker does not look at its time. */
  readonly counted?: boolean
  /** What runs in place of the daemon itself. */
  readonly program?: Program
  readonly env?: Readonly<Record<string, string>>
}

type Spawn = SpawnOptions & { readonly program: Program }

export interface Started {
  readonly state: string
  readonly readyMs: number
}

/** How a process ended: no code after a signal; what it said that is no line of its log. */
export interface Exit {
  readonly code: number | null
  readonly said: string
}

/** A daemon ended before it was ready. */
export class StartFailure extends Error {
  readonly exit: Exit

  constructor(index: number, exit: Exit) {
    super(`node ${index} ended with exit code ${exit.code}: ${exit.said}`)
    this.exit = exit
  }
}

/** The daemon as it is shipped: `npm run faults` compiles it before. */
export function compiled(): Program {
  return {
    file: process.execPath,
    args: [...V8_FLAGS, join(ROOT, 'dist', 'bundle', 'main.js')],
  }
}
