import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Clock, Rng } from '../../../src/base/index.ts'
import { faultsOf, type LinkTable } from './link-faults.ts'
import { Pipe } from './pipe.ts'

/** Where the others reach a node, and where it really listens. */
export interface Route {
  readonly node: number
  readonly announced: { readonly host: string; readonly port: number }
  readonly listening: { readonly host: string; readonly port: number }
}

export interface RelayPorts {
  readonly clock: Clock
  readonly rng: Rng
  /** The node that has this end, `host:port`, of a connection; undefined when it is none. */
  ownerOf(local: string): Promise<number | undefined>
}

export interface RelayOptions {
  readonly routes: readonly Route[]
  /** The address from which node `from` seems to come: each its own, as on real machines. */
  readonly sourceHost: (from: number) => string
}

/** Connections to one node at a time; more are closed at once. */
const MAX_PER_NODE = 1_024

/** A connection, or one that waits to be made. */
interface Link {
  readonly from: number
  readonly to: number
  /** Called when the table of faults has changed. */
  update(): void
}

/**
 * Stands between the nodes of a testnet: every connection from one to another goes through it, and it makes each
 * direction as bad as the table says. It does not understand what it passes on. A connection of nobody it knows
 * is closed.
 */
export class Relay {
  readonly #ports: RelayPorts
  readonly #options: RelayOptions
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #links = new Set<Link>()
  #table: LinkTable = {}

  constructor(ports: RelayPorts, options: RelayOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Resolves when every route is open. @throws what the operating system says, such as EADDRINUSE. */
  async listen(): Promise<void> {
    for (const route of this.#options.routes) {
      const server = createServer(
        { allowHalfOpen: true, noDelay: true, pauseOnConnect: true },
        (socket) => {
          this.#accept(socket, route).catch(() => socket.destroy())
        },
      )
      server.maxConnections = MAX_PER_NODE
      this.#servers.push(server)
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(route.announced, resolve)
      })
    }
  }

  /** Replaces all faults, for connections that exist too. */
  apply(table: LinkTable): void {
    this.#table = table
    for (const link of this.#links) link.update()
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #accept(inbound: Socket, route: Route): Promise<void> {
    this.#track(inbound)
    const from = await this.#ports.ownerOf(`${inbound.remoteAddress}:${inbound.remotePort}`)
    if (from === undefined) inbound.destroy()
    if (from === undefined || inbound.destroyed) return
    const ends = { from, to: route.node }
    // No handshake of TCP gets through where one direction is cut: it is tried again until it does.
    await this.#untilPassable(inbound, ends)
    const { delayMs } = this.#faults(ends)
    const roundTrip = delayMs + this.#faults(reverse(ends)).delayMs
    if (roundTrip > 0) await this.#ports.clock.sleep(roundTrip)
    if (!inbound.destroyed) this.#join(inbound, route, ends)
  }

  #untilPassable(inbound: Socket, ends: Ends): Promise<void> {
    const passable = () => !this.#faults(ends).down && !this.#faults(reverse(ends)).down
    if (passable()) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        this.#links.delete(link)
        resolve()
      }
      const link: Link = {
        ...ends,
        update: () => {
          if (passable()) done()
        },
      }
      this.#links.add(link)
      inbound.once('close', done)
    })
  }

  #join(inbound: Socket, route: Route, ends: Ends): void {
    const outbound = connect({
      ...route.listening,
      localAddress: this.#options.sourceHost(ends.from),
      allowHalfOpen: true,
      noDelay: true,
    })
    this.#track(outbound)
    const { clock, rng } = this.#ports
    const there = new Pipe({ clock, rng, source: inbound, target: outbound })
    const back = new Pipe({ clock, rng, source: outbound, target: inbound })
    const link: Link = {
      ...ends,
      update: () => {
        const [forward, backward] = [this.#faults(ends), this.#faults(reverse(ends))]
        there.set(forward, backward.down)
        back.set(backward, forward.down)
      },
    }
    there.start()
    back.start()
    this.#links.add(link)
    link.update()
    let open = 2
    for (const socket of [inbound, outbound]) {
      socket.once('close', () => {
        if (--open === 0) this.#links.delete(link)
      })
    }
  }

  #faults({ from, to }: Ends) {
    return faultsOf(this.#table, from, to)
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

type Ends = Pick<Link, 'from' | 'to'>

function reverse({ from, to }: Ends): Ends {
  return { from: to, to: from }
}
