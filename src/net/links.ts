import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { type Clock, HearsayError, type NodeId, toHex } from '../base/index.ts'
import { DIAL_TIMEOUT_MS, LINK_BUFFER_BYTES } from './constants.ts'
import { deadline, untilAborted } from './deadline.ts'
import { encodeFrame, FrameReader } from './frame-reader.ts'
import { nodeIdOf } from './node-id.ts'
import type { Links } from './ports.ts'
import { protocolId } from './protocol-id.ts'

export interface StreamLinksPorts {
  clock: Clock
  libp2p(): Libp2p | undefined
  connect(peer: NodeId, signal: AbortSignal): Promise<Connection>
}

type OnFrame = (peer: NodeId, frame: Uint8Array) => void

/**
 * One outgoing stream per neighbour and protocol, kept open. `send` never waits: a neighbour that does not
 * read loses frames once LINK_BUFFER_BYTES are queued, and our memory stays bounded without `onDrain`,
 * which resolves at once after its first use.
 */
export class StreamLinks implements Links {
  readonly #ports: StreamLinksPorts
  readonly #networkTag: string
  readonly #accepting = new Map<string, { frameBytes: number; onFrame: OnFrame }>()
  readonly #open = new Map<string, Stream>()
  readonly #opening = new Map<string, Promise<void>>()

  constructor(ports: StreamLinksPorts, options: { networkTag: string }) {
    this.#ports = ports
    this.#networkTag = options.networkTag
  }

  accept(protocol: string, options: { frameBytes: number }, onFrame: OnFrame): void {
    const id = protocolId(this.#networkTag, protocol)
    if (this.#accepting.has(id))
      throw new HearsayError('bug', 'link protocol is taken', { protocol })
    this.#accepting.set(id, { frameBytes: options.frameBytes, onFrame })
    const running = this.#ports.libp2p()
    // Ids are unique here, so this fails only when the net is stopping.
    if (running !== undefined) this.#register(running, id).catch(() => undefined)
  }

  async start(libp2p: Libp2p): Promise<void> {
    for (const id of this.#accepting.keys()) await this.#register(libp2p, id)
  }

  async open(peer: NodeId, protocol: string): Promise<void> {
    const key = `${protocol} ${toHex(peer)}`
    if (this.#open.get(key)?.status === 'open') return
    let opening = this.#opening.get(key)
    if (opening === undefined) {
      opening = this.#openNew(peer, protocol, key).finally(() => this.#opening.delete(key))
      this.#opening.set(key, opening)
    }
    await opening
  }

  send(peer: NodeId, protocol: string, frame: Uint8Array): boolean {
    const stream = this.#open.get(`${protocol} ${toHex(peer)}`)
    if (stream === undefined || stream.status !== 'open') return false
    if (stream.writeBufferLength + frame.length > LINK_BUFFER_BYTES) return false
    try {
      stream.send(encodeFrame(frame))
      return true
    } catch {
      return false
    }
  }

  async #openNew(peer: NodeId, protocol: string, key: string): Promise<void> {
    const limit = deadline(this.#ports.clock, DIAL_TIMEOUT_MS)
    try {
      const connection = await this.#ports.connect(peer, limit.signal)
      const id = protocolId(this.#networkTag, protocol)
      const opening = connection.newStream(id, { signal: limit.signal })
      opening.then(
        (opened) => {
          if (limit.signal.aborted) opened.abort(limit.signal.reason as Error)
        },
        () => undefined,
      )
      const stream = await untilAborted(opening, limit.signal)
      stream.inactivityTimeout = Number.POSITIVE_INFINITY
      stream.addEventListener('close', () => {
        if (this.#open.get(key) === stream) this.#open.delete(key)
      })
      // Nothing is said on the way back; a listener keeps the read buffer from filling.
      stream.addEventListener('message', () => stream.abort(new Error('unexpected data on a link')))
      this.#open.set(key, stream)
    } finally {
      limit.clear()
    }
  }

  async #register(libp2p: Libp2p, id: string): Promise<void> {
    await libp2p.handle(id, (stream, connection) => this.#receive(id, stream, connection), {
      maxInboundStreams: 2,
      maxOutboundStreams: 2,
    })
  }

  #receive(id: string, stream: Stream, connection: Connection): void {
    const accepting = this.#accepting.get(id)
    const peer = nodeIdOf(connection.remotePeer)
    if (accepting === undefined || peer === undefined) {
      stream.abort(new HearsayError('bug', 'no such link'))
      return
    }
    const { frameBytes, onFrame } = accepting
    const reader = new FrameReader({ minBytes: frameBytes, maxBytes: frameBytes })
    stream.inactivityTimeout = Number.POSITIVE_INFINITY
    stream.addEventListener('message', (event) => {
      try {
        for (const frame of reader.push(event.data.subarray())) onFrame(peer, frame)
      } catch (error) {
        stream.abort(error as Error)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => {
      stream.close().catch((error: Error) => stream.abort(error))
    })
  }
}
