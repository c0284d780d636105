import { table } from '../cli/table.ts'
import { withNode } from './asking.ts'
import type { TestnetPorts } from './ports.ts'
import { isAlive } from '../processes.ts'
import type { SmokeReport } from './smoke.ts'
import type { NodeState, TestnetState } from './state.ts'

export interface NodeReport {
  readonly index: number
  readonly home: string
  readonly rpc: string
  readonly pid: number | null
  readonly peerId: string
  /** The daemon's own word, or `down`, or `silent` when the process lives and does not answer. */
  readonly state: string
  readonly link: string
  readonly peers: number
  readonly outbox: number
}

/** Asks every node how it is. A node that is paused or dead is part of the answer, not an error. */
export async function nodeReports(
  ports: TestnetPorts,
  state: TestnetState,
  timeoutMs: number,
): Promise<NodeReport[]> {
  return Promise.all(state.nodes.map((node) => nodeReport(ports, node, timeoutMs)))
}

async function nodeReport(
  ports: TestnetPorts,
  node: NodeState,
  timeoutMs: number,
): Promise<NodeReport> {
  const { index, home, rpc, peerId } = node
  const alive = node.process !== undefined && isAlive(node.process)
  const report = {
    index,
    home,
    rpc,
    pid: alive ? (node.process?.pid ?? null) : null,
    peerId,
    link: '-',
    peers: 0,
    outbox: 0,
  }
  if (!alive) return { ...report, state: 'down' }
  const asked = withNode(ports, node, (connection) => connection.call('node.status'))
  const late = ports.clock.sleep(timeoutMs)
  try {
    const status = await Promise.race([asked, late])
    if (status === undefined) {
      // Whenever it answers after all, nobody is waiting any more.
      asked.catch(() => {})
      return { ...report, state: 'silent' }
    }
    return {
      ...report,
      peerId: status.peerId,
      state: status.state,
      link: status.link,
      peers: status.peers,
      outbox: status.outbox.queued,
    }
  } catch {
    return { ...report, state: 'silent' }
  }
}

/** The table of a testnet: one line per node, and what the last smoke test found. */
export function reportTable(nodes: readonly NodeReport[], smoke: SmokeReport | undefined): string {
  const found = new Map(smoke?.perNode.map((entry) => [entry.index, entry]))
  const rows = nodes.map((node) => {
    const entry = found.get(node.index)
    const state = node.state === 'running' ? node.link : node.state
    return [
      node.index,
      state,
      node.peers,
      ...(smoke === undefined
        ? []
        : [
            entry === undefined ? '-' : `${entry.delivered}/${entry.delivered + entry.lost}`,
            entry?.latencyMs.p50 ?? '-',
            entry?.latencyMs.p99 ?? '-',
          ]),
      node.rpc,
    ]
  })
  const measured = smoke === undefined ? [] : ['delivered', 'p50 ms', 'p99 ms']
  const text = table(['node', 'state', 'peers', ...measured, 'socket'], rows)
  return smoke === undefined ? text : `${text}\n${verdict(smoke)}`
}

/** `42 of 42 pairs delivered, 0 lost, 0 duplicated; …` */
export function verdict(smoke: SmokeReport): string {
  const { pairs, delivered, lost, duplicates, latencyMs, arrivalMs } = smoke
  return (
    `${delivered} of ${pairs} pairs delivered, ${lost} lost, ${duplicates} duplicated\n` +
    `from sending to arrival p50 ${ms(arrivalMs.p50)}, to the sender's confirmation ` +
    `p50 ${ms(latencyMs.p50)}, p95 ${ms(latencyMs.p95)}, p99 ${ms(latencyMs.p99)}\n`
  )
}

function ms(value: number | null): string {
  return value === null ? '-' : `${value} ms`
}
