import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Logger } from '../../src/base/index.ts'
import type { NodeApi } from '../node-api.ts'
import type { Connection, Wire } from '../server/connection.ts'
import type { Consumers } from '../server/consumers.ts'
import type { Dispatcher } from '../server/dispatcher.ts'
import type { RpcMetrics } from '../server/metrics.ts'
import type { Principal } from '../server/principal.ts'

export interface HttpPorts {
  readonly node: NodeApi
  readonly clock: Clock
  readonly log: Logger
  readonly dispatcher: Dispatcher
  readonly consumers: Consumers
  readonly metrics: RpcMetrics
  connect(wire: Wire, principal: Principal): Connection
}

/** One request that passed the guard. */
export interface HttpCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly principal: Principal
  readonly query: URLSearchParams
  /** Aborts when the client is gone or the server stops. */
  readonly signal: AbortSignal
}
