import { HearsayError, type NodeId, toHex } from '../../src/base/index.ts'
import type {
  Links,
  RequestHandler,
  RequestHandlerOptions,
  RequestOptions,
  Requests,
} from '../../src/net/index.ts'
import type { MemoryNetwork, MemoryNode } from './memory-net.ts'

export class MemoryRequests implements Requests {
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #handlers = new Map<
    string,
    { options: RequestHandlerOptions; handler: RequestHandler; busy: Map<string, number> }
  >()

  constructor(network: MemoryNetwork, node: MemoryNode) {
    this.#network = network
    this.#node = node
  }

  /** Protocols that are answered, with their limits. */
  get protocols(): ReadonlyMap<string, RequestHandlerOptions> {
    return new Map([...this.#handlers].map(([name, { options }]) => [name, options]))
  }

  handle(protocol: string, options: RequestHandlerOptions, handler: RequestHandler): void {
    if (this.#handlers.has(protocol)) throw new HearsayError('bug', 'protocol has a handler')
    this.#handlers.set(protocol, { options, handler, busy: new Map() })
  }

  request(
    peer: NodeId,
    protocol: string,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const fail = (error: HearsayError) => {
        finish()
        reject(error)
      }
      const onAbort = () => fail(new HearsayError('aborted', 'request aborted'))
      const timer = this.#network.clock.setTimer(options.timeoutMs, () =>
        fail(new HearsayError('timeout', 'deadline passed', { ms: options.timeoutMs })),
      )
      const finish = () => {
        timer.cancel()
        options.signal?.removeEventListener('abort', onAbort)
      }
      if (options.signal?.aborted) {
        onAbort()
        return
      }
      options.signal?.addEventListener('abort', onAbort, { once: true })
      const target = this.#network.find(peer)
      if (target === undefined || !this.#network.isLinked(this.#node, target)) {
        fail(new HearsayError('peer-unreachable', 'no link'))
        return
      }
      const refused = () => fail(new HearsayError('request-failed', 'request refused'))
      const question = { kind: 'request', name: protocol, bytes: payload } as const
      this.#network.send(this.#node, target, question, () => {
        void target.requests.answer(this.#node.nodeId, protocol, payload.slice()).then(
          (response) => {
            const answer = { kind: 'response', name: protocol, bytes: response } as const
            this.#network.send(target, this.#node, answer, () => {
              if (response.length > options.maxResponseBytes) return refused()
              finish()
              resolve(response.slice())
            })
          },
          () => this.#network.deliver(target, this.#node, refused),
        )
      })
    })
  }

  async answer(from: NodeId, protocol: string, payload: Uint8Array): Promise<Uint8Array> {
    const registered = this.#handlers.get(protocol)
    const key = toHex(from)
    const busy = registered?.busy.get(key) ?? 0
    if (
      registered === undefined ||
      payload.length > registered.options.maxRequestBytes ||
      busy >= registered.options.maxConcurrentPerPeer
    ) {
      throw new HearsayError('request-failed', 'request refused')
    }
    registered.busy.set(key, busy + 1)
    try {
      return await registered.handler(from, payload)
    } finally {
      registered.busy.set(key, (registered.busy.get(key) ?? 1) - 1)
    }
  }
}

export class MemoryLinks implements Links {
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #accepting = new Map<
    string,
    { frameBytes: number; onFrame: (peer: NodeId, frame: Uint8Array) => void }
  >()
  /** By protocol, the peers in hex to which a link is open. */
  readonly #open = new Map<string, Set<string>>()
  #isWatching = false

  constructor(network: MemoryNetwork, node: MemoryNode) {
    this.#network = network
    this.#node = node
  }

  accept(
    protocol: string,
    options: { frameBytes: number },
    onFrame: (peer: NodeId, frame: Uint8Array) => void,
  ): void {
    if (this.#accepting.has(protocol)) throw new HearsayError('bug', 'link protocol is taken')
    this.#accepting.set(protocol, { ...options, onFrame })
  }

  isOpen(peer: NodeId, protocol: string): boolean {
    return this.#open.get(protocol)?.has(toHex(peer)) === true
  }

  async open(peer: NodeId, protocol: string): Promise<void> {
    this.#watch()
    const target = this.#network.find(peer)
    if (target === undefined || !this.#network.isLinked(this.#node, target)) {
      throw new HearsayError('peer-unreachable', 'no link')
    }
    if (!target.links.#accepting.has(protocol)) {
      throw new HearsayError('request-failed', 'link refused')
    }
    const peers = this.#open.get(protocol) ?? new Set()
    this.#open.set(protocol, peers.add(toHex(peer)))
  }

  send(peer: NodeId, protocol: string, frame: Uint8Array): boolean {
    const target = this.#network.find(peer)
    if (target === undefined || !this.isOpen(peer, protocol)) return false
    const copy = frame.slice()
    this.#network.send(this.#node, target, { kind: 'frame', name: protocol, bytes: copy }, () => {
      const accepting = target.links.#accepting.get(protocol)
      if (accepting?.frameBytes === copy.length) accepting.onFrame(this.#node.nodeId, copy)
      else this.#network.deliver(target, this.#node, () => this.close(peer, protocol))
    })
    return true
  }

  close(peer: NodeId, protocol: string): void {
    this.#open.get(protocol)?.delete(toHex(peer))
  }

  /** Links go with the connection; at the first link, for the node has no `peers` yet when this is made. */
  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    this.#node.peers.onChange(({ nodeId, up }) => {
      if (!up) for (const peers of this.#open.values()) peers.delete(toHex(nodeId))
    })
  }
}
