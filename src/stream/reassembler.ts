import { HearsayError } from '../base/index.ts'
import { KEY_BYTES } from '../crypto/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import {
  BOX_PAYLOAD_BYTES,
  MAX_PADDED_BYTES,
  MAX_PARTIAL_BYTES,
  MAX_PARTIAL_RECORDS,
  PARTIAL_IDLE_BOXES,
  REASSEMBLER_STATE_VERSION,
} from './constants.ts'
import { Partial } from './partial.ts'
import { isPaddedLength } from './record-classes.ts'
import { contentOf } from './record-content.ts'
import { type FindRows, RecordRows, RowChanges } from './record-rows.ts'
import { isWhole, parseSegments, type Segment } from './segments.ts'

export interface RecordIn {
  readonly seq: number
  /** Owned by the caller. */
  readonly bytes: Uint8Array
  /** Index of the box that completed the record. */
  readonly boxIndex: number
  /** How it is stored while it waits. The caller drops them when it has done with the record. */
  readonly rows: RecordRows
}

const ROWLESS_VERSION = 1
const HEADER_BYTES = 1 + 8 + 4
const PARTIAL_BYTES = 8 + 8 + KEY_BYTES

/**
 * Puts the records of one stream together again, whatever the order of the boxes: every fragment says where
 * it belongs. A record is given out whole or not at all. A box that never comes leaves a hole, which the
 * next offer of the same record fills (its number and bytes are the same). A record that is offered again
 * after it was complete is given out again: the caller knows the numbers it has.
 *
 * What a hostile writer can make it hold is bounded by `MAX_PARTIAL_BYTES` and `MAX_PARTIAL_RECORDS`: the partial
 * records that were longest without progress go first, and any that gained nothing in `PARTIAL_IDLE_BOXES` boxes.
 *
 * Fragments are stored in rows, each once, when their box is read (`RowChanges`). The state holds the keys of these
 * rows and nothing of the bytes, so that no box costs more because much is held.
 */
export class Reassembler {
  readonly #partials = new Map<number, Partial>()
  readonly #changes: RowChanges
  #accepted = 0

  /** `changes` collects what is to be stored, for all reassemblers of a stream. */
  constructor(changes: RowChanges = new RowChanges()) {
    this.#changes = changes
  }

  /** Numbers of the records that are partly here. */
  get partial(): number[] {
    return [...this.#partials.keys()]
  }

  /** Bytes charged for partial records, at most `MAX_PARTIAL_BYTES`. */
  get heldBytes(): number {
    let sum = 0
    for (const partial of this.#partials.values()) sum += partial.charge
    return sum
  }

  /**
   * Takes the payload of one box and returns the records it completes, in the order of the payload.
   * All or nothing: a payload that is not well-formed changes no state.
   * @throws HearsayError `bad-value`, `bad-length`, `trailing-bytes`, `bad-encoding`, `too-large`.
   */
  accept(boxIndex: number, payload: Uint8Array): RecordIn[] {
    if (payload.length > BOX_PAYLOAD_BYTES) {
      throw new HearsayError('bad-length', 'payload is longer than a box carries')
    }
    const segments = parseSegments(payload)
    const wholes = segments.map((s) => (isWhole(s) ? contentOf(s.data) : undefined))
    this.#accepted++
    const records: RecordIn[] = []
    segments.forEach((segment, i) => {
      const { seq } = segment
      const bytes = wholes[i]
      if (bytes !== undefined) {
        this.#forget(seq)
        records.push({ seq, bytes, boxIndex, rows: this.#rowsOf(segment) })
        return
      }
      const done = this.#addFragment(segment)
      if (done !== undefined) records.push({ seq, boxIndex, ...done })
    })
    this.#expire()
    return records
  }

  /** Drops what is here of a record, because it is no longer wanted. */
  drop(seq: number): void {
    this.#forget(seq)
  }

  /** Erases everything. */
  clear(): void {
    for (const seq of this.partial) this.#forget(seq)
  }

  #rowsOf({ total, data }: Segment): RecordRows {
    const rows = new RecordRows(total)
    this.#changes.add(rows, [{ offset: 0, data }])
    return rows
  }

  #addFragment(segment: Segment): Pick<RecordIn, 'bytes' | 'rows'> | undefined {
    let partial = this.#partials.get(segment.seq) ?? this.#begin(segment)
    let added = partial.add(segment)
    if (added === undefined) {
      // The writer contradicts itself; the last word counts, and a record of mixed bytes never comes out.
      this.#forget(segment.seq)
      partial = this.#begin(segment)
      added = partial.add(segment) ?? []
    }
    const { rows } = partial
    this.#changes.add(rows, added)
    partial.touched = this.#accepted
    if (partial.complete) {
      const bytes = partial.tryContent()
      this.#remove(partial)
      if (bytes !== undefined) return { bytes, rows }
      this.#changes.drop(rows)
      return undefined
    }
    this.#makeRoom()
    return undefined
  }

  #begin({ seq, total }: Segment): Partial {
    const partial = new Partial(seq, new RecordRows(total), this.#accepted)
    this.#partials.set(seq, partial)
    return partial
  }

  #makeRoom(): void {
    while (this.heldBytes > MAX_PARTIAL_BYTES || this.#partials.size > MAX_PARTIAL_RECORDS) {
      let stalest: Partial | undefined
      for (const partial of this.#partials.values()) {
        if (stalest === undefined || partial.touched < stalest.touched) stalest = partial
      }
      if (stalest === undefined) return
      this.#forget(stalest.seq)
    }
  }

  #expire(): void {
    for (const partial of this.#partials.values()) {
      if (this.#accepted - partial.touched > PARTIAL_IDLE_BOXES) this.#forget(partial.seq)
    }
  }

  #forget(seq: number): void {
    const partial = this.#partials.get(seq)
    if (partial === undefined) return
    this.#remove(partial)
    this.#changes.drop(partial.rows)
  }

