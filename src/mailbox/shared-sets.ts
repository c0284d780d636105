import { type Clock, equalBytes, type NodeId, toHex } from '../base/index.ts'
import type { BoxEntry } from './box-entry.ts'
import type { BoxShelf } from './box-shelf.ts'
import { PeerBudget } from '../net/index.ts'
import {
  MAX_SHARED_ITEMS,
  MAX_SHARED_ROWS,
  MAX_SHARED_SETS,
  SHARED_SET_BURST,
  SHARED_SET_MS,
  SHARED_SET_REFILL_S,
} from './constants.ts'
import type { PlacementPort } from './ports.ts'
import { SharedSet } from './shared-set.ts'
import { DISTANCES, seenFrom, type Span } from './span.ts'

const ROWS_PER_TURN = 32

/**
 * Builds shared sets from the disk, one at a time: boxes of a day that this node and a neighbour keep, within a span of
 * distances from the asker, so that neither memory nor work grows with the day. A few are held for answering: a session
 * asks for the same set often.
 */
export class SharedSets {
  readonly #clock: Clock
  readonly #shelf: BoxShelf
  readonly #placement: PlacementPort
  readonly #onUnconfirmed: (entry: BoxEntry) => void
  readonly #answers = new Map<string, { at: number; set: Promise<SharedSet> }>()
  readonly #budget: PeerBudget
  readonly #maxItems: number
  readonly #maxRows: number
  #last: Promise<unknown> = Promise.resolve()

  /** `maxItems`, `maxRows`: see `MAX_SHARED_ITEMS`, `MAX_SHARED_ROWS`. */
  constructor(
    ports: {
      clock: Clock
      shelf: BoxShelf
      placement: PlacementPort
      /** A shared box that has to be confirmed. */
      onUnconfirmed: (entry: BoxEntry) => void
    },
    options: { readonly maxItems?: number; readonly maxRows?: number } = {},
  ) {
    this.#maxItems = options.maxItems ?? MAX_SHARED_ITEMS
    this.#maxRows = options.maxRows ?? MAX_SHARED_ROWS
    this.#clock = ports.clock
    this.#shelf = ports.shelf
    this.#placement = ports.placement
    this.#onUnconfirmed = ports.onUnconfirmed
    this.#budget = new PeerBudget(ports.clock, {
      burst: SHARED_SET_BURST,
      perSecond: 1 / SHARED_SET_REFILL_S,
    })
  }

  /** For asking a peer: the set that begins at this distance, and how far it reaches. */
  next(peer: NodeId, day: number, from: number): Promise<{ set: SharedSet; span: Span }> {
    return this.#inTurn(() => this.#buildOwn(peer, day, from))
  }

  /**
   * For a peer that asks, the set as it was at most `SHARED_SET_MS` ago; of more than twice `MAX_SHARED_ITEMS` boxes a part.
   * A stranger, who keeps nothing, gets an empty one, and every peer few.
   * @throws HearsayError `overloaded`.
   */
  async answer(peer: NodeId, day: number, span: Span): Promise<SharedSet> {
    if (!this.#placement.isKnown(peer)) return new SharedSet()
    const key = `${toHex(peer)} ${day} ${span.from} ${span.to}`
    const held = this.#held(key)
    if (held !== undefined) return held
    await this.#budget.spend(peer, 1)
    // Another request may have begun it meanwhile.
    return this.#held(key) ?? this.#begin(key, () => this.#buildTheirs(peer, day, span))
  }

  /** Sets that nobody may get any more are not kept in memory until the next one takes their room. */
  dropOld(): void {
    const before = this.#clock.monotonic() - SHARED_SET_MS
    for (const [key, { at }] of this.#answers) if (at <= before) this.#answers.delete(key)
  }

  #held(key: string): Promise<SharedSet> | undefined {
    const held = this.#answers.get(key)
    return held !== undefined && this.#clock.monotonic() - held.at < SHARED_SET_MS
      ? held.set
      : undefined
  }

  #begin(key: string, build: () => Promise<SharedSet>): Promise<SharedSet> {
    const set = this.#inTurn(build)
    set.catch(() => this.#answers.delete(key))
    this.#answers.delete(key)
    this.#answers.set(key, { at: this.#clock.monotonic(), set })
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_SHARED_SETS) break
      this.#answers.delete(oldest)
    }
    return set
  }

  #inTurn<T>(build: () => Promise<T>): Promise<T> {
    const built = this.#last.then(build)
    this.#last = built.catch(() => undefined)
    return built
  }

  async #buildOwn(
    peer: NodeId,
    day: number,
    from: number,
  ): Promise<{ set: SharedSet; span: Span }> {
    const set = new SharedSet()
    let rows = 0
    let last = from
    for await (const entry of this.#shelf.rows.kept(day, { span: { from, to: DISTANCES } })) {
      if (++rows % ROWS_PER_TURN === 0) await this.#clock.sleep(0)
      const distance = this.#placement.distance(entry.address, this.#shelf.publishedOn(entry))
      const isFull = set.size >= this.#maxItems || rows > this.#maxRows
      if (isFull && distance > last) return { set, span: { from, to: distance } }
      last = distance
      if (this.#isShared(entry, peer)) this.#add(set, entry)
    }
    return { set, span: { from, to: DISTANCES } }
  }

  async #buildTheirs(peer: NodeId, day: number, span: Span): Promise<SharedSet> {
    const set = new SharedSet()
    let rows = 0
    for (const own of seenFrom(span, this.#placement.between(peer))) {
      for await (const entry of this.#shelf.rows.kept(day, { span: own })) {
        if (++rows % ROWS_PER_TURN === 0) await this.#clock.sleep(0)
        if (this.#isShared(entry, peer)) this.#add(set, entry)
        if (set.size >= 2 * this.#maxItems || rows >= 2 * this.#maxRows) return set
      }
    }
    return set
  }

  #add(set: SharedSet, entry: BoxEntry): void {
    set.add(entry)
    if (!entry.confirmed) this.#onUnconfirmed(entry)
  }

  #isShared(entry: BoxEntry, peer: NodeId): boolean {
    const published = this.#shelf.publishedOn(entry)
    const keepers = this.#placement.keepers(entry.address, published)
    if (!keepers.some((keeper) => equalBytes(keeper, peer))) return false
    return this.#placement.isKeeper(entry.address, published)
  }
}
