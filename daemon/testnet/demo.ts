import type { SmokeReport } from './smoke.ts'
import { smoke } from './smoke.ts'
import { takeDown, wipe } from './down.ts'
import type { TestnetPorts } from './ports.ts'
import { type NodeReport, nodeReports } from './report.ts'
import { type Preset, readState, type TestnetState } from './state.ts'
import { bringUp } from './up.ts'

export interface DemoOptions {
  readonly dir: string
  readonly nodes: number
  readonly preset: Preset
  readonly seed: string
  readonly runId: string
  readonly startTimeoutMs: number
  readonly contactsTimeoutMs: number
  readonly messagesTimeoutMs: number
  /** Called with the finished smoke test; the network stays up until what it returns has resolved. */
  readonly show: (state: TestnetState, nodes: NodeReport[], report: SmokeReport) => Promise<void>
}

const REPORT_TIMEOUT_MS = 5_000

/**
 * A whole testnet for as long as this call runs: fresh nodes, a smoke test over all pairs, then `show`.
 * However it ends, every process that it started has been stopped when it returns. The caller holds the lock.
 */
export async function demo(
  ports: TestnetPorts,
  options: DemoOptions,
  signal: AbortSignal,
): Promise<SmokeReport> {
  const left = readState(options.dir)
  if (left !== undefined) {
    await takeDown(ports.clock, left)
    wipe(options.dir, left)
  }
  const state = await bringUp(
    ports,
    { ...options, tethered: true, timeoutMs: options.startTimeoutMs },
    signal,
  )
  try {
    const report = await smoke(ports, state, options, signal)
    await options.show(state, await nodeReports(ports, state, REPORT_TIMEOUT_MS), report)
    return report
  } finally {
    ports.progress('stopping the nodes …')
    await takeDown(ports.clock, state)
  }
}
