import { HearsayError, isHearsayError, type Rng } from '../base/index.ts'
import { KEY_BYTES, wipe } from '../crypto/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import { MAX_PADDED_BYTES } from './constants.ts'

/** A piece of a padded record. */
export interface Fragment {
  readonly offset: number
  readonly data: Uint8Array
}

/** To be stored now. `bytes` are SECRET and owned by the caller; `key`, 32 bytes, is not. */
export interface NewRow {
  readonly key: Uint8Array
  readonly number: number
  readonly bytes: Uint8Array
}

/** Stored no longer. The key, SECRET, is the caller's to wipe. */
export interface GoneRows {
  readonly key: Uint8Array
  readonly numbers: readonly number[]
}

/** A row as it was found. */
export interface StoredRow {
  readonly number: number
  /** Undefined when it is damaged: its pieces are not here. */
  readonly bytes: Uint8Array | undefined
}

/** Finds the rows that were stored under a key of 32 bytes, by number. */
export type FindRows = (key: Uint8Array) => readonly StoredRow[]

/**
 * How one record rests on disk, while it is not whole or waits for those before it: its pieces in rows, each written
 * once, all under one key of its own. Who erases the key erases the record. Row: `total 4`, per piece
 * `offset 4 | length 4 | bytes`.
 */
export class RecordRows {
  /** Length of the padded record. */
  readonly total: number
  #key: Uint8Array | undefined
  readonly #numbers: number[] = []
  readonly #unsaved: Fragment[] = []

  constructor(total: number) {
    this.total = total
  }

  /** SECRET, live. @throws HearsayError `bug` while a piece is not stored. */
  get key(): Uint8Array {
    if (this.#key === undefined || this.#unsaved.length > 0) {
      throw new HearsayError('bug', 'the rows of a record are stored before its state')
    }
    return this.#key
  }

  /** Notes pieces for the next row (copied). */
  add(pieces: readonly Fragment[]): void {
    for (const { offset, data } of pieces) this.#unsaved.push({ offset, data: data.slice() })
  }

  /** The next row, with everything that is in none. The first one draws the key. */
  take(rng: Rng): NewRow | undefined {
    const pieces = this.#unsaved.splice(0)
    if (pieces.length === 0) return undefined
    const length = pieces.reduce((sum, { data }) => sum + 4 + 4 + data.length, 4)
    const writer = new Writer(length).u32(this.total)
    for (const { offset, data } of pieces) {
      writer.u32(offset).vector32(data)
      wipe(data)
    }
    this.#key ??= rng.bytes(KEY_BYTES)
    const number = (this.#numbers.at(-1) ?? -1) + 1
    this.#numbers.push(number)
    return { key: this.#key, number, bytes: writer.finish() }
  }

  /** Forgets everything. What was stored is returned. */
  drop(): GoneRows | undefined {
    wipe(...this.#unsaved.splice(0).map(({ data }) => data))
    const key = this.#key
    this.#key = undefined
    return key && { key, numbers: this.#numbers.splice(0) }
  }

  /** What is still there of a record. Damaged rows count as never stored; they go with the others. */
  static restore(key: Uint8Array, found: readonly StoredRow[]) {
    const read = found.map(({ bytes }) => bytes && tryReadRow(bytes))
    const total = read.find((row) => row !== undefined)?.total ?? 0
    const rows = new RecordRows(total)
    rows.#key = key.slice()
    rows.#numbers.push(...found.map(({ number }) => number))
    const pieces = read.flatMap((row) => (row?.total === total ? row.pieces : []))
    return { rows, pieces }
  }
}

/** What has to happen to the rows of a stream in the batch that stores its state next. */
export class RowChanges {
  readonly #fresh = new Set<RecordRows>()
  #gone: GoneRows[] = []

  add(rows: RecordRows, pieces: readonly Fragment[]): void {
    if (pieces.length === 0) return
    rows.add(pieces)
    this.#fresh.add(rows)
  }

  /** The record was applied, or is not wanted any more. */
  drop(rows: RecordRows): void {
    this.#fresh.delete(rows)
    const gone = rows.drop()
    if (gone !== undefined) this.#gone.push(gone)
  }

  take(rng: Rng): { readonly written: NewRow[]; readonly gone: GoneRows[] } {
    const written = [...this.#fresh].flatMap((rows) => rows.take(rng) ?? [])
    this.#fresh.clear()
    const gone = this.#gone
    this.#gone = []
    return { written, gone }
  }
}

/** Undefined for what `take` does not give: then it counts as damaged. */
function tryReadRow(bytes: Uint8Array): { total: number; pieces: Fragment[] } | undefined {
  try {
    const reader = new Reader(bytes)
    const total = reader.u32('total')
    const pieces: Fragment[] = []
    while (reader.remaining > 0) {
      const offset = reader.u32('offset')
      pieces.push({ offset, data: reader.vector32(MAX_PADDED_BYTES, 'data').slice() })
    }
    return { total, pieces }
  } catch (error) {
    if (isHearsayError(error) && error.fault !== 'bug') return undefined
    throw error
  }
}
