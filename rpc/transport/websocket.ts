import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RawData, WebSocket, WebSocketServer } from 'ws'
import { MAX_REQUEST_BYTES, WS_PROTOCOL } from '../constants.ts'
import type { Connection, Wire } from '../server/connection.ts'
import type { Principal } from '../server/principal.ts'

interface WebSocketPorts {
  connect(wire: Wire, principal: Principal): Connection
}

/** WebSocket connections: one text message is one JSON-RPC text. The library is loaded at the first one. */
export class WebSocketFront {
  readonly #ports: WebSocketPorts
  #server: Promise<WebSocketServer> | undefined
  readonly #open = new Set<WebSocket>()

  constructor(ports: WebSocketPorts) {
    this.#ports = ports
  }

  /** Takes an upgrade request that passed the guard. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, principal: Principal): void {
    this.#server ??= createSocketServer()
    this.#server.then(
      (server) => {
        if (socket.destroyed) return
        server.handleUpgrade(request, socket, head, (client) => {
          this.#open.add(client)
          client.once('close', () => this.#open.delete(client))
          serveWebSocket(client, (wire) => this.#ports.connect(wire, principal))
        })
      },
      () => socket.destroy(),
    )
  }

  close(): void {
    for (const client of this.#open) client.terminate()
  }
}

async function createSocketServer(): Promise<WebSocketServer> {
  const { WebSocketServer: Constructor } = await import('ws')
  return new Constructor({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_REQUEST_BYTES,
    perMessageDeflate: false,
    // The entry with the token is never echoed.
    handleProtocols: (offered) => (offered.has(WS_PROTOCOL) ? WS_PROTOCOL : false),
  })
}

function serveWebSocket(client: WebSocket, connect: (wire: Wire) => Connection): void {
  const sent = () => connection.drained()
  const connection = connect({
    send: (text) => client.send(text, sent),
    backlog: () => client.bufferedAmount,
    pause: () => client.pause(),
    resume: () => client.resume(),
    end: () =>
      new Promise((resolve) => {
        if (client.readyState === client.CLOSED) return resolve()
        client.once('close', () => resolve())
        // A paused socket would never see the peer's close frame.
        client.resume()
        client.close(1000)
      }),
  })
  client.on('message', (data, isBinary) => {
    if (isBinary) client.close(1003, 'text only')
    else connection.receive(textOf(data))
  })
  client.on('error', () => client.terminate())
  client.on('close', () => connection.closed())
}

/** With the default `binaryType` a text message is one Buffer. */
function textOf(data: RawData): string {
  return Buffer.isBuffer(data) ? data.toString('utf8') : ''
}
