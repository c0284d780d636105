import { type Address, toHex } from '../base/index.ts'
import { ItemIndex } from '../reconcile/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'

/** The entries of all hot boxes in memory: by address for gossip, by item for reconciliation. */
export class HotWindow {
  readonly items = new ItemIndex()
  readonly #byItem = new Map<string, BoxEntry>()
  readonly #byAddress = new Map<string, string[]>()

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

  /** Adds or replaces the entry of its item. */
  set(entry: BoxEntry): void {
    const item = itemOf(entry)
    if (!this.#byItem.has(item)) {
      const key = toHex(entry.address)
      this.#byAddress.set(key, [...(this.#byAddress.get(key) ?? []), item])
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
