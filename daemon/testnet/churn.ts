import { type Rng, uniform } from '../../src/base/index.ts'
import { reasonOf } from '../exit-codes.ts'
import { STOP_GRACE_MS } from '../stop-deadline.ts'
import { inParallel } from './asking.ts'
import { spawnNode } from './node-process.ts'
import type { TestnetPorts } from './ports.ts'
import { isAlive, signalProcess, stopProcesses } from '../processes.ts'
import { seededRng } from './seeded-rng.ts'
import { requireNode, requireState, writeState } from './state.ts'
import { spawnOptions, waitReady } from './up.ts'

export interface ChurnOptions {
  readonly dir: string
  /** Mean time that a node stays up, from when it is ready, and that it stays away. Both are exponential. */
  readonly sessionMs: number
  readonly absenceMs: number
  readonly forMs: number
  readonly seed: string
  /** Nodes that are left alone. */
  readonly keep: readonly number[]
  /** False: SIGTERM, as a service manager stops a daemon. True: SIGKILL. */
  readonly hard: boolean
  readonly startTimeoutMs: number
}

export interface ChurnReport {
  readonly stops: number
  readonly starts: number
  /** Starts that failed or were late, stops that were late, and ends that nobody asked for. Such a node is started again. */
  readonly failures: readonly string[]
  readonly durationMs: number
}

/** What two cores start at a time; the nodes beyond it are away a little longer. */
const STARTS_AT_ONCE = 4
const POLL_MS = 100

/**
 * Stops nodes of a testnet and starts them again, each at times of its own that are drawn from the seed, until the
 * time is over or the signal aborts. When it returns or throws, every node that could be started runs again. The
 * caller holds the lock. @throws ExitError when a node cannot be started at the end.
 */
export async function churn(
  ports: TestnetPorts,
  options: ChurnOptions,
  signal: AbortSignal,
): Promise<ChurnReport> {
  const began = ports.clock.monotonic()
  const run = new Churn(ports, options)
  const over = new AbortController()
  const timer = ports.clock.setTimer(options.forMs, () => over.abort())
  try {
    await run.until(AbortSignal.any([signal, over.signal]))
  } finally {
    timer.cancel()
    await run.heal()
  }
  const { stops, starts, failures } = run
  return { stops, starts, failures, durationMs: Math.round(ports.clock.monotonic() - began) }
}

/** A time drawn from the exponential distribution: however long it lasted, it goes on as long again on average. */
export function exponential(rng: Rng, meanMs: number): number {
  return -meanMs * Math.log(1 - uniform(rng))
}

class Churn {
  stops = 0
  starts = 0
  readonly failures: string[] = []
  /** Nodes that ran when they were last looked at. */
  readonly #up = new Set<number>()
  readonly #ports: TestnetPorts
  readonly #options: ChurnOptions
  #starting = 0

  constructor(ports: TestnetPorts, options: ChurnOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Resolves when the signal aborts. */
  async until(signal: AbortSignal): Promise<void> {
    const { dir, keep, seed } = this.#options
    const all = requireState(dir).nodes
    for (const { index, process } of all) {
      if (process !== undefined && isAlive(process)) this.#up.add(index)
    }
    const nodes = all.filter(({ index }) => !keep.includes(index))
    const ends = await Promise.allSettled(
      nodes.map(({ index }) => this.#live(index, seededRng(`churn/${seed}/${index}`), signal)),
    )
    const broken = ends.find((end) => end.status === 'rejected')
    if (broken !== undefined && !signal.aborted) throw broken.reason
  }

  /** Starts what is away. Not with the caller's signal: Ctrl-C ends the churn and leaves a whole testnet. */
  async heal(): Promise<void> {
    const missing = requireState(this.#options.dir).nodes.filter(
      ({ process }) => process === undefined || !isAlive(process),
    )
    for (const { index } of missing) this.#gone(index)
    if (missing.length > 0) this.#ports.progress(`starting ${missing.length} nodes again …`)
    await inParallel(missing, STARTS_AT_ONCE, ({ index }) => this.#start(index), {
      isStubborn: true,
    })
  }

  async #live(index: number, rng: Rng, signal: AbortSignal): Promise<void> {
    const { sessionMs, absenceMs } = this.#options
    const { clock } = this.#ports
    for (;;) {
      await clock.sleep(exponential(rng, sessionMs), signal)
      await this.#stop(index)
      await clock.sleep(exponential(rng, absenceMs), signal)
      while (this.#starting >= STARTS_AT_ONCE) await clock.sleep(POLL_MS, signal)
      try {
        await this.#start(index)
      } catch (error) {
        this.failures.push(`node ${index}: ${reasonOf(error)}`)
      }
    }
  }

  async #stop(index: number): Promise<void> {
    const ref = requireNode(requireState(this.#options.dir), index).process
    if (ref === undefined) return
    if (!isAlive(ref)) {
      this.#gone(index)
      return
    }
    if (this.#options.hard) signalProcess(ref, 'SIGKILL')
    const { forced } = await stopProcesses([ref], this.#ports.clock, STOP_GRACE_MS)
    if (forced.length > 0)
      this.failures.push(`node ${index}: did not stop within ${STOP_GRACE_MS} ms`)
    this.#up.delete(index)
    this.stops++
    this.#tell()
  }

  /** A node that this churn has not stopped; whoever could not be started was told of. */
  #gone(index: number): void {
    if (this.#up.delete(index)) this.failures.push(`node ${index}: ended by itself, or by hand`)
  }

  async #start(index: number): Promise<void> {
    const { dir, startTimeoutMs } = this.#options
    const { clock, env, spawn = spawnNode } = this.#ports
    this.#starting++
    try {
      const node = requireNode(requireState(dir), index)
      const spawned = spawn(spawnOptions(node, { dir, tethered: false }), env)
      // Read again: others may have come and gone. Nothing is awaited until it is written.
      const state = requireState(dir)
      const nodes = state.nodes.with(index, { ...node, process: spawned.ref })
      writeState(dir, { ...state, nodes })
      const deadline = clock.monotonic() + startTimeoutMs
      const never = new AbortController().signal
      await waitReady(this.#ports, node, { process: spawned, deadline }, never)
      this.#up.add(index)
      this.starts++
    } finally {
      this.#starting--
      this.#tell()
    }
  }

  #tell(): void {
    const { nodes } = requireState(this.#options.dir)
    const up = nodes.filter(({ process }) => process !== undefined && isAlive(process)).length
    const { stops, starts } = this
    this.#ports.progress(`${up} of ${nodes.length} nodes up, ${stops} stops, ${starts} starts`)
  }
}
