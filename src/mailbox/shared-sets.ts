import { type Clock, equalBytes, type NodeId, toHex } from '../base/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'
import type { BoxShelf } from './box-shelf.ts'
import { PeerBudget } from '../net/index.ts'
import {
  MAX_SHARED_SETS,
  SHARED_SET_BURST,
  SHARED_SET_MS,
  SHARED_SET_REFILL_S,
} from './constants.ts'
import type { PlacementPort } from './ports.ts'
import { SharedSet } from './shared-set.ts'

const ROWS_PER_TURN = 32

interface Held {
  /** Monotonic ms. */
  readonly at: number
  readonly set: Promise<SharedSet>
  built?: SharedSet
}

/** Builds shared sets from the disk, one at a time, and holds a few: a session asks for the same set often. */
export class SharedSets {
  readonly #clock: Clock
  readonly #shelf: BoxShelf
  readonly #placement: PlacementPort
  readonly #onUnconfirmed: (entry: BoxEntry) => void
  readonly #sets = new Map<string, Held>()
  /** Items of boxes that have gone since the set that is being built was begun: it may list them all the same. */
  #gone: Set<string> | undefined
  readonly #budget: PeerBudget
  #last: Promise<unknown> = Promise.resolve()

  constructor(ports: {
    clock: Clock
    shelf: BoxShelf
    placement: PlacementPort
    /** A shared box that has to be confirmed. */
    onUnconfirmed: (entry: BoxEntry) => void
  }) {
    this.#clock = ports.clock
    this.#shelf = ports.shelf
    this.#placement = ports.placement
    this.#onUnconfirmed = ports.onUnconfirmed
    this.#budget = new PeerBudget(ports.clock, {
      burst: SHARED_SET_BURST,
      perSecond: 1 / SHARED_SET_REFILL_S,
    })
  }

  /**
   * `get` for a peer that asks. A set costs a pass over the boxes of a day: a stranger, who keeps nothing, gets an
   * empty one, and every peer few.
   * @throws HearsayError `overloaded`.
   */
  async answer(peer: NodeId, day: number): Promise<SharedSet> {
    if (!this.#placement.isKnown(peer)) return new SharedSet()
    if (this.#held(peer, day) === undefined) await this.#budget.spend(peer, 1)
    return this.get(peer, day)
  }

  /** The set as it was at most `SHARED_SET_MS` ago. */
  get(peer: NodeId, day: number): Promise<SharedSet> {
    const held = this.#held(peer, day)
    if (held !== undefined) return held
    const key = keyOf(peer, day)
    const build = async (): Promise<SharedSet> => {
      const gone = new Set<string>()
      this.#gone = gone
      try {
        const built = await this.#build(peer, day)
        for (const item of gone) built.delete(item)
        entry.built = built
        return built
      } finally {
        this.#gone = undefined
      }
    }
    const set = this.#last.then(build, build)
    const entry: Held = { at: this.#clock.monotonic(), set }
    this.#last = set.then(
      () => undefined,
      () => this.#sets.delete(key),
    )
    this.#sets.delete(key)
    this.#sets.set(key, entry)
    for (const oldest of this.#sets.keys()) {
      if (this.#sets.size <= MAX_SHARED_SETS) break
      this.#sets.delete(oldest)
    }
    return set
  }

  /** The box is here no more: a set must not go on promising it. */
  forget(entry: BoxEntry): void {
    if (this.#sets.size === 0) return
    const item = itemOf(entry)
    for (const { built } of this.#sets.values()) built?.delete(item)
    this.#gone?.add(item)
  }

  /** Sets that nobody may get any more are not kept in memory until the next one takes their room. */
  dropOld(): void {
    const before = this.#clock.monotonic() - SHARED_SET_MS
    for (const [key, { at }] of this.#sets) if (at <= before) this.#sets.delete(key)
  }

  #held(peer: NodeId, day: number): Promise<SharedSet> | undefined {
    const held = this.#sets.get(keyOf(peer, day))
    return held !== undefined && this.#clock.monotonic() - held.at < SHARED_SET_MS
      ? held.set
      : undefined
  }

  async #build(peer: NodeId, day: number): Promise<SharedSet> {
    const set = new SharedSet()
    let rows = 0
    for await (const entry of this.#shelf.rows.kept(day)) {
      if (++rows % ROWS_PER_TURN === 0) await this.#clock.sleep(0)
      const published = this.#shelf.publishedOn(entry)
      const keepers = this.#placement.keepers(entry.address, published)
      if (!keepers.some((keeper) => equalBytes(keeper, peer))) continue
      if (!this.#placement.isKeeper(entry.address, published)) continue
      set.add(entry)
      if (!entry.confirmed) this.#onUnconfirmed(entry)
    }
    return set
  }
}

const keyOf = (peer: NodeId, day: number) => `${toHex(peer)} ${day}`
