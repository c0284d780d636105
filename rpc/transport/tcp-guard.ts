import type { IncomingMessage } from 'node:http'
import type { Clock, Logger } from '../../src/base/index.ts'
import { WS_TOKEN_PREFIX } from '../constants.ts'
import type { RpcErrorName } from '../errors.ts'
import type { RpcMetrics } from '../server/metrics.ts'
import type { Principal } from '../server/principal.ts'
import { bearerToken, FailureLimit, type TokenVerifier } from './auth.ts'
import { hostAllowed, type HostRules, originAllowed } from './host-guard.ts'

export interface Refusal {
  readonly status: number
  readonly error?: RpcErrorName
}

/** Decides about a request before its body is read. */
export interface Guard {
  /** Host and Origin; undefined when both are fine. Applies to every path. */
  place(request: IncomingMessage): Refusal | undefined
  /** Who asks, or why not. */
  caller(request: IncomingMessage): Principal | Refusal
}

interface TcpGuardPorts {
  readonly tokens: TokenVerifier
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: RpcMetrics
}

/** The guard of the TCP port: a token always, and nothing that a browser could send by itself. */
export class TcpGuard implements Guard {
  readonly #ports: TcpGuardPorts
  readonly #rules: HostRules
  readonly #failures: FailureLimit

  constructor(ports: TcpGuardPorts, rules: HostRules) {
    this.#ports = ports
    this.#rules = rules
    this.#failures = new FailureLimit(ports.clock)
  }

  place(request: IncomingMessage): Refusal | undefined {
    if (!hostAllowed(request.headers.host, this.#rules)) return { status: 421 }
    if (!originAllowed(request.headers.origin, this.#rules)) {
      return { status: 403, error: 'FORBIDDEN' }
    }
    return undefined
  }

  caller(request: IncomingMessage): Principal | Refusal {
    const { tokens, log, metrics } = this.#ports
    const token = bearerToken(request.headers.authorization) ?? protocolToken(request)
    const principal = token === undefined ? undefined : tokens.verify(token)
    if (principal !== undefined) return principal
    metrics.authFailures += 1
    const over = this.#failures.failed()
    if (over === 0) return { status: 401, error: 'UNAUTHENTICATED' }
    // Once in a window: anybody on the machine can ask, and would fill the disk with lines.
    if (over === 1) log.warn('too many failed attempts to authenticate on the rpc port')
    return { status: 429, error: 'RATE_LIMITED' }
  }
}

/** A browser cannot set Authorization on a WebSocket; the list of subprotocols is all that it can set. */
function protocolToken(request: IncomingMessage): string | undefined {
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return undefined
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',')
  const entry = offered.map((name) => name.trim()).find((name) => name.startsWith(WS_TOKEN_PREFIX))
  return entry?.slice(WS_TOKEN_PREFIX.length)
}
