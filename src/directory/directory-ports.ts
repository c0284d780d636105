import type { Clock, Logger, NodeId, Rng } from '../base/index.ts'
import type { Peers, PubSub, Requests } from '../net/index.ts'
import type { SelfDescription } from './announcer.ts'
import type { NarrowStore } from './directory-store.ts'
import type { Network } from './network.ts'

export interface DirectoryPorts {
  readonly store: NarrowStore
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly pubsub: Pick<PubSub, 'subscribe' | 'publish'>
  readonly requests: Pick<Requests, 'request' | 'handle'>
  readonly peers: Pick<Peers, 'connected' | 'onChange' | 'penalise'>
  /** The node key's Ed25519 signature of a 32-byte labelled hash. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** False while this node can open no packet: it does not say that it is here then. True by default. */
  readonly canMix?: () => boolean
}

export interface DirectoryOptions {
  readonly network: Network
  readonly nodeId: NodeId
  readonly self: SelfDescription
}

/** nodes: a descriptor came, changed or went. epoch: a new epoch began. */
export type DirectoryChange =
  | { readonly kind: 'nodes' }
  | { readonly kind: 'epoch'; readonly epoch: number }
