import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { MAX_HEADER_BYTES } from '../constants.ts'
import { RpcError } from '../rpc-error.ts'
import { allows, OWNER } from '../server/principal.ts'
import type { Scope } from '../schema/scopes.ts'
import { postRpc } from './http-post.ts'
import { getMetrics, getOpenRpc, getReady } from './http-probes.ts'
import { refuse } from './http-reply.ts'
import { getEvents } from './sse.ts'
import type { HttpCall, HttpPorts } from './http-ports.ts'
import type { Guard } from './tcp-guard.ts'
import { WebSocketFront } from './websocket.ts'

interface Route {
  readonly method: 'GET' | 'POST'
  readonly scope: Scope | null
  readonly serve: (ports: HttpPorts, call: HttpCall) => Promise<void>
}

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/rpc', { method: 'POST', scope: null, serve: postRpc }],
  ['/events', { method: 'GET', scope: 'receive', serve: getEvents }],
  ['/openrpc.json', { method: 'GET', scope: null, serve: getOpenRpc }],
  ['/readyz', { method: 'GET', scope: 'read', serve: getReady }],
  ['/metrics', { method: 'GET', scope: 'read', serve: getMetrics }],
])

/** Whoever opens the unix socket is the owner, and no browser can: nothing to check. */
const UNIX_GUARD: Guard = { place: () => undefined, caller: () => OWNER }

/**
 * The HTTP side of both listeners. Every request passes the guard of its listener before anything of it
 * beyond the headers is read; only `/healthz` needs no token.
 */
export class HttpFront {
  readonly #ports: HttpPorts
  readonly #webSockets: WebSocketFront
  readonly #servers: Server[] = []
  readonly #running = new Map<AbortController, Promise<void>>()
  #unix: Server | undefined

  constructor(ports: HttpPorts) {
    this.#ports = ports
    this.#webSockets = new WebSocketFront(ports)
  }

  /** Takes a connection of the unix socket whose first bytes are not JSON. */
  adopt(socket: Socket): void {
    if (this.#unix === undefined) {
      this.#unix = createServer({ maxHeaderSize: MAX_HEADER_BYTES })
      this.attach(this.#unix, UNIX_GUARD)
    }
    this.#unix.emit('connection', socket)
  }

  attach(server: Server, guard: Guard): void {
    this.#servers.push(server)
    server.on('request', (request, response) => this.#request(request, response, guard))
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head, guard))
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (!socket.writable || error.code === 'ECONNRESET') return socket.destroy()
      const status =
        error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request'
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    })
  }

  /** Aborts what waits, and resolves when every request has been answered. */
  async shutDown(): Promise<void> {
    for (const controller of this.#running.keys()) controller.abort(new RpcError('SHUTTING_DOWN'))
    await Promise.all(this.#running.values())
  }

  /** Hangs up on everyone. */
  close(): void {
    this.#webSockets.close()
    for (const server of this.#servers) server.closeAllConnections()
  }

  #request(request: IncomingMessage, response: ServerResponse, guard: Guard): void {
    const controller = new AbortController()
    response.once('close', () => controller.abort(new RpcError('CANCELLED')))
    const done = this.#serve(request, response, guard, controller.signal)
      .catch((error: unknown) => {
        const name = error instanceof Error ? error.name : typeof error
        this.#ports.log.error('http request failed', { name })
        if (!response.headersSent) refuse(response, { status: 500, error: 'INTERNAL' })
        response.end()
      })
      .finally(() => this.#running.delete(controller))
    this.#running.set(controller, done)
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    guard: Guard,
    signal: AbortSignal,
  ): Promise<void> {
    const refusal = guard.place(request)
    if (refusal !== undefined) return refuse(response, refusal)
    const { path, query } = target(request)
    if (path === '/healthz' && request.method === 'GET') return void response.writeHead(200).end()
    const principal = guard.caller(request)
    if ('status' in principal) return refuse(response, principal)
    const route = ROUTES.get(path)
    if (route === undefined) return refuse(response, { status: path === '/ws' ? 426 : 404 })
    if (request.method !== route.method) {
      return refuse(response, { status: 405 }, { Allow: route.method })
    }
    if (!allows(principal, route.scope))
      return refuse(response, { status: 403, error: 'FORBIDDEN' })
    await route.serve(this.#ports, { request, response, principal, query, signal })
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, guard: Guard): void {
    socket.on('error', () => socket.destroy())
    const principal = guard.place(request) ?? guard.caller(request)
    if ('status' in principal) return hangUp(socket, principal.status)
    if (target(request).path !== '/ws') return hangUp(socket, 404)
    this.#webSockets.accept(request, socket, head, principal)
  }
}

function target(request: IncomingMessage): { path: string; query: URLSearchParams } {
  const [path = '', ...rest] = (request.url ?? '').split('?')
  return { path, query: new URLSearchParams(rest.join('?')) }
}

function hangUp(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
