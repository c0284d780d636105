import type { Direction } from '../../daemon/testnet/index.ts'
import type { Rpc } from '../../daemon/rpc-port.ts'
import { systemClock } from '../../src/base/index.ts'
import type { HealthCode } from '../../src/node/index.ts'
import type { HealthRecord, Recorder } from './history.ts'

/** What a status says when others cannot be reached as they should be. */
const NETWORK_CODES: ReadonlySet<string> = new Set<HealthCode>([
  'NETWORK_NOT_ENTERED',
  'NO_PEERS',
  'NO_ROUTE',
  'FEW_REPLIES',
  'REPLIES_LOST',
])
const POLL_MS = 1_000

interface HealthPorts {
  readonly recorder: Recorder
  readonly connect: (node: number) => Promise<Rpc>
}

/** Asks nodes for their status every second and records what it says of their network, whenever that changes. */
export class HealthWatch {
  readonly #ports: HealthPorts
  readonly #stop = new AbortController()
  #watches: Promise<void>[] = []
  #failure: Error | undefined

  constructor(ports: HealthPorts) {
    this.#ports = ports
  }

  start(nodes: readonly number[]): void {
    this.#watches = nodes.map((node) =>
      this.#watch(node).catch((error: unknown) => {
        this.#failure ??= new Error(`node ${node} does not say how it is`, { cause: error })
      }),
    )
  }

  /** @throws what kept a node from answering. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#watches)
    if (this.#failure !== undefined) throw this.#failure
  }

  async #watch(node: number): Promise<void> {
    const { recorder, connect } = this.#ports
    const { signal } = this.#stop
    const rpc = await connect(node)
    let before: string | undefined
    try {
      while (!signal.aborted) {
        const { health } = await rpc.call('node.status')
        const codes = health.flatMap(({ code }) => (NETWORK_CODES.has(code) ? [code] : []))
        if (codes.join() !== before) recorder.health.push({ node, at: performance.now(), codes })
        before = codes.join()
        await systemClock.sleep(POLL_MS, signal).catch(() => {})
      }
    } finally {
      rpc.close()
    }
  }
}

/** Milliseconds from `from` until the status of a node named something wrong; undefined when it did not by `until`. */
export function toldAfter(
  health: readonly HealthRecord[],
  { node, from, until }: { node: number; from: number; until: number },
): number | undefined {
  const its = health.filter((record) => record.node === node && record.at <= until)
  const before = its.findLast(({ at }) => at <= from)
  if (before !== undefined && before.codes.length > 0) return 0
  const told = its.find(({ at, codes }) => at > from && codes.length > 0)
  return told === undefined ? undefined : told.at - from
}

/** Since when, in the history's time, nothing is wrong with any of the nodes; undefined while something is. */
export function wellSince(
  health: readonly HealthRecord[],
  nodes: readonly number[],
): number | undefined {
  const last = nodes.map((node) => health.findLast((record) => record.node === node))
  if (!last.every((record) => record?.codes.length === 0)) return undefined
  return Math.max(...last.map((record) => record?.at ?? 0))
}

/** The nodes that a cut keeps from half of the others at least, in one direction or in both. */
export function cutOff(directions: readonly Direction[], nodes: number): number[] {
  return Array.from({ length: nodes }, (_, node) => node).filter((node) => {
    const lost = new Set(
      directions.flatMap(([from, to]) => (from === node ? [to] : to === node ? [from] : [])),
    )
    return lost.size >= (nodes - 1) / 2
  })
}
