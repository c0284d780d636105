import { type NodeId, toHex } from '../base/index.ts'
import { type ItemSource, ItemIndex } from '../reconcile/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'
import { CONFIRMATIONS, MAX_UNCONFIRMED } from './constants.ts'

export interface ConfirmationsPorts {
  /** Nodes in the network, this one included. */
  readonly networkSize: () => number
  /** A node of the directory: keys that anybody can make confirm nothing. */
  readonly isKnown: (peer: NodeId) => boolean
}

interface Waiting {
  readonly entry: BoxEntry
  /** Peers that are known to have the box; the first one brought it and does not count. */
  readonly peers: Set<string>
}

/**
 * Boxes that only reconciliation brought. A malicious peer can give a box to one node alone and watch for a
 * reaction; one that `CONFIRMATIONS` further peers have too is nothing special. After a restart the one that
 * brought it is forgotten: the count begins anew and needs one peer more, since any of them may be the one.
 */
export class Confirmations {
  readonly #index = new ItemIndex()
  readonly #waiting = new Map<string, Waiting>()
  readonly #ports: ConfirmationsPorts

  constructor(ports: ConfirmationsPorts) {
    this.#ports = ports
  }

  get size(): number {
    return this.#waiting.size
  }

  /** True while this box is counted. */
  has(item: string): boolean {
    return this.#waiting.has(item)
  }

  /**
   * Begins to count. Where there is no room it is left out, until it is added again. What is no longer hot gets half of the
   * room: a new keeper has a million of those, and nobody waits for them.
   */
  add(
    entry: BoxEntry,
    { isHot, origin }: { readonly isHot: boolean; readonly origin?: NodeId },
  ): void {
    if (this.#waiting.size >= (isHot ? MAX_UNCONFIRMED : MAX_UNCONFIRMED / 2)) return
    const item = itemOf(entry)
    this.#waiting.set(item, {
      entry,
      peers: new Set(origin === undefined ? [] : [toHex(origin)]),
    })
    this.#index.set(item, 0)
  }

  delete(entry: BoxEntry): void {
    const item = itemOf(entry)
    this.#waiting.delete(item)
    this.#index.delete(item)
  }

  /** `peer` has the item. Returns its entry when it needs no more; it is counted until `delete`, so that no crash loses it. */
  listed(item: string, peer: NodeId): BoxEntry | undefined {
    if (!this.#waiting.has(item)) return undefined
    return this.#allListed([item], peer)[0]
  }

  /** `peer` has all items of a range of `source`. Returns the entries that need no more, as `listed`. */
  same(prefix: string, source: ItemSource, peer: NodeId): BoxEntry[] {
    if (this.#waiting.size === 0) return []
    const items = [...this.#index.items(prefix)].filter((item) => source.includes(item))
    return items.length === 0 ? [] : this.#allListed(items, peer)
  }

  /** After an absence these are thousands: what holds for all of them is looked up once. */
  #allListed(items: readonly string[], peer: NodeId): BoxEntry[] {
    if (!this.#ports.isKnown(peer)) return []
    const [key, needed] = [toHex(peer), this.#needed()]
    return items.flatMap((item) => {
      const waiting = this.#waiting.get(item)
      if (waiting === undefined || waiting.peers.add(key).size - 1 < needed) return []
      return [waiting.entry]
    })
  }

  /**
   * At most half of the others: a network of five, of which two are away, would else show its users nothing. It is too small
   * to hide anybody.
   */
  #needed(): number {
    return Math.min(CONFIRMATIONS, Math.floor(Math.max(0, this.#ports.networkSize() - 2) / 2))
  }
}
