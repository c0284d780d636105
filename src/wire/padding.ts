import { HearsayError } from '../base/index.ts'
import { PAD_MARKER } from './constants.ts'

/**
 * content | 0x80 | zeros, exactly `length` bytes (ISO/IEC 7816-4).
 * @throws HearsayError `too-large` unless the content leaves at least one byte.
 */
export function padTo(content: Uint8Array, length: number): Uint8Array {
  if (content.length >= length) {
    throw new HearsayError('too-large', 'content does not fit its padded length')
  }
  const out = new Uint8Array(length)
  out.set(content)
  out[content.length] = PAD_MARKER
  return out
}

/**
 * Strict inverse of `padTo`: a view of the content. Not constant time: only for authenticated bytes.
 * @throws HearsayError `bad-encoding` when no marker ends the content.
 */
export function unpad(padded: Uint8Array): Uint8Array {
  let end = padded.length - 1
  while (end >= 0 && padded[end] === 0) end--
  if (end < 0 || padded[end] !== PAD_MARKER) {
    throw new HearsayError('bad-encoding', 'padding has no marker')
  }
  return padded.subarray(0, end)
}
