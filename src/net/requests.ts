import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { type Clock, HearsayError, isHearsayError, type NodeId, toHex } from '../base/index.ts'
import {
  ANSWER_TIMEOUT_MS,
  MAX_ANSWERS,
  MAX_ANSWERS_TO_STRANGERS,
  MAX_FRAME_BYTES,
  MAX_REQUESTS,
  MAX_REQUESTS_PER_PEER,
  QUESTION_TIMEOUT_MS,
} from './constants.ts'
import { deadline, untilAborted } from './deadline.ts'
import { encodeFrame } from './frame-reader.ts'
import { nodeIdOf } from './node-id.ts'
import type { RequestHandlerOptions, RequestOptions, Requests } from './ports.ts'
import { protocolId } from './protocol-id.ts'
import { readOnlyFrame } from './stream-frame.ts'

export interface RequestsPorts {
  clock: Clock
  /** Present while the net runs. */
  libp2p(): Libp2p | undefined
  /** An open connection, dialled if need be. @throws HearsayError `peer-unreachable`. */
  connect(peer: NodeId, signal: AbortSignal): Promise<Connection>
  /** A bootstrap, or a node of the directory. */
  isKnown(peer: NodeId): boolean
}

/** What the answers of one protocol cost. */
export interface AnswerOptions extends RequestHandlerOptions {
  /** Answered also when everything else is busy: of no cost, and what this node waits for itself. */
  readonly isAwaited?: boolean
}

/** As RequestHandler, with the connection over which the question came. */
export type ConnectionHandler = (
  peer: NodeId,
  payload: Uint8Array,
  connection: Connection,
) => Promise<Uint8Array>

/**
 * Requests over libp2p streams: one frame there, one frame back, both lengths checked before allocation,
 * everything bounded by a deadline of the Clock and by counts per peer and in total.
 */
export class StreamRequests implements Requests {
  readonly #ports: RequestsPorts
  readonly #networkTag: string
  readonly #handlers = new Map<string, RegisteredHandler>()
  readonly #asking = new Counter()
  readonly #answering = new Counter()
  readonly #strangers = new Counter()

  constructor(ports: RequestsPorts, options: { networkTag: string }) {
    this.#ports = ports
    this.#networkTag = options.networkTag
  }

