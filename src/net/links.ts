import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { type Clock, HearsayError, isHearsayError, type NodeId, toHex } from '../base/index.ts'
import { DIAL_TIMEOUT_MS, LINK_BUFFER_BYTES, LINK_CLOSE_MS } from './constants.ts'
import { deadline, untilAborted } from './deadline.ts'
import { encodeFrame } from './frame-reader.ts'
import { LinkReceiver, type OnFrame } from './link-receiver.ts'
import type { Links } from './ports.ts'
import { protocolId } from './protocol-id.ts'

export interface StreamLinksPorts {
  clock: Clock
  libp2p(): Libp2p | undefined
  connect(peer: NodeId, signal: AbortSignal): Promise<Connection>
}

interface Opening {
  readonly done: Promise<void>
  cancel(): void
}

/**
 * One outgoing stream per neighbour and protocol, kept open. `send` never waits: a neighbour that does not
 * read loses frames once LINK_BUFFER_BYTES are queued, and our memory stays bounded without `onDrain`,
 * which resolves at once after its first use.
 */
export class StreamLinks implements Links {
  readonly #ports: StreamLinksPorts
  readonly #networkTag: string
  readonly #receivers = new Map<string, LinkReceiver>()
  readonly #open = new Map<string, Stream>()
  readonly #opening = new Map<string, Opening>()

  constructor(ports: StreamLinksPorts, options: { networkTag: string }) {
    this.#ports = ports
    this.#networkTag = options.networkTag
  }

  accept(protocol: string, options: { frameBytes: number }, onFrame: OnFrame): void {
    const id = protocolId(this.#networkTag, protocol)
    if (this.#receivers.has(id)) {
      throw new HearsayError('bug', 'link protocol is taken', { protocol })
    }
    const receiver = new LinkReceiver({ onFrame }, options)
    this.#receivers.set(id, receiver)
    const running = this.#ports.libp2p()
    // Ids are unique here, so this fails only when the net is stopping.
    if (running !== undefined) this.#register(running, id, receiver).catch(() => undefined)
  }

  async start(libp2p: Libp2p): Promise<void> {
    for (const [id, receiver] of this.#receivers) await this.#register(libp2p, id, receiver)
  }

  isOpen(peer: NodeId, protocol: string): boolean {
    return this.#open.get(linkKey(peer, protocol))?.writeStatus === 'writable'
  }

  async open(peer: NodeId, protocol: string): Promise<void> {
    if (this.isOpen(peer, protocol)) return
    const key = linkKey(peer, protocol)
    await (this.#opening.get(key) ?? this.#startOpening(peer, protocol, key)).done
  }

  send(peer: NodeId, protocol: string, frame: Uint8Array): boolean {
    const stream = this.#open.get(linkKey(peer, protocol))
    if (stream === undefined || stream.writeStatus !== 'writable') return false
    if (stream.writeBufferLength + frame.length > LINK_BUFFER_BYTES) return false
    try {
      // Copied, so that the caller keeps its frame while ours waits in the queue.
      stream.send(encodeFrame(frame))
      return true
    } catch {
      return false
    }
  }

  close(peer: NodeId, protocol: string): void {
    const key = linkKey(peer, protocol)
    this.#opening.get(key)?.cancel()
    this.#opening.delete(key)
    const stream = this.#open.get(key)
    this.#open.delete(key)
    if (stream !== undefined) this.#end(stream)
  }

  /** What is queued still leaves; a neighbour that does not read does not hold the stream for long. */
  #end(stream: Stream): void {
    const limit = deadline(this.#ports.clock, LINK_CLOSE_MS)
    untilAborted(stream.close({ signal: limit.signal }), limit.signal)
      .catch((error: Error) => stream.abort(error))
      .finally(() => limit.clear())
  }

  #startOpening(peer: NodeId, protocol: string, key: string): Opening {
    const cancelled = new AbortController()
    const opening: Opening = {
      done: this.#openNew(peer, protocol, key, cancelled.signal).finally(() => {
        if (this.#opening.get(key) === opening) this.#opening.delete(key)
      }),
      cancel: () => cancelled.abort(new HearsayError('aborted', 'link closed while it opened')),
    }
    this.#opening.set(key, opening)
    return opening
  }

  async #openNew(
    peer: NodeId,
    protocol: string,
    key: string,
    cancelled: AbortSignal,
  ): Promise<void> {
    const limit = deadline(this.#ports.clock, DIAL_TIMEOUT_MS, cancelled)
    try {
      const connection = await this.#ports.connect(peer, limit.signal)
      const id = protocolId(this.#networkTag, protocol)
      const opening = connection.newStream(id, { signal: limit.signal, maxOutboundStreams: 2 })
      opening.then(
        (opened) => {
          if (limit.signal.aborted) opened.abort(limit.signal.reason as Error)
          else this.#keep(key, opened)
        },
        () => undefined,
      )
      await untilAborted(opening, limit.signal)
    } catch (error) {
      throw isHearsayError(error)
        ? error
        : new HearsayError('request-failed', 'link refused or broken off', {}, error)
    } finally {
      limit.clear()
    }
  }

  #keep(key: string, stream: Stream): void {
    stream.inactivityTimeout = Number.POSITIVE_INFINITY
    stream.addEventListener('close', () => {
      if (this.#open.get(key) === stream) this.#open.delete(key)
    })
    // Nothing is said on the way back; a listener keeps the read buffer from filling.
    stream.addEventListener('message', () => stream.abort(new Error('unexpected data on a link')))
    this.#open.set(key, stream)
  }

  async #register(libp2p: Libp2p, id: string, receiver: LinkReceiver): Promise<void> {
    await libp2p.handle(id, (stream, { remotePeer }) => receiver.receive(stream, remotePeer), {
      maxInboundStreams: 2,
      maxOutboundStreams: 2,
    })
  }
}

function linkKey(peer: NodeId, protocol: string): string {
  return `${protocol} ${toHex(peer)}`
}
