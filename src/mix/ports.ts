import type { Address, BoxBytes } from '../base/index.ts'

/**
 * How a box leaves this node. Today the node publishes it into gossip itself; routes through the mix will
 * implement the same port, and nothing above it changes.
 */
export interface PublishPort {
  /** Resolves with the number of peers that took it; 0 means that it has not left. */
  publish(box: BoxBytes): Promise<{ readonly peers: number }>
}

export type FetchResult =
  | { readonly status: 'found'; readonly boxes: readonly BoxBytes[] }
  /** Enough keepers said so; one keeper's word is never enough. */
  | { readonly status: 'not-found' }
  | { readonly status: 'unreachable' }

/** How an old box is asked for. Today keepers are asked directly; later through the mix. */
export interface FetchPort {
  fetch(address: Address, day: number, signal: AbortSignal): Promise<FetchResult>
}

/** What a node wants to fetch, decided by its conversations and taken at the pace of the slots. */
export interface FetchJob {
  readonly address: Address
  /** UTC day of publishing, days since 1970. */
  readonly day: number
  /** Called once, also when the node stops meanwhile. */
  done(result: FetchResult): void
}

/** The source of real work, injected into the slot clock. */
export interface SlotWork {
  /** Conversation work that arrivals asked for: begun by the slot, never by an arrival. */
  work(signal: AbortSignal): Promise<void>
  /** The next box to publish, bound as late as possible; undefined when there is none. */
  nextBox(): Promise<BoxBytes | undefined>
  /** What became of a box that `nextBox` gave out; 0 peers when it has not left. Called once for each. */
  published(box: BoxBytes, peers: number): Promise<void>
  nextFetch(): FetchJob | undefined
}
