import type { Server, Socket } from 'node:net'
import { HearsayError } from '../../src/base/index.ts'
import { STOP_GRACE_MS } from '../constants.ts'
import { HttpFront } from '../transport/http.ts'
import { serveNdjson } from '../transport/ndjson.ts'
import { listenTcp, type TcpOptions } from '../transport/tcp.ts'
import { listenUnix } from '../transport/unix-socket.ts'
import { Connection, type Wire } from './connection.ts'
import { Consumers } from './consumers.ts'
import { Dispatcher } from './dispatcher.ts'
import { RpcMetrics } from './metrics.ts'
import type { RpcPorts } from './ports.ts'
import { OWNER, type Principal } from './principal.ts'

export interface RpcOptions {
  /** Path of the unix socket; its directory exists and belongs to the owner. */
  readonly socketPath: string
  /** Absent: no TCP port is opened. */
  readonly tcp?: TcpOptions
  /** Holds results against the schema too; for tests. */
  readonly checkResults?: boolean
}

/**
 * The API of one daemon. After `start` the socket answers; after `stop` nothing listens, every client was
 * told, and calls that were running had STOP_GRACE_MS to finish. A failed start leaves nothing open.
 */
export class RpcServer {
  readonly #ports: RpcPorts
  readonly #options: RpcOptions
  readonly #metrics = new RpcMetrics()
  readonly #consumers = new Consumers()
  readonly #dispatcher: Dispatcher
  readonly #http: HttpFront
  readonly #connections = new Set<Connection>()
  readonly #sockets = new Set<Socket>()
  #servers: { close(): Promise<void> }[] = []
  #port: number | undefined

  constructor(ports: RpcPorts, options: RpcOptions) {
    this.#ports = ports
    this.#options = options
    this.#dispatcher = new Dispatcher(
      { ...ports, consumers: this.#consumers, metrics: this.#metrics },
      { checkResults: options.checkResults ?? false },
    )
    this.#http = new HttpFront({
      ...ports,
      dispatcher: this.#dispatcher,
      consumers: this.#consumers,
      metrics: this.#metrics,
      connect: (wire, principal) => this.#connect(wire, principal),
    })
  }

  /** Port of the TCP listener, once it listens. */
  get tcpPort(): number | undefined {
    return this.#port
  }

  /** @throws HearsayError `address-in-use`, `listen-failed`, `too-large`, `storage-failed` (cookie). */
  async start(): Promise<void> {
    try {
      const unix = await listenUnix(this.#options.socketPath, (socket) => this.#accept(socket))
      this.#servers.push({ close: () => closeServer(unix) })
      const { tcp } = this.#options
      if (tcp === undefined) return
      const listener = await listenTcp(
        { ...this.#ports, http: this.#http, metrics: this.#metrics },
        tcp,
      )
      this.#servers.push(listener)
      this.#port = listener.port
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    const { clock } = this.#ports
    const closing = this.#servers.map((server) => server.close())
    this.#servers = []
    const told = Promise.all([
      this.#http.shutDown(),
      ...[...this.#connections].map((each) => each.shutDown('SHUTTING_DOWN')),
    ])
    const grace = new AbortController()
    await Promise.race([told, clock.sleep(STOP_GRACE_MS, grace.signal).catch(() => {})])
    grace.abort(new HearsayError('aborted', 'stopped in time'))
    this.#http.close()
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closing)
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.once('error', () => socket.destroy())
    // The first byte decides: JSON text or white space is NDJSON, everything else is HTTP.
    socket.once('data', (chunk: Buffer) => {
      socket.pause()
      socket.unshift(chunk)
      if (isJsonStart(chunk[0]))
        serveNdjson({ socket, clock: this.#ports.clock }, (wire) => this.#connect(wire, OWNER))
      else this.#http.adopt(socket)
      socket.resume()
    })
    socket.once('end', () => {
      // Half-open is for clients that have asked something.
      if (socket.bytesRead === 0) socket.end()
    })
  }

  #connect(wire: Wire, principal: Principal): Connection {
    const connection: Connection = new Connection(
      {
        ...this.#ports,
        wire,
        dispatcher: this.#dispatcher,
        consumers: this.#consumers,
        metrics: this.#metrics,
        onClosed: () => this.#connections.delete(connection),
      },
      { principal },
    )
    this.#connections.add(connection)
    return connection
  }
}

const JSON_STARTS = new Set(Buffer.from('{[ \t\r\n'))

function isJsonStart(byte: number | undefined): boolean {
  return byte !== undefined && JSON_STARTS.has(byte)
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
