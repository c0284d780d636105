import { describe, expect, it } from 'vitest'
import { fromHex, readU64be, toHex, u64be } from '../../../src/base/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const rng = seededRng('bytes')

describe('bytes', () => {
  it('are written as the same hexadecimal whatever their length and wherever they lie', () => {
    for (let length = 0; length <= 130; length++) {
      const bytes = rng.bytes(length)
      const text = Buffer.from(bytes).toString('hex')
      expect(toHex(bytes)).toBe(text)
      const inside = new Uint8Array(length + 7).fill(0xee)
      inside.set(bytes, 3)
      expect(toHex(inside.subarray(3, 3 + length))).toBe(text)
      expect(fromHex(text)).toEqual(bytes)
    }
  })

  it('of an integer are read back, at any offset', () => {
    for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, 2 ** 53 - 1]) {
      expect(readU64be(u64be(value))).toBe(value)
      const inside = new Uint8Array(20).fill(0xff)
      inside.set(u64be(value), 5)
      expect(readU64be(inside, 5)).toBe(value)
      expect(readU64be(inside.subarray(5, 13))).toBe(value)
    }
  })

  it('of an integer above 2^53 - 1, or too few of them, are refused', () => {
    for (const first of [0x00, 0x20, 0xff]) {
      const bytes = Uint8Array.of(first, first === 0 ? 0x20 : 0, 0, 0, 0, 0, 0, 0)
      expect(() => readU64be(bytes)).toThrow(/2\^53/)
    }
    expect(() => readU64be(new Uint8Array(7))).toThrow(RangeError)
    expect(() => readU64be(new Uint8Array(8), 1)).toThrow(RangeError)
  })
})
