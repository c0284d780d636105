import { createServer } from 'node:http'
import { HearsayError, type Logger, type Rng, type Clock } from '../../src/base/index.ts'
import {
  HEADERS_TIMEOUT_MS,
  MAX_CONNECTIONS,
  MAX_HEADER_BYTES,
  REQUEST_TIMEOUT_MS,
} from '../constants.ts'
import type { RpcMetrics } from '../server/metrics.ts'
import { Cookie } from './auth.ts'
import { LOOPBACK_HOSTS } from './host-guard.ts'
import type { HttpFront } from './http.ts'
import { TcpGuard } from './tcp-guard.ts'

export interface TcpOptions {
  /** An address literal; loopback unless `allowRemote`. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** File of the per-boot token. */
  readonly cookiePath: string
  /** Serves other machines in clear text: only behind a proxy that adds TLS. */
  readonly allowRemote?: boolean
  /** Host names beside the loopback ones that a Host header may have. */
  readonly allowedHosts?: readonly string[]
  /** Origins of pages that may connect. */
  readonly allowedOrigins?: readonly string[]
  readonly headersTimeoutMs?: number
  readonly requestTimeoutMs?: number
}

interface TcpPorts {
  readonly http: HttpFront
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: RpcMetrics
}

/**
 * Opens the HTTP port and writes the cookie. `close` removes the cookie.
 * @throws HearsayError `listen-failed` (also for a host that is not loopback), `address-in-use`,
 * `storage-failed`.
 */
export async function listenTcp(
  ports: TcpPorts,
  options: TcpOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  if (!isLoopback(options.host) && options.allowRemote !== true) {
    throw new HearsayError('listen-failed', 'the port is for loopback unless remote use is allowed')
  }
  const headersTimeout = options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    keepAliveTimeout: headersTimeout,
    connectionsCheckingInterval: Math.min(headersTimeout, 1_000),
    requireHostHeader: true,
  })
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve)
    server.once('error', (error) => {
      const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      reject(
        inUse
          ? new HearsayError('address-in-use', 'another process listens on this port')
          : new HearsayError('listen-failed', 'the port cannot be opened', {}, error),
      )
    })
    server.listen({ host: options.host, port: options.port })
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
  try {
    const cookie = Cookie.create(options.cookiePath, ports.rng)
    const guard = new TcpGuard(
      { ...ports, tokens: cookie },
      {
        hosts: new Set([...LOOPBACK_HOSTS, ...(options.allowedHosts ?? [])]),
        origins: new Set(options.allowedOrigins ?? []),
        port,
      },
    )
    ports.http.attach(server, guard)
    return {
      port,
      close: async () => {
        cookie.remove()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

function isLoopback(host: string): boolean {
  return host === '::1' || host === 'localhost' || /^127(\.\d{1,3}){3}$/.test(host)
}
