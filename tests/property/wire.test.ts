import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HearsayError, toHex } from '../../src/base/index.ts'
import { type CborValue, decodeCbor, encodeCbor, padTo, unpad } from '../../src/wire/index.ts'
import { REFUSED, reencoded } from '../support/outcome.ts'

const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
    fc.string({ unit: 'grapheme', maxLength: 30 }).filter((text) => text.isWellFormed()),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .dictionary(fc.string({ maxLength: 30 }), tie('value'), { maxKeys: 5, noNullPrototype: true })
      .filter((map) => !Object.hasOwn(map, '__proto__')),
  ) as fc.Arbitrary<CborValue>,
}))
const OPTIONS = { maxBytes: 100_000 }

/** Accepted input re-encodes to itself; anything else is refused with the one error type. */
function strict(bytes: Uint8Array): void {
  const outcome = reencoded(bytes, (input) => decodeCbor(input, OPTIONS), encodeCbor)
  expect([REFUSED, toHex(bytes)]).toContain(outcome)
}

describe('CBOR', () => {
  it('decodes what it encoded', () => {
    fc.assert(
      fc.property(value, (v) => {
        expect(decodeCbor(encodeCbor(v), OPTIONS)).toEqual(v)
      }),
      { numRuns: 300 },
    )
  })

  it('accepts nothing that re-encodes to other bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), strict), { numRuns: 1000 })
    fc.assert(
      fc.property(value, fc.nat(), fc.nat(255), (v, at, byte) => {
        const bytes = encodeCbor(v).slice()
        bytes[at % bytes.length] = byte
        strict(bytes)
      }),
      { numRuns: 500 },
    )
  })

  it('refuses every truncation and every extension', () => {
    fc.assert(
      fc.property(value, fc.nat(), (v, at) => {
        const bytes = encodeCbor(v)
        const cut = bytes.subarray(0, at % bytes.length)
        expect(() => decodeCbor(cut, OPTIONS)).toThrow(HearsayError)
        const longer = Uint8Array.from([...bytes, at & 0xff])
        expect(() => decodeCbor(longer, OPTIONS)).toThrow(HearsayError)
      }),
      { numRuns: 200 },
    )
  })
})

describe('padding', () => {
  it('gives back every content, and every accepted input pads to itself', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(20), (content, extra) => {
        expect(unpad(padTo(content, content.length + 1 + extra))).toEqual(content)
        const again = reencoded(content, unpad, (inner) => padTo(inner, content.length))
        expect([REFUSED, toHex(content)]).toContain(again)
      }),
    )
  })
})
