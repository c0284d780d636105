import { equalBytes } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import { FRAGMENT_CHARGE_BYTES, MAX_PADDED_BYTES } from './constants.ts'
import { isPaddedLength } from './record-classes.ts'
import { contentOf } from './record-content.ts'
import { type FindRows, type Fragment, RecordRows, type StoredRow } from './record-rows.ts'
import type { Segment } from './segments.ts'

/**
 * The fragments of one record that have come so far. Nothing is allocated for
 * what has not come: a header that announces 256 KiB costs its sender 256 KiB.
 */
export class Partial {
  readonly seq: number
  readonly rows: RecordRows
  /** Number of the accepted box that last added to it. */
  touched: number
  /** By offset, without overlaps. */
  readonly #fragments: Fragment[] = []
  #bytes = 0

  constructor(seq: number, rows: RecordRows, touched: number) {
    this.seq = seq
    this.rows = rows
    this.touched = touched
  }

  /** What is stored of a record. `isSound` is false where its rows say what no writer can. */
  static restore(
    seq: number,
    touched: number,
    key: Uint8Array,
    found: readonly StoredRow[],
  ): { readonly partial: Partial; readonly isSound: boolean } {
    const { rows, pieces } = RecordRows.restore(key, found)
    const { total } = rows
    const partial = new Partial(seq, rows, touched)
    const isClass = isPaddedLength(total) && total <= MAX_PADDED_BYTES
    const isSound =
      isClass &&
      pieces.every(
        ({ offset, data }) =>
          data.length > 0 &&
          offset + data.length <= total &&
          partial.add({ seq, total, offset, data }) !== undefined,
      )
    return { partial, isSound }
  }

  get total(): number {
    return this.rows.total
  }

  get complete(): boolean {
    return this.#bytes === this.total
  }

  /** What it is charged against the limit of its stream. */
  get charge(): number {
    return this.#bytes + this.#fragments.length * FRAGMENT_CHARGE_BYTES
  }

  /**
   * Adds what is new (copied) and returns it. Undefined when it contradicts what is here: the record is then
   * worthless.
   */
  add(segment: Segment): readonly Fragment[] | undefined {
    if (segment.total !== this.total) return undefined
    let from = segment.offset
    const end = segment.offset + segment.data.length
    const bytesOf = (a: number, b: number) =>
      segment.data.subarray(a - segment.offset, b - segment.offset)
    const first = this.#firstAfter(segment.offset)
    let last = first
    // Those that it touches, and between them what is new.
    const joined: Fragment[] = []
    const fresh: Fragment[] = []
    const keep = (a: number, b: number) => {
      const fragment = { offset: a, data: bytesOf(a, b).slice() }
      joined.push(fragment)
      fresh.push(fragment)
    }
    for (; last < this.#fragments.length; last++) {
      const held = this.#fragments[last] as Fragment
      if (held.offset >= end) break
      const heldEnd = held.offset + held.data.length
      const start = Math.max(from, held.offset)
      const stop = Math.min(end, heldEnd)
      const same = held.data.subarray(start - held.offset, stop - held.offset)
      if (!equalBytes(same, bytesOf(start, stop))) return undefined
      if (held.offset > from) keep(from, held.offset)
      joined.push(held)
      from = stop
    }
    if (from < end) keep(from, end)
    if (fresh.length > 0) this.#fragments.splice(first, last - first, ...joined)
    for (const { data } of fresh) this.#bytes += data.length
    return fresh
  }

  /** Place of the first fragment that ends behind `offset`. A hostile writer can bring thousands. */
  #firstAfter(offset: number): number {
    let low = 0
    let high = this.#fragments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { offset: start, data } = this.#fragments[middle] as Fragment
      if (start + data.length <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The content of the record; undefined while it is not complete, or when it is badly padded. */
  tryContent(): Uint8Array | undefined {
    if (!this.complete) return undefined
    const padded = new Uint8Array(this.total)
    for (const fragment of this.#fragments) padded.set(fragment.data, fragment.offset)
    try {
      return contentOf(padded)
    } catch {
      return undefined
    } finally {
      wipe(padded)
    }
  }

  wipe(): void {
    for (const fragment of this.#fragments) fragment.data.fill(0)
  }
}

/** A whole record that waited in its rows. Without `bytes` when one of these is damaged. */
export function restoreRecord(
  seq: number,
  key: Uint8Array,
  find: FindRows,
): { readonly rows: RecordRows; readonly bytes: Uint8Array | undefined } {
  const { partial, isSound } = Partial.restore(seq, 0, key, find(key))
  const bytes = isSound ? partial.tryContent() : undefined
  partial.wipe()
  return { rows: partial.rows, bytes }
}
