import { HearsayError } from '../base/index.ts'
import { padTo } from '../wire/index.ts'
import {
  BOX_PAYLOAD_BYTES,
  FRAGMENT_HEADER_BYTES,
  MAX_RECORD_BYTES,
  MIN_CAPACITY_BYTES,
  MIN_FRAGMENT_BYTES,
  WHOLE_HEADER_BYTES,
} from './constants.ts'
import { paddedLength } from './record-classes.ts'
import { encodeSegments, type Segment, segmentBytes } from './segments.ts'

/** A record to send: its number in the stream and its content, 0 to 262144 bytes. */
export interface RecordOut {
  readonly seq: number
  readonly bytes: Uint8Array
}

export interface Filled {
  /** Exactly the asked capacity; all zeros when nothing waits. */
  readonly payload: Uint8Array
  /** Records whose first byte is in this payload. */
  readonly started: number[]
  /** Records whose last byte is in this payload. */
  readonly finished: number[]
}

interface Waiting {
  readonly seq: number
  readonly padded: Uint8Array
  sent: number
}

/**
 * Fills boxes with the records that wait, as late as the caller likes. A record that fits a box is never
 * split, so one lost box loses only what it carried. One large record at a time spans boxes; small ones that
 * come later share its boxes instead of waiting behind it, and leave it at least half of every second box.
 * Records therefore may finish in another order than they were pushed. Not durable: after a crash the
 * caller pushes unfinished records again.
 */
export class Segmenter {
  readonly #queue: Waiting[] = []
  // The large record gave up its share of the last box to a record that would not fit beside it.
  #shorted = false

  get pending(): boolean {
    return this.#queue.length > 0
  }

  /** Records that wait or are under way. */
  get pendingCount(): number {
    return this.#queue.length
  }

  /** Bytes that the waiting records still need, each with the header of a whole record. */
  get pendingBytes(): number {
    let sum = 0
    for (const { padded, sent } of this.#queue) sum += WHOLE_HEADER_BYTES + padded.length - sent
    return sum
  }

  /**
   * Queues a record; its bytes are copied.
   * @throws HearsayError `record-too-large`; `bad-value` when its number is already queued.
   */
  push(record: RecordOut): void {
    if (record.bytes.length > MAX_RECORD_BYTES) {
      throw new HearsayError('record-too-large', 'a record is at most 262144 bytes')
    }
    if (this.has(record.seq)) throw new HearsayError('bad-value', 'record is already queued')
    const padded = padTo(record.bytes, paddedLength(record.bytes.length))
    this.#queue.push({ seq: record.seq, padded, sent: 0 })
  }

  has(seq: number): boolean {
    return this.#queue.some((waiting) => waiting.seq === seq)
  }

  /** Takes a record back; what was already sent of it stays sent. False when it does not wait. */
  drop(seq: number): boolean {
    const at = this.#queue.findIndex((waiting) => waiting.seq === seq)
    if (at < 0) return false
    this.#queue.splice(at, 1)
    return true
  }

  /** The next payload. @throws HearsayError `bad-value` for a capacity below 256 or above a box. */
  fill(capacity: number = BOX_PAYLOAD_BYTES): Filled {
    if (!(capacity >= MIN_CAPACITY_BYTES && capacity <= BOX_PAYLOAD_BYTES)) {
      throw new HearsayError('bad-value', 'capacity is 256 bytes to a box payload')
    }
    const page = new Page(capacity)
    const limit = capacity - WHOLE_HEADER_BYTES
    const under = this.#queue.find((waiting) => waiting.sent > 0)
    const reserve = under === undefined ? 0 : this.#reserve(under, capacity, limit)
    this.#placeWhole(page, limit, reserve)
    this.#placeLarge(page, limit)
    this.#placeWhole(page, limit, 0)
    if (under !== undefined) this.#shorted = !page.segments.some((s) => s.seq === under.seq)
    const gone = new Set(page.finished)
    const left = this.#queue.filter((waiting) => !gone.has(waiting.seq))
    this.#queue.splice(0, this.#queue.length, ...left)
    const { started, finished, segments } = page
    return { payload: encodeSegments(segments, capacity), started, finished }
  }

  #reserve(under: Waiting, capacity: number, limit: number): number {
    const needed = FRAGMENT_HEADER_BYTES + under.padded.length - under.sent
    const reserve = Math.min(needed, Math.floor(capacity / 2))
    const first = this.#queue.find((w) => w.sent === 0 && w.padded.length <= limit)
    const beside =
      first === undefined || WHOLE_HEADER_BYTES + first.padded.length <= capacity - reserve
    return beside || this.#shorted ? reserve : 0
  }

  #placeWhole(page: Page, limit: number, reserve: number): void {
    for (const waiting of this.#queue) {
      if (waiting.sent > 0 || waiting.padded.length > limit) continue
      if (WHOLE_HEADER_BYTES + waiting.padded.length <= page.free - reserve) {
        page.add(waiting, waiting.padded.length)
      }
    }
  }

  #placeLarge(page: Page, limit: number): void {
    // The one that is under way first, so that there is never a second.
    const unfinished = this.#queue.filter((w) => w.sent < w.padded.length)
    const large = unfinished.filter((w) => w.padded.length > limit || w.sent > 0)
    large.sort((a, b) => Number(b.sent > 0) - Number(a.sent > 0))
    for (const waiting of large) {
      const left = waiting.padded.length - waiting.sent
      const length = Math.min(left, page.free - FRAGMENT_HEADER_BYTES)
      if (length < Math.min(left, MIN_FRAGMENT_BYTES)) return
      page.add(waiting, length)
      if (length < left) return
    }
  }
}

class Page {
  readonly segments: Segment[] = []
  readonly started: number[] = []
  readonly finished: number[] = []
  free: number

  constructor(capacity: number) {
    this.free = capacity
  }

  add(waiting: Waiting, length: number): void {
    const { seq, padded, sent: offset } = waiting
    const data = padded.subarray(offset, offset + length)
    const segment = { seq, total: padded.length, offset, data }
    this.segments.push(segment)
    this.free -= segmentBytes(segment)
    if (offset === 0) this.started.push(seq)
    waiting.sent = offset + length
    if (waiting.sent === padded.length) this.finished.push(seq)
  }
}
