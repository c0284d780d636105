import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/base/index.ts'
import {
  blind,
  blindFromBytes,
  hash,
  LABELS,
  signBlinded,
  signKeyPairFromSeed,
  verify,
} from '../../src/crypto/index.ts'
import { scalarMul, scalarMulAdd, scalarReduce } from '../../src/crypto/scalar.ts'
import { L, toBytes, toInteger } from '../vectors/stream/edwards.ts'

const MAX = 2n ** 256n - 1n
const EDGES = [0n, 1n, 2n, L - 1n, L, L + 1n, 2n * L, 8n * L, 2n ** 252n, 2n ** 255n - 19n, MAX]
const integer = fc.oneof(
  fc.bigInt({ min: 0n, max: MAX }),
  fc.constantFrom(...EDGES),
  // Runs of full and empty limbs drive the carries.
  fc
    .array(fc.constantFrom(0, 0xff, 0x80, 1), { minLength: 32, maxLength: 32 })
    .map((bytes) => toInteger(Uint8Array.from(bytes))),
)
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('scalar arithmetic', () => {
  it('multiplies like big integers modulo L, reduced or not', () => {
    fc.assert(
      fc.property(integer, integer, (a, b) => {
        expect(toInteger(scalarMul(toBytes(a), toBytes(b)))).toBe((a * b) % L)
      }),
      { numRuns: 2000 },
    )
    for (const a of EDGES) {
      for (const b of EDGES) {
        expect(toInteger(scalarMul(toBytes(a), toBytes(b)))).toBe((a * b) % L)
      }
    }
  })

  it('multiplies and adds like big integers modulo L', () => {
    const scalar = integer.map((value) => value % L)
    fc.assert(
      fc.property(scalar, scalar, scalar, (a, b, c) => {
        const out = scalarMulAdd(toBytes(a), toBytes(b), toBytes(c))
        expect(toInteger(out)).toBe((a * b + c) % L)
      }),
      { numRuns: 500 },
    )
  })

  it('reduces 64 bytes like big integers', () => {
    fc.assert(
      fc.property(bytes(64), (wide) => {
        expect(toInteger(scalarReduce(wide))).toBe(toInteger(wide) % L)
      }),
    )
  })

  it('does not write to its inputs', () => {
    const [a, b] = [toBytes(MAX), toBytes(L - 1n)]
    scalarMul(a, b)
    expect([toInteger(a), toInteger(b)]).toEqual([MAX, L - 1n])
  })
})

describe('key blinding', () => {
  it('verifies for every seed, blind and message, and for no other message', () => {
    const message = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(bytes(32), bytes(64), message, (seed, wide, text) => {
        fc.pre(wide.some((byte) => byte !== 0))
        const by = blindFromBytes(wide)
        const address = blind(signKeyPairFromSeed(seed).publicKey, by)
        const signature = signBlinded(seed, by, text)
        expect(verify(signature, text, address)).toBe(true)
        expect(verify(signature, Uint8Array.of(...text, 0), address)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it('refuses every signature with a flipped bit', () => {
    const seed = new Uint8Array(32).fill(3)
    const by = blindFromBytes(new Uint8Array(64).fill(5))
    const address = blind(signKeyPairFromSeed(seed).publicKey, by)
    const signature = signBlinded(seed, by, seed)
    for (let bit = 0; bit < 512; bit += 5) {
      const bad = signature.slice()
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(verify(bad, seed, address)).toBe(false)
    }
  })
})

describe('hash', () => {
  it('never gives two lists of parts one value', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 4 })
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const same = JSON.stringify(a.map(toHex)) === JSON.stringify(b.map(toHex))
        const sums = [hash(LABELS.boxHash, ...a), hash(LABELS.boxHash, ...b)].map(toHex)
        expect(sums[0] === sums[1]).toBe(same)
      }),
      { numRuns: 500 },
    )
  })
})
