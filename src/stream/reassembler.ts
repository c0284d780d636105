import { HearsayError } from '../base/index.ts'
import { Reader, unpad, Writer } from '../wire/index.ts'
import {
  BOX_PAYLOAD_BYTES,
  MAX_PADDED_BYTES,
  MAX_PARTIAL_BYTES,
  MAX_RECORD_BYTES,
  PARTIAL_IDLE_BOXES,
  STREAM_STATE_VERSION,
} from './constants.ts'
import { Partial } from './partial.ts'
import { isPaddedLength, paddedLength } from './record-classes.ts'
import { isWhole, parseSegments, type Segment } from './segments.ts'

export interface RecordIn {
  readonly seq: number
  /** Owned by the caller. */
  readonly bytes: Uint8Array
  /** Index of the box that completed the record. */
  readonly boxIndex: number
}

/**
 * Puts the records of one stream together again, whatever the order of the boxes: every fragment says where
 * it belongs. A record is given out whole or not at all. A box that never comes leaves a hole, which the
 * next offer of the same record fills (its number and bytes are the same). A record that is offered again
 * after it was complete is given out again: the caller knows the numbers it has.
 *
 * What a hostile writer can make it hold is bounded by `MAX_PARTIAL_BYTES`: the partial records that were
 * longest without progress go first, and any that gained nothing in `PARTIAL_IDLE_BOXES` boxes.
 */
export class Reassembler {
  readonly #partials = new Map<number, Partial>()
  #accepted = 0

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
      const bytes = wholes[i] ?? this.#addFragment(segment)
      if (bytes === undefined) return
      this.#forget(segment.seq)
      records.push({ seq: segment.seq, bytes, boxIndex })
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

  #addFragment(segment: Segment): Uint8Array | undefined {
    let partial = this.#partials.get(segment.seq) ?? this.#begin(segment)
    if (!partial.add(segment)) {
      // The writer contradicts itself; the last word counts, and a record of mixed bytes never comes out.
      this.#forget(segment.seq)
      partial = this.#begin(segment)
      partial.add(segment)
    }
    partial.touched = this.#accepted
    if (partial.complete) {
      const padded = partial.join()
      try {
        return contentOf(padded)
      } catch {
        this.#forget(segment.seq)
        return undefined
      }
    }
    this.#makeRoom()
    return undefined
  }

  #begin(segment: Segment): Partial {
    const partial = new Partial(segment.seq, segment.total, this.#accepted)
    this.#partials.set(segment.seq, partial)
    return partial
  }

  #makeRoom(): void {
    while (this.heldBytes > MAX_PARTIAL_BYTES) {
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
    this.#partials.get(seq)?.wipe()
    this.#partials.delete(seq)
  }

  /**
   * version 1 | accepted 8 | count 4 | per partial, by seq: seq 8 | total 4 | touched 8 | count 4 |
   * per fragment, by offset: offset 4 | length 4 | data.
   */
  encode(): Uint8Array {
    const partials = [...this.#partials.values()].sort((a, b) => a.seq - b.seq)
    let length = 1 + 8 + 4
    for (const partial of partials) {
      length += 8 + 4 + 8 + 4
      for (const fragment of partial.fragments) length += 4 + 4 + fragment.data.length
    }
    const writer = new Writer(length).u8(STREAM_STATE_VERSION)
    writer.u64(this.#accepted).u32(partials.length)
    for (const partial of partials) {
      writer.u64(partial.seq).u32(partial.total).u64(partial.touched)
      writer.u32(partial.fragments.length)
      for (const fragment of partial.fragments) writer.u32(fragment.offset).vector32(fragment.data)
    }
    return writer.finish()
  }

  /** Strict inverse of `encode`. @throws HearsayError on any other input. */
  static decode(bytes: Uint8Array): Reassembler {
    const reader = new Reader(bytes)
    const version = reader.u8('version')
    if (version !== STREAM_STATE_VERSION) {
      throw new HearsayError('bad-version', 'unknown version of a reassembler', { version })
    }
    const out = new Reassembler()
    out.#accepted = reader.u64('accepted')
    let last = -1
    for (let left = reader.u32('partials'); left > 0; left--) {
      const partial = readPartial(reader, out.#accepted)
      if (partial.seq <= last) throw new HearsayError('bad-value', 'partials are sorted by number')
      last = partial.seq
      out.#partials.set(partial.seq, partial)
    }
    reader.end()
    if (out.heldBytes > MAX_PARTIAL_BYTES) {
      throw new HearsayError('bad-length', 'partial records above the limit')
    }
    return out
  }
}

function readPartial(reader: Reader, accepted: number): Partial {
  const partial = new Partial(reader.u64('seq'), reader.u32('total'), reader.u64('touched'))
  const { total } = partial
  if (!isPaddedLength(total) || total > MAX_PADDED_BYTES || partial.touched > accepted) {
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
    partial.add({ seq: partial.seq, total, offset, data })
  }
  if (end === 0 || partial.complete) throw new HearsayError('bad-value', 'not a partial record')
  return partial
}

/** The content of a padded record, copied: exactly what its class is for. */
function contentOf(padded: Uint8Array): Uint8Array {
  const content = unpad(padded)
  if (content.length > MAX_RECORD_BYTES || paddedLength(content.length) !== padded.length) {
    throw new HearsayError('bad-encoding', 'record is padded to another class')
  }
  return content.slice()
}
