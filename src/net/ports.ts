import type { NodeId } from '../base/index.ts'

/** accept: deliver and forward. ignore: drop without blame. reject: drop and lower the peer's score. */
export type Verdict = 'accept' | 'ignore' | 'reject'

export interface TopicHandler {
  /** Decides before the message is delivered or forwarded. A throw counts as `ignore`. */
  validate(message: Uint8Array, from: NodeId): Verdict | Promise<Verdict>
  /** Must depend on every byte: an id over a part lets garbage silence the rest (SPEC.md §3). */
  messageId(message: Uint8Array): Uint8Array
  /**
   * Called once per accepted message of another node, never for own publications, with the very array that
   * `validate` accepted.
   */
  handle(message: Uint8Array, from: NodeId): void
}

/** Gossip topics. Which topics exist, their sizes and scoring are fixed when the net is created. */
export interface PubSub {
  /** @throws HearsayError `bug` for a topic that was not declared or already has a handler. */
  subscribe(topic: string, handler: TopicHandler): void
  /** Resolves with the number of peers it was sent to; 0 when nobody is subscribed. */
  publish(topic: string, message: Uint8Array): Promise<number>
  meshPeers(topic: string): number
}

export interface RequestOptions {
  maxResponseBytes: number
  timeoutMs: number
  signal?: AbortSignal
}

export interface RequestHandlerOptions {
  maxRequestBytes: number
  maxConcurrentPerPeer: number
}

/** A handler that throws resets the stream; the requester gets `request-failed`, without a reason. */
export type RequestHandler = (peer: NodeId, payload: Uint8Array) => Promise<Uint8Array>

/** One question, one answer, on a stream of its own. */
export interface Requests {
  /**
   * Dials when there is no connection and the peer's addresses are known.
   * @throws HearsayError `timeout`, `aborted`, `overloaded` (our own bounds), `peer-unreachable`,
   * `request-failed` (refused, reset or malformed).
   */
  request(
    peer: NodeId,
    protocol: string,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>
  /** `protocol` is a short name such as `mailbox/fetch`. Set before the net starts or later. */
  handle(protocol: string, options: RequestHandlerOptions, handler: RequestHandler): void
}

/**
 * Frames of one size on one persistent stream per neighbour, protocol and direction (design: no dial per packet).
 * A link that broke is not open; its owner opens it again. Frames may be lost, never reordered, cut or repeated.
 */
export interface Links {
  /**
   * Receives frames of exactly `frameBytes`, each owned by the receiver; any other length resets the link, and so
   * does a throw. Of one peer the newest link alone is read.
   * @throws HearsayError `bug` when the protocol is taken.
   */
  accept(
    protocol: string,
    options: { frameBytes: number },
    onFrame: (peer: NodeId, frame: Uint8Array) => void,
  ): void
  /**
   * Resolves when the link is open; at once when it was. Uses the connection that is there, whoever dialled it, and
   * dials when there is none and the directory knows addresses.
   * @throws HearsayError `peer-unreachable`, `network-mismatch`, `timeout`, `aborted` (closed meanwhile),
   * `request-failed` (the peer takes no such link), `not-running`.
   */
  open(peer: NodeId, protocol: string): Promise<void>
  /** True while `send` has a stream to write to. The neighbour may be gone without a word for a while. */
  isOpen(peer: NodeId, protocol: string): boolean
  /**
   * Sends a copy at once on an open link; false when there is no link or LINK_BUFFER_BYTES would be queued on it.
   * Never waits, never opens. The length of the frame is the receiver's rule: it is not checked here.
   */
  send(peer: NodeId, protocol: string, frame: Uint8Array): boolean
  /** Ends our outgoing stream after what is queued; the connection and the peer's own link stay. */
  close(peer: NodeId, protocol: string): void
}

export interface PeerChange {
  nodeId: NodeId
  up: boolean
}

export interface Peers {
  connected(): NodeId[]
  /** Returns the function that ends the subscription. */
  onChange(listener: (change: PeerChange) => void): () => void
  /** @throws HearsayError `peer-unreachable` or `network-mismatch`. */
  dial(nodeId: NodeId, addresses: readonly string[]): Promise<void>
  disconnect(nodeId: NodeId): Promise<void>
  /** Lowers the gossip score by `points`, fading with PENALTY_HALF_LIFE_MS. 80 graylists. */
  penalise(nodeId: NodeId, points: number): void
}

export interface Kademlia {
  /** Nodes closest to SHA-256(`key`), the caller not included, nearest first. */
  closest(key: Uint8Array, signal: AbortSignal): Promise<NodeId[]>
}

/** Whether others can dial this node, as far as it was told or has found out. */
export type Reachability = 'unknown' | 'reachable' | 'unreachable'

/**
 * Why a node is unreachable. `closed`: nobody answers at its addresses. `elsewhere`: others see it come from a host
 * that is none of its addresses. `no-address`: it listens nowhere. `configured`: its owner said so.
 */
export type Hindrance = 'closed' | 'elsewhere' | 'no-address' | 'configured'

/** A node that may be dialled: from the directory. */
export interface DialTarget {
  nodeId: NodeId
  addresses: readonly string[]
}

/** Score counters of one topic; `gossip` derives them from the expected rate. */
export interface TopicScoring {
  /** Seconds of traffic the counters remember. */
  memorySeconds: number
  /** Share of the topic's messages that a mesh peer must bring, first or near-first; 0 turns it off. */
  meshShare: number
  /** Counter above which the demand does not rise, in messages per memory. */
  meshShareCap: number
  /** Points for a mesh peer that brings nothing at all; negative. */
  silentPoints: number
  /** Points per message that was first heard from the peer, and the cap of their sum. */
  firstPoints: number
  firstPointsCap: number
  /** Points for the square of the number of rejected messages; negative. */
  invalidPoints: number
}

export interface TopicPlan {
  topic: string
  maxMessageBytes: number
  scoring: TopicScoring
}
