import type { Address, BoxBytes, NodeId } from '../base/index.ts'
import type { BoxEntry } from './box-entry.ts'

/** Who keeps what: pure functions of the directory. `day` is the UTC day of publishing. */
export interface PlacementPort {
  /** Nearest first. */
  keepers(address: Address, day: number): readonly NodeId[]
  /** True when this node is among them. */
  isKeeper(address: Address, day: number): boolean
  /** 0 (near) to 65535: the first two bytes of the XOR distance from this node. */
  distance(address: Address, day: number): number
  /** The nodes whose ranges overlap with this node's, this node not included. */
  neighbours(): readonly NodeId[]
  /** The node that keeps the box when this node goes: the next nearest. */
  successor(address: Address, day: number): NodeId | undefined
  /** Nodes in the network, this one included. */
  size(): number
  /** True for a node of the directory. */
  isKnown(node: NodeId): boolean
  /** X25519 key for what is sealed to a node, 32 bytes; undefined for one that is not known. */
  requestKey(node: NodeId): Uint8Array | undefined
  /**
   * Whose share of the epoch's publications a box of `day` counts against; undefined when no honest clock shows
   * that day in that epoch.
   */
  share(courier: NodeId, epoch: number, day: number): Share | undefined
}

export interface Share {
  readonly pool: string
  /** Publications of the pool in one epoch, at most. */
  readonly limit: number
  /** ms: no honest clock shows the epoch after it. */
  readonly until: number
}

/** Publications as gossip defines them. */
export interface PublicationPort {
  /** The box inside, a view; undefined for anything malformed. Costs nothing. */
  boxOf(publication: Uint8Array): BoxBytes | undefined
  /** Who says to have published it, and in which epoch: true when `isSigned`. */
  courierOf(
    publication: Uint8Array,
  ): { readonly courier: NodeId; readonly epoch: number } | undefined
  /** A courier of this network signed it. Says nothing of the time. */
  isSigned(publication: Uint8Array): boolean
}

/** Who brought a box. Only gossip has checked it before. */
export type Source = 'gossip' | 'reconcile' | 'handoff'

/** Why a box was not taken. */
export type DropReason =
  | 'malformed'
  | 'expired'
  | 'future'
  | 'known'
  | 'third'
  | 'forged'
  | 'misdated'
  | 'quota'
  | 'not-keeper'
  | 'overloaded'
  | 'full'

export type TakeOutcome =
  | {
      readonly kind: 'kept'
      readonly entry: BoxEntry
    }
  | {
      readonly kind: 'dropped'
      readonly reason: DropReason
      /** A known box that gossip has confirmed just now. */
      readonly confirmed?: BoxEntry
    }

/** What `take` reports of a box that is now on disk. */
export type Kept = Extract<TakeOutcome, { kind: 'kept' }>
