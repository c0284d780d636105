import { compareBytes } from '../base/index.ts'
import type { Engine, EngineRange, Entry, Operation } from './engine.ts'

const PAGE = 256

/** A sorted array. For tests and simulations: same order, same snapshots, same atomicity as LevelDB. */
export class MemoryEngine implements Engine {
  #entries: Entry[] = []

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const at = this.#lowerBound(key)
    const entry = this.#entries[at]
    return entry !== undefined && compareBytes(entry[0], key) === 0 ? entry[1].slice() : undefined
  }

  async *iterate(range: EngineRange): AsyncGenerator<Entry> {
    for (const entry of this.#snapshot(range)) yield copied(entry)
  }

  async *pages(range: EngineRange): AsyncGenerator<Entry[]> {
    const snapshot = this.#snapshot(range)
    for (let at = 0; at < snapshot.length; at += PAGE) {
      yield snapshot.slice(at, at + PAGE).map(copied)
    }
  }

  #snapshot(range: EngineRange): Entry[] {
    const low = range.gt ? this.#upperBound(range.gt) : range.gte ? this.#lowerBound(range.gte) : 0
    const high = range.lt
      ? this.#lowerBound(range.lt)
      : range.lte
        ? this.#upperBound(range.lte)
        : this.#entries.length
    const limit = range.limit ?? Number.POSITIVE_INFINITY
    const first = range.reverse ? Math.max(low, high - limit) : low
    const last = range.reverse ? high : Math.min(high, low + limit)
    const snapshot = this.#entries.slice(first, Math.max(first, last))
    return range.reverse ? snapshot.reverse() : snapshot
  }

  async *keys(range: EngineRange): AsyncGenerator<Uint8Array> {
    for await (const [key] of this.iterate(range)) yield key
  }

  async write(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      const at = this.#lowerBound(operation.key)
      const existing = this.#entries[at]
      const same = existing !== undefined && compareBytes(existing[0], operation.key) === 0
      if (operation.type === 'del') {
        if (same) this.#entries.splice(at, 1)
      } else {
        const entry: Entry = [operation.key.slice(), operation.value.slice()]
        this.#entries.splice(at, same ? 1 : 0, entry)
      }
    }
  }

  async compact(): Promise<void> {}

  async approximateBytes(gte: Uint8Array, lt: Uint8Array): Promise<number> {
    let sum = 0
    const end = this.#lowerBound(lt)
    for (let at = this.#lowerBound(gte); at < end; at++) {
      const entry = this.#entries[at]
      if (entry !== undefined) sum += entry[0].length + entry[1].length
    }
    return sum
  }

  async close(): Promise<void> {}

  #lowerBound(key: Uint8Array): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.#entries[middle]
      if (entry !== undefined && compareBytes(entry[0], key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #upperBound(key: Uint8Array): number {
    const at = this.#lowerBound(key)
    const entry = this.#entries[at]
    return entry !== undefined && compareBytes(entry[0], key) === 0 ? at + 1 : at
  }
}

function copied([key, value]: Entry): Entry {
  return [key.slice(), value.slice()]
}