  #remove(partial: Partial): void {
    partial.wipe()
    this.#partials.delete(partial.seq)
  }

  /**
   * version 2 | accepted 8 | count 4 | per partial, by seq: seq 8 | touched 8 | key of its rows 32. SECRET.
   * @throws HearsayError `bug` while `RowChanges` has something to store.
   */
  encode(): Uint8Array {
    const partials = [...this.#partials.values()].sort((a, b) => a.seq - b.seq)
    const writer = new Writer(HEADER_BYTES + partials.length * PARTIAL_BYTES)
    writer.u8(REASSEMBLER_STATE_VERSION).u64(this.#accepted).u32(partials.length)
    for (const { seq, touched, rows } of partials) writer.u64(seq).u64(touched).bytes(rows.key)
    return writer.finish()
  }

  /**
   * Inverse of `encode`, with the rows that `find` finds; a record whose rows are all damaged is not here. Reads
   * version 1 too, which held the bytes themselves. @throws HearsayError on any other input.
   */
  static decode(bytes: Uint8Array, find: FindRows, changes = new RowChanges()): Reassembler {
    const reader = new Reader(bytes)
    const version = reader.u8('version')
    if (version !== REASSEMBLER_STATE_VERSION && version !== ROWLESS_VERSION) {
      throw new HearsayError('bad-version', 'unknown version of a reassembler', { version })
    }
    const out = new Reassembler(changes)
    out.#accepted = reader.u64('accepted')
    const count = reader.u32('partials')
    if (version !== ROWLESS_VERSION && count > MAX_PARTIAL_RECORDS) {
      throw new HearsayError('bad-length', 'partial records above the limit')
    }
    let last = -1
    for (let left = count; left > 0; left--) {
      const seq = reader.u64('seq')
      if (seq <= last) throw new HearsayError('bad-value', 'partials are sorted by number')
      last = seq
      if (version === ROWLESS_VERSION) out.#readRowless(reader, seq)
      else out.#read(reader, seq, find)
    }
    reader.end()
    if (out.heldBytes > MAX_PARTIAL_BYTES) {
      throw new HearsayError('bad-length', 'partial records above the limit')
    }
    out.#makeRoom()
    return out
  }

  #read(reader: Reader, seq: number, find: FindRows): void {
    const touched = reader.u64('touched')
    if (touched > this.#accepted) throw new HearsayError('bad-value', 'impossible partial record')
    const key = reader.bytes(KEY_BYTES, 'key')
    const { partial, isSound } = Partial.restore(seq, touched, key, find(key))
    if (isSound && !partial.complete && partial.charge > 0) this.#partials.set(seq, partial)
    else this.#changes.drop(partial.rows)
  }

  #readRowless(reader: Reader, seq: number): void {
    const rows = new RecordRows(reader.u32('total'))
    const { total } = rows
    const partial = new Partial(seq, rows, reader.u64('touched'))
    if (!isPaddedLength(total) || total > MAX_PADDED_BYTES || partial.touched > this.#accepted) {
      throw new HearsayError('bad-value', 'impossible partial record')
    }
    let end = 0
    for (let left = reader.u32('fragments'); left > 0; left--) {
      const offset = reader.u32('offset')
      const data = reader.vector32(total - 1, 'data')
      if (offset < end || data.length === 0 || offset + data.length > total) {
        throw new HearsayError('bad-value', 'impossible fragment', { offset })
      }
      end = offset + data.length
      this.#changes.add(rows, partial.add({ seq, total, offset, data }) ?? [])
    }
    if (end === 0 || partial.complete) throw new HearsayError('bad-value', 'not a partial record')
    this.#partials.set(seq, partial)
  }
}
