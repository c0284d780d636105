import { equalBytes } from '../base/index.ts'
import { FRAGMENT_CHARGE_BYTES } from './constants.ts'
import type { Segment } from './segments.ts'

export interface Fragment {
  readonly offset: number
  readonly data: Uint8Array
}

/**
 * The fragments of one record that have come so far. Nothing is allocated for
 * what has not come: a header that announces 256 KiB costs its sender 256 KiB.
 */
export class Partial {
  readonly seq: number
  readonly total: number
  /** Number of the accepted box that last added to it. */
  touched: number
  /** By offset, without overlaps. */
  readonly #fragments: Fragment[] = []
  #bytes = 0

  constructor(seq: number, total: number, touched: number) {
    this.seq = seq
    this.total = total
    this.touched = touched
  }

  get complete(): boolean {
    return this.#bytes === this.total
  }

  /** What it is charged against the limit of its stream. */
  get charge(): number {
    return this.#bytes + this.#fragments.length * FRAGMENT_CHARGE_BYTES
  }

  get fragments(): readonly Fragment[] {
    return this.#fragments
  }

  /** Adds what is new (copied). False when it contradicts what is here: the record is then worthless. */
  add(segment: Segment): boolean {
    if (segment.total !== this.total) return false
    let from = segment.offset
    const end = segment.offset + segment.data.length
    const bytesOf = (a: number, b: number) =>
      segment.data.subarray(a - segment.offset, b - segment.offset)
    const first = this.#firstAfter(segment.offset)
    let last = first
    // Those that it touches, and between them what is new.
    const joined: Fragment[] = []
    let fresh = 0
    const keep = (a: number, b: number) => {
      joined.push({ offset: a, data: bytesOf(a, b).slice() })
      fresh += b - a
    }
    for (; last < this.#fragments.length; last++) {
      const held = this.#fragments[last] as Fragment
      if (held.offset >= end) break
      const heldEnd = held.offset + held.data.length
      const start = Math.max(from, held.offset)
      const stop = Math.min(end, heldEnd)
      const same = held.data.subarray(start - held.offset, stop - held.offset)
      if (!equalBytes(same, bytesOf(start, stop))) return false
      if (held.offset > from) keep(from, held.offset)
      joined.push(held)
      from = stop
    }
    if (from < end) keep(from, end)
    if (fresh > 0) this.#fragments.splice(first, last - first, ...joined)
    this.#bytes += fresh
    return true
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

  /** The padded record; only when complete. */
  join(): Uint8Array {
    const out = new Uint8Array(this.total)
    for (const fragment of this.#fragments) out.set(fragment.data, fragment.offset)
    return out
  }

  wipe(): void {
    for (const fragment of this.#fragments) fragment.data.fill(0)
  }
}
