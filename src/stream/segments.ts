import { HearsayError } from '../base/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import {
  FRAGMENT_HEADER_BYTES,
  MAX_PADDED_BYTES,
  MIN_FRAGMENT_BYTES,
  WHOLE_HEADER_BYTES,
} from './constants.ts'
import { isPaddedLength } from './record-classes.ts'

/** A piece of a padded record. A whole record has `offset` 0 and all `total` bytes. */
export interface Segment {
  readonly seq: number
  readonly total: number
  readonly offset: number
  readonly data: Uint8Array
}

const KIND_END = 0
const KIND_WHOLE = 1
const KIND_FRAGMENT = 2

export function isWhole(segment: Segment): boolean {
  return segment.data.length === segment.total
}

/** Bytes of the segment in a payload. */
export function segmentBytes(segment: Segment): number {
  const header = isWhole(segment) ? WHOLE_HEADER_BYTES : FRAGMENT_HEADER_BYTES
  return header + segment.data.length
}

/**
 * A payload of exactly `capacity` bytes: the segments, then zeros.
 * @throws HearsayError `bug` when they do not fit.
 */
export function encodeSegments(segments: readonly Segment[], capacity: number): Uint8Array {
  const writer = new Writer(capacity)
  for (const segment of segments) {
    const whole = isWhole(segment)
    writer.u8(whole ? KIND_WHOLE : KIND_FRAGMENT)
    writer.u64(segment.seq).u16(segment.data.length)
    if (!whole) writer.u32(segment.total).u32(segment.offset)
    writer.bytes(segment.data)
  }
  return writer.bytes(new Uint8Array(capacity - writer.offset)).finish()
}

/**
 * Strict inverse of `encodeSegments`, of any capacity; data are views.
 * @throws HearsayError `bad-value` (kind, class, range), `bad-length`, `trailing-bytes` (not zeros).
 */
export function parseSegments(payload: Uint8Array): Segment[] {
  const reader = new Reader(payload)
  const segments: Segment[] = []
  while (reader.remaining > 0) {
    const kind = reader.u8('kind')
    if (kind === KIND_END) {
      checkZeros(reader.rest(), reader.offset)
      break
    }
    if (kind !== KIND_WHOLE && kind !== KIND_FRAGMENT) {
      throw new HearsayError('bad-value', 'unknown kind of segment', { kind })
    }
    segments.push(readSegment(reader, kind))
  }
  return segments
}

function readSegment(reader: Reader, kind: number): Segment {
  const seq = reader.u64('seq')
  const length = reader.u16('length')
  const total = kind === KIND_WHOLE ? length : reader.u32('total')
  const offset = kind === KIND_WHOLE ? 0 : reader.u32('offset')
  if (!isPaddedLength(total) || total > MAX_PADDED_BYTES) {
    throw new HearsayError('bad-value', 'record length is not a class', { total })
  }
  if (kind === KIND_FRAGMENT && !isFragment(length, total, offset)) {
    throw new HearsayError('bad-value', 'impossible fragment', { offset, length })
  }
  return { seq, total, offset, data: reader.bytes(length, 'data') }
}

/**
 * A fragment that is a whole record would be a second encoding of it; many short ones would cost the reader
 * time, so only the last of a record may be short.
 */
function isFragment(length: number, total: number, offset: number): boolean {
  const end = offset + length
  return (
    length < total && end <= total && length > 0 && (length >= MIN_FRAGMENT_BYTES || end === total)
  )
}

function checkZeros(rest: Uint8Array, offset: number): void {
  for (const byte of rest) {
    if (byte !== 0) throw new HearsayError('trailing-bytes', 'payload ends in zeros', { offset })
  }
}
