import {
  type Clock,
  isHearsayError,
  type Logger,
  type NodeId,
  type Rng,
  shuffled,
  toHex,
  uniform,
} from '../base/index.ts'
import {
  MAX_BACKOFF_ENTRIES,
  RECONNECT_FIRST_MS,
  RECONNECT_MAX_MS,
  RECONNECT_TICK_MS,
  TARGET_OUTBOUND,
} from './constants.ts'
import type { DialTarget } from './ports.ts'

export interface ConnectorPorts {
  clock: Clock
  rng: Rng
  log: Logger
  connected(): NodeId[]
  /** Those of them to which this node opened a connection. */
  outbound(): NodeId[]
  dial(nodeId: NodeId, addresses: readonly string[], signal: AbortSignal): Promise<void>
  /** Nodes from the directory. */
  dialTargets(): readonly DialTarget[]
}

export interface ConnectorOptions {
  self: NodeId
  bootstraps: readonly DialTarget[]
  targetConnections: number
}

/** How often the last dials failed, by cause. */
export interface ConnectorStatus {
  target: number
  known: number
  /** Nodes whose last dial met another network key (or another node). */
  mismatches: number
  /** Nodes whose last dial found nobody. */
  unreachable: number
}

interface Backoff {
  failures: number
  notBefore: number
  mismatch: boolean
}

/**
 * Keeps `min(known nodes, targetConnections)` connections to known nodes open, some of them its own, by dialling
 * bootstraps and known nodes in random order, each with its own jittered, doubling wait. It never gives up and never dials a node twice
 * at once.
 */
export class Connector {
  readonly #ports: ConnectorPorts
  readonly #options: ConnectorOptions
  readonly #backoffs = new Map<string, Backoff>()
  #wake: (() => void) | undefined

  constructor(ports: ConnectorPorts, options: ConnectorOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await Promise.all(this.#due().map((target) => this.#try(target, signal)))
      await this.#pause(signal)
    }
  }

  /** Looks again at once: a connection was lost or the directory grew. */
  wake(): void {
    this.#wake?.()
  }

  status(): ConnectorStatus {
    const failing = [...this.#backoffs.values()]
    return {
      target: this.#target(this.#targets().size),
      known: this.#targets().size,
      mismatches: failing.filter((backoff) => backoff.mismatch).length,
      unreachable: failing.filter((backoff) => !backoff.mismatch).length,
    }
  }

  #target(known: number): number {
    return Math.min(known, this.#options.targetConnections)
  }

  /** Known nodes without ourselves; the directory's addresses are tried before the bootstrap's. */
  #targets(): Map<string, DialTarget> {
    const targets = new Map<string, DialTarget>()
    for (const target of [...this.#options.bootstraps, ...this.#ports.dialTargets()]) {
      const key = toHex(target.nodeId)
      const earlier = targets.get(key)?.addresses ?? []
      const addresses = [...new Set([...target.addresses, ...earlier])]
      targets.set(key, { nodeId: target.nodeId, addresses })
    }
    targets.delete(toHex(this.#options.self))
    return targets
  }

  #due(): DialTarget[] {
    const targets = this.#targets()
    const connected = new Set(this.#ports.connected().map(toHex))
    // Strangers that come in do not count: ten fresh keys would keep this node from everybody else.
    const known = [...connected].filter((key) => targets.has(key)).length
    const own = this.#ports.outbound().filter((nodeId) => targets.has(toHex(nodeId))).length
    const target = this.#target(targets.size)
    const missing = Math.max(target - known, Math.min(TARGET_OUTBOUND, target) - own)
    if (missing <= 0) return []
    const now = this.#ports.clock.monotonic()
    const candidates = [...targets].filter(
      ([key]) => !connected.has(key) && (this.#backoffs.get(key)?.notBefore ?? 0) <= now,
    )
    const drawn = shuffled(this.#ports.rng, candidates)
    // The directory may be full of nodes that do not exist; the operator signed the bootstraps.
    const isBootstrap = new Set(this.#options.bootstraps.map(({ nodeId }) => toHex(nodeId)))
    if (known === 0) drawn.sort(([a], [b]) => +isBootstrap.has(b) - +isBootstrap.has(a))
    return drawn.slice(0, missing).map(([, each]) => each)
  }

  async #try(target: DialTarget, signal: AbortSignal): Promise<void> {
    const key = toHex(target.nodeId)
    try {
      await this.#ports.dial(target.nodeId, target.addresses, signal)
      this.#backoffs.delete(key)
    } catch (error) {
      if (signal.aborted) return
      this.#note(key, isHearsayError(error, 'network-mismatch'))
    }
  }

  #note(key: string, mismatch: boolean): void {
    const before = this.#backoffs.get(key)
    const failures = Math.min((before?.failures ?? 0) + 1, 32)
    const wait = Math.min(RECONNECT_FIRST_MS * 2 ** (failures - 1), RECONNECT_MAX_MS)
    const jittered = wait * (0.5 + uniform(this.#ports.rng))
    this.#backoffs.delete(key)
    this.#backoffs.set(key, {
      failures,
      mismatch,
      notBefore: this.#ports.clock.monotonic() + jittered,
    })
    if (this.#backoffs.size > MAX_BACKOFF_ENTRIES) {
      const [oldest] = this.#backoffs.keys()
      if (oldest !== undefined) this.#backoffs.delete(oldest)
    }
    if (mismatch && before?.mismatch !== true) {
      this.#ports.log.warn('a known node answers with another network key or identity')
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    const wait = RECONNECT_TICK_MS * (0.5 + uniform(this.#ports.rng))
    try {
      await this.#ports.clock.sleep(wait, AbortSignal.any([signal, woken.signal]))
    } catch {
      // Woken or stopped: the loop looks again.
    } finally {
      this.#wake = undefined
    }
  }
}
