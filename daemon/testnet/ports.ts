import type { Clock } from '../../src/base/index.ts'
import type { Environment } from '../home.ts'
import type { Rpc } from '../rpc-port.ts'

/** What the testnet needs from outside. */
export interface TestnetPorts {
  readonly clock: Clock
  readonly env: Environment
  readonly connect: (socket: string) => Promise<Rpc>
  /** Says what is going on. */
  readonly progress: (text: string) => void
}
