import type { Clock } from '../../src/base/index.ts'
import type { Environment } from '../home.ts'
import type { Rpc } from '../rpc-port.ts'
import type { NodeProcess, SpawnOptions } from './node-process.ts'

/** What the testnet needs from outside. */
export interface TestnetPorts {
  readonly clock: Clock
  readonly env: Environment
  readonly connect: (socket: string) => Promise<Rpc>
  /** Starts a node: `spawnNode` unless it is to run in other surroundings. */
  readonly spawn?: (options: SpawnOptions, env: Environment) => NodeProcess
  /** Says what is going on. */
  readonly progress: (text: string) => void
}
