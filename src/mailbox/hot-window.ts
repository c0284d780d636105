import { type Address, type Rng, toHex, uniformInt } from '../base/index.ts'
import { ItemIndex } from '../reconcile/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'
import { SAMPLE_BOXES } from './constants.ts'

/** The entries of all hot boxes in memory: by address for gossip, by item for reconciliation. */
export class HotWindow {
  readonly items = new ItemIndex()
  readonly #byItem = new Map<string, BoxEntry>()
  readonly #byAddress = new Map<string, string[]>()
  /** The last SAMPLE_BOXES confirmed entries. */
  readonly #latest: BoxEntry[] = []
  #next = 0

  get size(): number {
    return this.#byItem.size
  }

  get(item: string): BoxEntry | undefined {
    return this.#byItem.get(item)
  }

  at(address: Address): BoxEntry[] {
    const items = this.#byAddress.get(toHex(address)) ?? []
    return items.map((item) => this.#byItem.get(item)).filter((entry) => entry !== undefined)
  }

  /**
   * One of the boxes heard last, drawn uniformly; undefined before the first. Only what others have too: asking for
   * a box that was made for this node alone would be a reaction to it.
   */
  sample(rng: Rng): BoxEntry | undefined {
    return this.#latest.length === 0
      ? undefined
      : this.#latest[uniformInt(rng, this.#latest.length)]
  }

  /** Adds or replaces the entry of its item. */
  set(entry: BoxEntry): void {
    const item = itemOf(entry)
    const known = this.#byItem.get(item)
    if (known === undefined) {
      const key = toHex(entry.address)
      this.#byAddress.set(key, [...(this.#byAddress.get(key) ?? []), item])
    }
    if (entry.confirmed && known?.confirmed !== true) {
      this.#latest[this.#next++ % SAMPLE_BOXES] = entry
    }
    this.#byItem.set(item, entry)
    this.items.set(item, entry.heardAt)
  }

  delete(entry: BoxEntry): void {
    const item = itemOf(entry)
    if (!this.#byItem.delete(item)) return
    this.items.delete(item)
    const key = toHex(entry.address)
    const left = (this.#byAddress.get(key) ?? []).filter((each) => each !== item)
    if (left.length === 0) this.#byAddress.delete(key)
    else this.#byAddress.set(key, left)
  }
}
