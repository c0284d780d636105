import type { BoxBytes, NodeId } from '../base/index.ts'
import type { Layers, MixPlace } from './route.ts'

/** A mix of an epoch with its key of the present key epoch. */
export interface MixNode extends MixPlace {
  /** Public key of the network's suite. */
  readonly publicKey: Uint8Array
}

/** What the mix knows of the network: the same for all nodes that heard the same descriptors. */
export interface MixDirectory {
  readonly self: MixPlace
  /**
   * The mixes of the layer epoch of `time` (wall clock, ms), one list per layer, without those that are away or have
   * no key for its key epoch. Undefined while a layer is empty. The same object until something changes.
   */
  layers(time: number): Layers<MixNode> | undefined
  /** The same of the coming layer epoch, ids only, for links that must stand when it begins. */
  nextMixes(): readonly (readonly NodeId[])[]
  /** Every node that packets may be handed to. */
  nodes(): readonly NodeId[]
  isKnown(node: NodeId): boolean
}

/** How a courier brings a box into gossip. Throws or resolves; what it does is not told to the writer's route. */
export interface PublishPort {
  publish(box: BoxBytes): Promise<unknown>
}

/** What this node answers as a keeper: exactly `SEALED_ANSWER_BYTES`, also when it has or understands nothing. */
export interface KeeperPort {
  answer(sealedRequest: Uint8Array): Promise<Uint8Array>
}

/** One question to one keeper, opaque to the courier. */
export interface KeeperAsk {
  readonly keeper: NodeId
  /** `SEALED_REQUEST_BYTES`. */
  readonly sealed: Uint8Array
  /** `SEALED_ANSWER_BYTES`, or undefined when none came in time. Called once. */
  settle(answer: Uint8Array | undefined): void
}

/** The source of real work, injected into the emitter. */
export interface SlotWork {
  /** Conversation work that arrivals asked for: begun by the slot, never by an arrival. */
  work(signal: AbortSignal): Promise<void>
  /** The next box to publish, bound as late as possible; undefined when there is none. */
  nextBox(): Promise<BoxBytes | undefined>
  /** What became of a box that `nextBox` gave out: whether any copy of it left. Called once for each. */
  published(box: BoxBytes, hasLeft: boolean): Promise<void>
  /** A fresh cover box for today. */
  coverBox(): BoxBytes
  /**
   * The next question to a keeper: one that somebody waits for, if it may leave now, else one about a box that
   * everybody has heard. Undefined when there is no keeper to ask.
   */
  nextAsk(mayBeReal: boolean): KeeperAsk | undefined
}

/** What a packet asks of its courier. */
export type RequestKind = 'publish' | 'fetch' | 'echo'

/** A packet of this node's own as it leaves: only tests listen. */
export interface Emission {
  readonly slot: number
  readonly kind: RequestKind
  /** Monotonic time drawn for it, and of the write, milliseconds. */
  readonly dueAt: number
  readonly sentAt: number
  readonly to: NodeId
}
