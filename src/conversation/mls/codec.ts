import { decodeMlsMessage, encodeMlsMessage, type Decoder, type MLSMessage } from 'ts-mls'
import { equalBytes } from '../../base/index.ts'
import { type MlsReason, reject, requireThat } from './reject.ts'

/**
 * Decodes all of `bytes` and only in the one canonical form: the value must encode to the same bytes again.
 * The library ignores trailing bytes, takes any presence octet but 1 for "absent" and accepts lengths in
 * longer forms than needed; two encodings of one message would have two hashes.
 * The result may alias `bytes`.
 */
export function decodeStrictly<T>(
  bytes: Uint8Array,
  decode: Decoder<T>,
  encode: (value: T) => Uint8Array,
  reason: MlsReason,
): T {
  let value: T
  let again: Uint8Array
  try {
    const decoded = decode(bytes, 0)
    if (decoded === undefined || decoded[1] !== bytes.length) return reject(reason)
    value = decoded[0]
    again = encode(value)
  } catch (error) {
    return reject(reason, error)
  }
  const same = equalBytes(again, bytes)
  again.fill(0)
  requireThat(same, reason)
  return value
}

/** Decodes one MLSMessage of at most `maxBytes`. The bound is checked first. The result is a private copy. */
export function decodeMessage(bytes: Uint8Array, maxBytes: number): MLSMessage {
  requireThat(bytes instanceof Uint8Array, 'malformed')
  requireThat(bytes.length <= maxBytes, 'too-large')
  const message = decodeStrictly(bytes.slice(), decodeMlsMessage, encodeMlsMessage, 'malformed')
  requireThat(message.version === 'mls10', 'wrong-version')
  return message
}
