import { connect, createServer, type Server, type Socket } from 'node:net'
import { machineMs } from './machine-clock.ts'
import { ownerOf } from './proc-net.ts'
import type { TraceWriter } from './trace-file.ts'

/** Where the others reach a node, and where it really listens. */
export interface Route {
  readonly node: number
  readonly announced: { readonly host: string; readonly port: number }
  readonly listening: { readonly host: string; readonly port: number }
}

export interface RelayOptions {
  readonly routes: readonly Route[]
  /** The folder of the homes, `node-0` and so on. */
  readonly dir: string
  /** The relay's own address towards the nodes: a connection from any other one went around it. */
  readonly host: string
}

/** The number of whoever is no node of the testnet, or had hung up before it was looked for. */
export const STRANGER = 255

/**
 * The observer of all links. Every connection between two nodes goes through it, and of each read it notes the
 * time, both ends and the size, before it passes the bytes on unread. It needs no privileges.
 */
export class Relay {
  readonly #trace: TraceWriter
  readonly #options: RelayOptions
  readonly #servers: Server[] = []
  readonly #open = new Set<Socket>()

  constructor(ports: { trace: TraceWriter }, options: RelayOptions) {
    this.#trace = ports.trace
    this.#options = options
  }

  async listen(): Promise<void> {
    for (const route of this.#options.routes) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        this.#accept(socket, route),
      )
      this.#servers.push(server)
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(route.announced, resolve)
      })
    }
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#open) socket.destroy()
  }

  #accept(inbound: Socket, route: Route): void {
    const maker = ownerOf(`${inbound.remoteAddress}:${inbound.remotePort}`, this.#options.dir)
    const from = maker === undefined ? STRANGER : Number(maker.replace('node-', ''))
    const outbound = connect({
      ...route.listening,
      localAddress: this.#options.host,
      allowHalfOpen: true,
      noDelay: true,
    })
    this.#pass(inbound, outbound, from, route.node)
    this.#pass(outbound, inbound, route.node, from)
  }

  #pass(source: Socket, target: Socket, from: number, to: number): void {
    this.#open.add(source)
    source.on('data', (bytes) => {
      this.#trace.add(machineMs(), from, to, bytes.length)
      if (!target.write(bytes)) source.pause()
    })
    target.on('drain', () => source.resume())
    source.on('end', () => target.end())
    source.on('error', () => target.destroy())
    source.on('close', () => {
      this.#open.delete(source)
      target.destroy()
    })
  }
}
