import { toHex } from '../../src/base/index.ts'
import type { FindRows, GoneRows, NewRow } from '../../src/stream/index.ts'

/** What a disk would hold of records that wait. */
export class MemoryRows {
  readonly #rows = new Map<string, Map<number, Uint8Array | undefined>>()
  /** Bytes that were ever written. */
  written = 0

  get count(): number {
    return [...this.#rows.values()].reduce((sum, rows) => sum + rows.size, 0)
  }

  apply({ written, gone }: { written: readonly NewRow[]; gone: readonly GoneRows[] }): void {
    for (const { key, number, bytes } of written) {
      const name = toHex(key)
      const rows = this.#rows.get(name) ?? new Map<number, Uint8Array>()
      if (rows.has(number)) throw new Error('a row is written once')
      this.#rows.set(name, rows.set(number, bytes))
      this.written += bytes.length
    }
    for (const { key, numbers } of gone) {
      const rows = this.#rows.get(toHex(key))
      for (const number of numbers) if (!rows?.delete(number)) throw new Error('no such row')
    }
  }

  /** Every row whose place among all is chosen is damaged from now on. */
  damage(isChosen: (place: number) => boolean): void {
    let place = 0
    for (const rows of this.#rows.values()) {
      for (const number of rows.keys()) if (isChosen(place++)) rows.set(number, undefined)
    }
  }

  readonly find: FindRows = (key) =>
    [...(this.#rows.get(toHex(key)) ?? [])].map(([number, bytes]) => ({ number, bytes }))
}
