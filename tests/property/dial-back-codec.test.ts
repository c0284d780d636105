import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isHearsayError, toHex } from '../../src/base/index.ts'
import {
  DIAL_BACK_NONCE_BYTES,
  DIAL_BACK_REQUEST_BYTES,
  MAX_ADDRESSES_PER_DIAL,
  MAX_DIAL_BACK_ADDRESS_BYTES,
} from '../../src/net/constants.ts'
import {
  decodeDialBack,
  decodeDialBackAnswer,
  encodeDialBack,
  encodeDialBackAnswer,
} from '../../src/net/dial-back-codec.ts'

const question = fc.record({
  nonce: fc.uint8Array({ minLength: DIAL_BACK_NONCE_BYTES, maxLength: DIAL_BACK_NONCE_BYTES }),
  addresses: fc.array(fc.string({ maxLength: MAX_DIAL_BACK_ADDRESS_BYTES }), {
    minLength: 1,
    maxLength: MAX_ADDRESSES_PER_DIAL,
  }),
})

/** The decoded value; undefined when it was refused with an error of our own. */
function tried<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    if (isHearsayError(error)) return undefined
    throw error
  }
}

describe('the question for a dial back', () => {
  it('comes back as it was, and fits its limit', () => {
    fc.assert(
      fc.property(question, (value) => {
        const bytes = encodeDialBack(value)
        expect(bytes.length).toBeLessThanOrEqual(DIAL_BACK_REQUEST_BYTES)
        expect(decodeDialBack(bytes)).toEqual(value)
      }),
    )
  })

  it('is as long as its limit when nothing more can be said', () => {
    const addresses = Array.from({ length: MAX_ADDRESSES_PER_DIAL }, () =>
      'a'.repeat(MAX_DIAL_BACK_ADDRESS_BYTES),
    )
    const nonce = new Uint8Array(DIAL_BACK_NONCE_BYTES)
    expect(encodeDialBack({ nonce, addresses }).length).toBe(DIAL_BACK_REQUEST_BYTES)
  })

  it('is refused when it is cut, longer, without addresses or with too many', () => {
    fc.assert(
      fc.property(question, fc.nat(), (value, at) => {
        const bytes = encodeDialBack(value)
        expect(tried(decodeDialBack, bytes.subarray(0, at % bytes.length))).toBeUndefined()
        expect(tried(decodeDialBack, new Uint8Array([...bytes, 0]))).toBeUndefined()
        for (const count of [0, value.addresses.length + 1, MAX_ADDRESSES_PER_DIAL + 1]) {
          const other = bytes.slice()
          other[DIAL_BACK_NONCE_BYTES] = count
          expect(tried(decodeDialBack, other)).toBeUndefined()
        }
      }),
    )
  })

  it('never throws anything else, and what is accepted has one form', () => {
    fc.assert(
      fc.property(question, fc.nat(), fc.nat({ max: 255 }), (value, at, byte) => {
        const bytes = encodeDialBack(value)
        bytes[at % bytes.length] = byte
        const decoded = tried(decodeDialBack, bytes)
        const again = decoded === undefined ? bytes : encodeDialBack(decoded)
        expect(toHex(again)).toBe(toHex(bytes))
      }),
    )
  })
})

describe('the answer', () => {
  it('is one byte of three', () => {
    for (let byte = 0; byte < 256; byte++) {
      const bytes = Uint8Array.of(byte)
      const decoded = tried(decodeDialBackAnswer, bytes)
      const again = decoded === undefined ? undefined : encodeDialBackAnswer(decoded)
      expect(again).toEqual(byte > 2 ? undefined : bytes)
    }
    expect(tried(decodeDialBackAnswer, new Uint8Array(0))).toBeUndefined()
    expect(tried(decodeDialBackAnswer, Uint8Array.of(0, 0))).toBeUndefined()
  })
})
