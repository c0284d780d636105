import { type Rng, uniformInt } from '../base/index.ts'
import { ItemIndex } from '../reconcile/index.ts'
import { type BoxEntry, encodeEntry, itemOf } from './box-entry.ts'
import { SAMPLE_BOXES } from './constants.ts'
import { EntryTable } from './entry-table.ts'

/** The entries of all hot boxes in memory, by item: for reconciliation. */
export class HotWindow {
  readonly #entries = new EntryTable()
  /** The number of an item is the place of its entry: one map of a hundred thousand less. */
  readonly items = new ItemIndex({ timeOf: (place) => this.#entries.heardAt(place) })
  /** Items that have to be confirmed. */
  readonly #unconfirmed = new Set<string>()
  /** The last SAMPLE_BOXES confirmed entries. */
  readonly #latest: BoxEntry[] = []
  #next = 0

  get size(): number {
    return this.items.size
  }

  get(item: string): BoxEntry | undefined {
    const place = this.items.mark(item)
    return place === undefined ? undefined : this.#entries.get(place)
  }

  /** Items of the boxes that have to be confirmed. */
  get unconfirmed(): ReadonlySet<string> {
    return this.#unconfirmed
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

  /** Adds or replaces the entry of its item. `row`: the entry as `encodeEntry` writes it. */
  set(entry: BoxEntry, row: Uint8Array = encodeEntry(entry)): void {
    const item = itemOf(entry)
    const place = this.items.mark(item)
    const wasConfirmed = place !== undefined && this.#entries.get(place).confirmed
    if (entry.confirmed && !wasConfirmed) this.#latest[this.#next++ % SAMPLE_BOXES] = entry
    if (entry.confirmed) this.#unconfirmed.delete(item)
    else this.#unconfirmed.add(item)
    if (place === undefined) {
      this.items.set(item, this.#entries.add(row))
    } else {
      this.#entries.put(place, row)
    }
  }

  delete(entry: BoxEntry): void {
    const item = itemOf(entry)
    const place = this.items.mark(item)
    if (place === undefined) return
    this.items.delete(item)
    this.#unconfirmed.delete(item)
    this.#entries.remove(place)
  }
}
