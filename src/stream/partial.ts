import { equalBytes } from '../base/index.ts'
import { FRAGMENT_CHARGE_BYTES } from './constants.ts'
import type { Segment } from './segments.ts'

export interface Fragment {
  readonly offset: number
  readonly data: Uint8Array
}

/**
 * The fragments of one record that have come so far, by offset, without overlaps. Nothing is allocated for
 * what has not come: a header that announces 256 KiB costs its sender 256 KiB.
 */
export class Partial {
  readonly seq: number
  readonly total: number
  /** Number of the accepted box that last added to it. */
  touched: number
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
    const added: Fragment[] = []
    for (const held of this.#fragments) {
      const heldEnd = held.offset + held.data.length
      if (heldEnd <= from || held.offset >= end) continue
      const start = Math.max(from, held.offset)
      const stop = Math.min(end, heldEnd)
      const same = held.data.subarray(start - held.offset, stop - held.offset)
      if (!equalBytes(same, bytesOf(start, stop))) return false
      if (held.offset > from) added.push({ offset: from, data: bytesOf(from, held.offset).slice() })
      from = stop
    }
    if (from < end) added.push({ offset: from, data: bytesOf(from, end).slice() })
    for (const fragment of added) this.#bytes += fragment.data.length
    this.#fragments.push(...added)
    this.#fragments.sort((a, b) => a.offset - b.offset)
    return true
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
