import type { Address, BoxBytes, NodeId } from '../base/index.ts'

export interface BoxHeader {
  expiryDay: number
  address: Address
}

/** What gossip needs to know of boxes: the pure functions of `stream`. */
export interface BoxPort {
  /** Undefined for an unknown version. Costs nothing. */
  header(box: BoxBytes): BoxHeader | undefined
  hash(box: BoxBytes): Uint8Array
  /** The one verifier: address point, canonical encoding, signature. */
  verify(box: BoxBytes): boolean
}

/** Hashes of the boxes that this node and others hold under an address, at most two. */
export interface KnownBoxes {
  lookup(address: Address): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
}

/**
 * 'yes' only for a node whose key was checked as a point of prime order, as directories do with descriptors.
 * 'unknown': the directory has not heard of the node, or has no set for that epoch.
 */
export type CourierAnswer = 'yes' | 'no' | 'unknown'

export interface Couriers {
  isCourier(node: NodeId, epoch: number): CourierAnswer
  /** Publications that the courier may make in the epoch: expected load plus slack. */
  quota(node: NodeId, epoch: number): number
}

/** Durable memory of the counters that this node has given itself leave to use. */
export interface CounterStore {
  /** First counter of the epoch that was never reserved in this store: 0 for a new epoch. */
  next(epoch: number): Promise<number>
  /** Resolves when it is on disk that `from` to `from + count - 1` may be in use. */
  reserve(epoch: number, from: number, count: number): Promise<void>
}

/** The node key. The message is a labelled hash, never bytes that a peer chose. */
export interface CourierKey {
  nodeId: NodeId
  sign(message: Uint8Array): Uint8Array
}

export interface PeerBlame {
  penalise(peer: NodeId, points: number): void
}

/** Epochs of the network as a function of time. */
export interface EpochClock {
  epochAt(timeMs: number): number
}
