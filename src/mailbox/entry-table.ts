import { HearsayError } from '../base/index.ts'
import { type BoxEntry, decodeEntry, ENTRY_BYTES, heardAtIn } from './box-entry.ts'

const CHUNK_ROWS = 1_024

/**
 * Entries as rows of bytes in a few large buffers: `ENTRY_BYTES` each. As objects a hundred thousand of them would be
 * 60 MB more, and every collection of garbage would walk through them.
 */
export class EntryTable {
  readonly #chunks: Uint8Array[] = []
  /** Places that were given back. */
  readonly #free: number[] = []
  #used = 0

  /** Copies an encoded entry; returns its place. */
  add(row: Uint8Array): number {
    const place = this.#free.pop() ?? this.#used++
    if (place === this.#chunks.length * CHUNK_ROWS) {
      this.#chunks.push(new Uint8Array(CHUNK_ROWS * ENTRY_BYTES))
    }
    this.put(place, row)
    return place
  }

  /** Copies an encoded entry over the one in `place`. */
  put(place: number, row: Uint8Array): void {
    this.#chunk(place).set(row, offsetOf(place))
  }

  /** A copy of the entry in `place`. */
  get(place: number): BoxEntry {
    const at = offsetOf(place)
    return decodeEntry(this.#chunk(place).slice(at, at + ENTRY_BYTES))
  }

  /** `heardAt` of the entry in `place`, without the rest of it. */
  heardAt(place: number): number {
    return heardAtIn(this.#chunk(place), offsetOf(place))
  }

  /** Gives the place back. Without entries no memory is held. */
  remove(place: number): void {
    this.#free.push(place)
    if (this.#free.length < this.#used) return
    this.#used = 0
    this.#free.length = 0
    this.#chunks.length = 0
  }

  #chunk(place: number): Uint8Array {
    const chunk = this.#chunks[Math.floor(place / CHUNK_ROWS)]
    if (chunk === undefined) throw new HearsayError('bug', 'no such place')
    return chunk
  }
}

function offsetOf(place: number): number {
  return (place % CHUNK_ROWS) * ENTRY_BYTES
}
