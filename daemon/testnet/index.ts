/** testnet: a private network of daemon processes on this machine, for demos, tests and development. */
export { churn } from './churn.ts'
export type { ChurnOptions, ChurnReport } from './churn.ts'
export { demo } from './demo.ts'
export type { DemoOptions } from './demo.ts'
export { takeDown, wipe } from './down.ts'
export { isCutOff } from './joining.ts'
export { canRelay, defaultPreset, MAX_NODES, parseNumber } from './layout.ts'
export { withTestnetLock } from './lock.ts'
export { parseParameters } from './parameters.ts'
export { percentiles } from './percentiles.ts'
export type { Percentiles } from './percentiles.ts'
export type { TestnetPorts } from './ports.ts'
export {
  isAlive,
  refOf,
  signalProcess,
  startTimeOf,
  stopProcesses,
  waitGone,
} from '../processes.ts'
export type { ProcessRef } from '../processes.ts'
export {
  changeFaults,
  changeLinks,
  type Direction,
  directions,
  type LinkFaults,
  type LinkTable,
  NO_FAULTS,
  parseNodes,
  parsePartition,
  relayReport,
  type RelayReport,
  serveRelay,
} from './relay/index.ts'
export { nodeReports, reportTable, verdict } from './report.ts'
export type { NodeReport } from './report.ts'
export { smoke } from './smoke.ts'
export type { SmokeReport } from './smoke.ts'
export { PRESETS, readState, requireNode, requireState, writeState } from './state.ts'
export type { NodeState, Preset, TestnetState } from './state.ts'
export { Tally } from './tally.ts'
export { bringUp } from './up.ts'
