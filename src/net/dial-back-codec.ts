import { fromUtf8, HearsayError, utf8 } from '../base/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import {
  DIAL_BACK_NONCE_BYTES,
  MAX_ADDRESSES_PER_DIAL,
  MAX_DIAL_BACK_ADDRESS_BYTES,
} from './constants.ts'

export interface DialBackRequest {
  /** DIAL_BACK_NONCE_BYTES that the helper brings back over the connection that it makes. */
  readonly nonce: Uint8Array
  /** Multiaddrs without a peer id, 1 to MAX_ADDRESSES_PER_DIAL. */
  readonly addresses: readonly string[]
}

/** `dialled`: the nonce was brought. `failed`: nobody answered. `elsewhere`: no address is where the asker comes from. */
export type DialBackAnswer = 'dialled' | 'failed' | 'elsewhere'

/** nonce 16 | count 1 | count × (length 2 | address). */
export function encodeDialBack({ nonce, addresses }: DialBackRequest): Uint8Array {
  const texts = addresses.map(utf8)
  const bytes = texts.reduce((sum, text) => sum + 2 + text.length, DIAL_BACK_NONCE_BYTES + 1)
  const writer = new Writer(bytes).bytes(nonce).u8(texts.length)
  for (const text of texts) writer.vector16(text)
  return writer.finish()
}

/** Strict inverse; what the addresses say is judged when one is dialled. @throws HearsayError of the class `peer`. */
export function decodeDialBack(bytes: Uint8Array): DialBackRequest {
  const reader = new Reader(bytes)
  const nonce = reader.bytes(DIAL_BACK_NONCE_BYTES, 'nonce').slice()
  const count = reader.u8('count')
  if (count === 0 || count > MAX_ADDRESSES_PER_DIAL) {
    throw new HearsayError('bad-value', 'number of addresses out of bounds', { count })
  }
  const addresses = Array.from({ length: count }, () =>
    fromUtf8(reader.vector16(MAX_DIAL_BACK_ADDRESS_BYTES, 'address')),
  )
  reader.end()
  return { nonce, addresses }
}

const ANSWERS: readonly DialBackAnswer[] = ['dialled', 'failed', 'elsewhere']

/** One byte: the place in `dialled`, `failed`, `elsewhere`. */
export function encodeDialBackAnswer(answer: DialBackAnswer): Uint8Array {
  return Uint8Array.of(ANSWERS.indexOf(answer))
}

/** Strict inverse. @throws HearsayError of the class `peer`. */
export function decodeDialBackAnswer(bytes: Uint8Array): DialBackAnswer {
  const reader = new Reader(bytes)
  const answer = ANSWERS[reader.u8('answer')]
  reader.end()
  if (answer === undefined) throw new HearsayError('bad-value', 'no such answer')
  return answer
}