  handle(protocol: string, options: AnswerOptions, handler: ConnectionHandler): void {
    const id = protocolId(this.#networkTag, protocol)
    if (this.#handlers.has(id) || options.maxRequestBytes > MAX_FRAME_BYTES) {
      throw new HearsayError('bug', 'request handler cannot be registered', { protocol })
    }
    const registered = { id, options, handler }
    this.#handlers.set(id, registered)
    const running = this.#ports.libp2p()
    // Ids are unique here, so this fails only when the net is stopping.
    if (running !== undefined) this.#register(running, registered).catch(() => undefined)
  }

  /** Registers the handlers that were set before the net started. */
  async start(libp2p: Libp2p): Promise<void> {
    for (const registered of this.#handlers.values()) await this.#register(libp2p, registered)
  }

  async request(
    peer: NodeId,
    protocol: string,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    const connect = (signal: AbortSignal) => this.#ports.connect(peer, signal)
    return await this.#ask(toHex(peer), connect, protocol, payload, options)
  }

  /** As `request`, over this connection and no other. */
  async requestOn(
    connection: Connection,
    protocol: string,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    const key = connection.remotePeer.toString()
    return await this.#ask(key, async () => connection, protocol, payload, options)
  }

  async #ask(
    key: string,
    connect: (signal: AbortSignal) => Promise<Connection>,
    protocol: string,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    const id = protocolId(this.#networkTag, protocol)
    if (payload.length > MAX_FRAME_BYTES || options.maxResponseBytes > MAX_FRAME_BYTES) {
      throw new HearsayError('too-large', 'request above the frame limit')
    }
    if (options.signal?.aborted) throw new HearsayError('aborted', 'request aborted')
    if (!this.#asking.enter(key, MAX_REQUESTS_PER_PEER, MAX_REQUESTS)) {
      throw new HearsayError('overloaded', 'too many requests in flight')
    }
    const limit = deadline(this.#ports.clock, options.timeoutMs, options.signal)
    let stream: Stream | undefined
    try {
      const connection = await connect(limit.signal)
      const opening = connection.newStream(id, { signal: limit.signal })
      opening.then(
        (opened) => {
          if (limit.signal.aborted) opened.abort(limit.signal.reason as Error)
        },
        () => undefined,
      )
      stream = await untilAborted(opening, limit.signal)
      const answer = readOnlyFrame(stream, options.maxResponseBytes, limit.signal)
      answer.catch(() => undefined)
      stream.send(encodeFrame(payload))
      await untilAborted(stream.close({ signal: limit.signal }), limit.signal)
      return await answer
    } catch (error) {
      const failure = requestFailure(error, limit.signal)
      stream?.abort(failure)
      throw failure
    } finally {
      limit.clear()
      this.#asking.leave(key)
    }
  }

  async #register(libp2p: Libp2p, registered: RegisteredHandler): Promise<void> {
    const perPeer = registered.options.maxConcurrentPerPeer
    await libp2p.handle(
      registered.id,
      // `#answer` attaches its listener before its first await, in the turn in which the stream arrives.
      async (stream, connection) => await this.#answer(registered, stream, connection),
      { maxInboundStreams: perPeer + 1, maxOutboundStreams: MAX_REQUESTS_PER_PEER + 1 },
    )
  }

  async #answer(
    { options, handler }: RegisteredHandler,
    stream: Stream,
    connection: Connection,
  ): Promise<void> {
    const peer = nodeIdOf(connection.remotePeer)
    const leave = peer === undefined ? undefined : this.#enter(peer, stream.protocol, options)
    if (peer === undefined || leave === undefined) {
      stream.abort(new HearsayError('overloaded', 'too many requests'))
      return
    }
    const limit = deadline(this.#ports.clock, ANSWER_TIMEOUT_MS)
    // Whoever opens a stream and says nothing holds a place for the shorter time only.
    const arrival = deadline(this.#ports.clock, QUESTION_TIMEOUT_MS, limit.signal)
    try {
      const payload = await readOnlyFrame(stream, options.maxRequestBytes, arrival.signal)
      arrival.clear()
      const response = await untilAborted(handler(peer, payload, connection), limit.signal)
      if (response.length > MAX_FRAME_BYTES) throw new HearsayError('bug', 'response too large')
      stream.send(encodeFrame(response))
      await untilAborted(stream.close({ signal: limit.signal }), limit.signal)
    } catch (error) {
      stream.abort(error instanceof Error ? error : new HearsayError('bug', 'handler failed'))
    } finally {
      arrival.clear()
      limit.clear()
      leave()
    }
  }

  /** A place among the answers under way, and how to give it back; undefined when there is none for this peer. */
  #enter(peer: NodeId, protocol: string, options: AnswerOptions): (() => void) | undefined {
    const key = `${protocol} ${toHex(peer)}`
    const isStranger = !this.#ports.isKnown(peer)
    const total = options.isAwaited === true ? Number.POSITIVE_INFINITY : MAX_ANSWERS
    if (isStranger && !this.#strangers.enter('', MAX_ANSWERS_TO_STRANGERS, total)) return undefined
    if (this.#answering.enter(key, options.maxConcurrentPerPeer, total)) {
      return () => {
        this.#answering.leave(key)
        if (isStranger) this.#strangers.leave('')
      }
    }
    if (isStranger) this.#strangers.leave('')
    return undefined
  }
}

interface RegisteredHandler {
  id: string
  options: AnswerOptions
  handler: ConnectionHandler
}

function requestFailure(error: unknown, signal: AbortSignal): HearsayError {
  if (signal.aborted) {
    return isHearsayError(signal.reason, 'timeout')
      ? signal.reason
      : new HearsayError('aborted', 'request aborted')
  }
  if (isHearsayError(error, 'peer-unreachable') || isHearsayError(error, 'network-mismatch')) {
    return error
  }
  if (isHearsayError(error, 'not-running')) return error
  return new HearsayError('request-failed', 'request refused or broken off', {}, error)
}

/** Counts what is under way, per key and in total, and refuses what would exceed either bound. */
class Counter {
  readonly #perKey = new Map<string, number>()
  #total = 0

  enter(key: string, maxPerKey: number, maxTotal: number): boolean {
    const count = this.#perKey.get(key) ?? 0
    if (count >= maxPerKey || this.#total >= maxTotal) return false
    this.#perKey.set(key, count + 1)
    this.#total += 1
    return true
  }

  leave(key: string): void {
    const count = this.#perKey.get(key) ?? 0
    if (count <= 1) this.#perKey.delete(key)
    else this.#perKey.set(key, count - 1)
    this.#total -= 1
  }
}
