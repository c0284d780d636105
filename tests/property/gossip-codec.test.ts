import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asNetworkId,
  asNodeId,
  type BoxBytes,
  isHearsayError,
  toHex,
} from '../../src/base/index.ts'
import { PROOF_BYTES, PUBLICATION_BYTES } from '../../src/gossip/index.ts'
import { buildProof, decodeProof, encodeProof } from '../../src/gossip/proof.ts'
import {
  decodePublication,
  encodePublication,
  publicationId,
} from '../../src/gossip/publication.ts'
import { BOX_BYTES } from '../../src/stream/index.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const header = fc.record({
  networkId: bytes(32).map(asNetworkId),
  epoch: fc.integer({ min: 0, max: 0xffff_ffff }),
  courier: bytes(32).map(asNodeId),
  counter: fc.maxSafeNat(),
})
const publication = fc
  .tuple(header, bytes(BOX_BYTES), bytes(64))
  .map(([fields, box, signature]) => ({ ...fields, box: box as BoxBytes, signature }))
const signed = fc.record({ boxHash: bytes(32), signature: bytes(64) })

const decodes = (decode: (input: Uint8Array) => unknown, input: Uint8Array): boolean => {
  try {
    decode(input)
    return true
  } catch (error) {
    if (isHearsayError(error)) return false
    throw error
  }
}

describe('the codec of publications', () => {
  it('gives back what was encoded, in exactly PUBLICATION_BYTES', () => {
    fc.assert(
      fc.property(publication, (value) => {
        const encoded = encodePublication(value)
        expect(encoded.length).toBe(PUBLICATION_BYTES)
        expect(decodePublication(encoded)).toEqual(value)
      }),
      { numRuns: 50 },
    )
  })

  it('re-encodes whatever it accepts to the same bytes', () => {
    fc.assert(
      fc.property(bytes(PUBLICATION_BYTES), fc.boolean(), (input, tidy) => {
        if (tidy) {
          input[0] = 1
          input.fill(0, 69, 71)
        }
        if (!decodes(decodePublication, input)) return
        expect(toHex(encodePublication(decodePublication(input)))).toBe(toHex(input))
      }),
      { numRuns: 50 },
    )
  })

  it('refuses every other length with an error of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: PUBLICATION_BYTES + 8 }), (input) => {
        fc.pre(input.length !== PUBLICATION_BYTES)
        expect(decodes(decodePublication, input)).toBe(false)
      }),
    )
  })

  it('gives another message id for every flipped bit', () => {
    fc.assert(
      fc.property(
        publication,
        fc.nat(PUBLICATION_BYTES - 1),
        fc.integer({ min: 0, max: 7 }),
        (value, at, bit) => {
          const encoded = encodePublication(value)
          const before = toHex(publicationId(encoded))
          encoded[at] = (encoded[at] ?? 0) ^ (1 << bit)
          expect(toHex(publicationId(encoded))).not.toBe(before)
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('the codec of proofs', () => {
  it('has one encoding for one pair of signatures, whatever their order', () => {
    fc.assert(
      fc.property(header, signed, signed, (fields, one, two) => {
        fc.pre(toHex(one.boxHash) !== toHex(two.boxHash))
        const encoded = encodeProof(buildProof(fields, one, two))
        expect(encoded.length).toBe(PROOF_BYTES)
        expect(toHex(encodeProof(buildProof(fields, two, one)))).toBe(toHex(encoded))
        expect(toHex(encodeProof(decodeProof(encoded)))).toBe(toHex(encoded))
      }),
    )
  })

  it('is total', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: PROOF_BYTES + 2 }), (input) => {
        decodes(decodeProof, input)
      }),
    )
    fc.assert(
      fc.property(bytes(PROOF_BYTES), (input) => {
        input[0] = 1
        if (!decodes(decodeProof, input)) return
        expect(toHex(encodeProof(decodeProof(input)))).toBe(toHex(input))
      }),
    )
  })
})
