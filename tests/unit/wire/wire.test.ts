import { describe, expect, it } from 'vitest'
import { type HearsayError, isHearsayError } from '../../../src/base/index.ts'
import { padTo, Reader, unpad, Writer } from '../../../src/wire/index.ts'

function failure(run: () => unknown): HearsayError {
  try {
    run()
  } catch (error) {
    if (isHearsayError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('Writer and Reader', () => {
  it('agree on every field at its limits', () => {
    const bytes = new Writer(1 + 2 + 4 + 8 + 3 + 2 + 1 + 4 + 0)
      .u8(255)
      .u16(0xffff)
      .u32(0xffff_ffff)
      .u64(Number.MAX_SAFE_INTEGER)
      .bytes(Uint8Array.of(1, 2, 3))
      .vector16(Uint8Array.of(4))
      .vector32(new Uint8Array(0))
      .finish()
    const reader = new Reader(bytes)
    expect(reader.u8()).toBe(255)
    expect(reader.u16()).toBe(0xffff)
    expect(reader.u32()).toBe(0xffff_ffff)
    expect(reader.u64()).toBe(Number.MAX_SAFE_INTEGER)
    expect([...reader.bytes(3)]).toEqual([1, 2, 3])
    expect([...reader.vector16(1)]).toEqual([4])
    expect(reader.vector32(0).length).toBe(0)
    reader.end()
  })

  it('are big-endian', () => {
    const bytes = new Writer(15).u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e).finish()
    expect([...bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 0, 8, 9, 10, 11, 12, 13, 14])
  })

  it('read at the right place inside a larger buffer', () => {
    const outer = Uint8Array.of(9, 9, 0, 0, 0, 7, 9)
    expect(new Reader(outer.subarray(2, 6)).u32()).toBe(7)
    expect(failure(() => new Reader(outer.subarray(2, 6)).bytes(5)).code).toBe('bad-length')
  })

  it('name the field and the offset at which the input ends', () => {
    const reader = new Reader(Uint8Array.of(1, 2))
    reader.u8('version')
    const error = failure(() => reader.u32('expiryDay'))
    expect(error.code).toBe('bad-length')
    expect(error.details).toEqual({ field: 'expiryDay', offset: 1 })
    expect(reader.offset).toBe(1)
  })

  it('refuse trailing bytes, integers above 2^53 - 1 and vectors above their limit', () => {
    expect(failure(() => new Reader(Uint8Array.of(1)).end()).code).toBe('trailing-bytes')
    expect(failure(() => new Reader(new Uint8Array(8).fill(255)).u64()).code).toBe('bad-value')
    expect(failure(() => new Reader(Uint8Array.of(0, 2, 1, 1)).vector16(1)).code).toBe('bad-length')
    const huge = Uint8Array.of(255, 255, 255, 255)
    expect(failure(() => new Reader(huge).vector32(2 ** 32)).code).toBe('bad-length')
  })

  it('refuse lengths that are no lengths', () => {
    for (const length of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(failure(() => new Reader(new Uint8Array(4)).bytes(length)).code).toBe('bad-length')
    }
  })

  it('refuse integers that do not fit and layouts that are not filled exactly', () => {
    expect(failure(() => new Writer(1).u8(256)).code).toBe('bad-value')
    expect(failure(() => new Writer(2).u16(-1)).code).toBe('bad-value')
    expect(failure(() => new Writer(4).u32(1.5)).code).toBe('bad-value')
    expect(failure(() => new Writer(8).u64(2 ** 53)).code).toBe('bad-value')
    expect(failure(() => new Writer(70_000).vector16(new Uint8Array(65_536))).code).toBe(
      'too-large',
    )
    expect(failure(() => new Writer(1).u16(1)).code).toBe('bug')
    expect(failure(() => new Writer(2).u8(1).finish()).code).toBe('bug')
  })
})

describe('padding', () => {
  it('keeps contents that end in zeros or in the marker', () => {
    for (const content of [[], [0], [0x80], [0x80, 0, 0], [1, 2, 3]]) {
      expect([...unpad(padTo(Uint8Array.from(content), 8))]).toEqual(content)
    }
  })

  it('needs room for the marker', () => {
    expect(failure(() => padTo(new Uint8Array(8), 8)).code).toBe('too-large')
    expect(padTo(new Uint8Array(7), 8).length).toBe(8)
  })

  it('refuses what has no marker', () => {
    for (const bytes of [[], [0, 0], [1], [0x80, 1, 0]]) {
      expect(failure(() => unpad(Uint8Array.from(bytes))).code).toBe('bad-encoding')
    }
  })
})
