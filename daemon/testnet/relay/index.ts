/** relay: stands between the nodes of a testnet and makes the links between them as bad as wanted. */
export { changeFaults, relayReport, startRelay } from './control.ts'
export type { RelayReport } from './control.ts'
export { removeRelayFiles } from './files.ts'
export { changeLinks, faultsOf, NO_FAULTS } from './link-faults.ts'
export type { LinkFaults, LinkTable } from './link-faults.ts'
export { directions, parseNodes, parsePartition } from './partition.ts'
export type { Direction } from './partition.ts'
export { serveRelay } from './serve.ts'
