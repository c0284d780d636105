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

/** Frames of one size on one persistent stream per neighbour and protocol (design: no dial per packet). */
export interface Links {
  /** Receives frames of exactly `frameBytes`; any other length resets the link. */
  accept(
    protocol: string,
    options: { frameBytes: number },
    onFrame: (peer: NodeId, frame: Uint8Array) => void,
  ): void
  /** Opens the link when needed. Calling it for an open link does nothing. */
  open(peer: NodeId, protocol: string): Promise<void>
  /** Sends at once on an open link; false when there is no link or its buffer is full. Never waits. */
  send(peer: NodeId, protocol: string, frame: Uint8Array): boolean
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
