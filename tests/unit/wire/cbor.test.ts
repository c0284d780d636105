import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/base/index.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../../../src/wire/index.ts'
import { errorCode } from '../../support/outcome.ts'

const decode = (hex: string) => decodeCbor(fromHex(hex), { maxBytes: 10_000 })

describe('encodeCbor', () => {
  it('sorts map keys by their encoded bytes, whatever the order of insertion', () => {
    const value = { b: 1, a: 2, aa: 3, [`k${'x'.repeat(30)}`]: 4 }
    const reversed = Object.fromEntries(Object.entries(value).reverse())
    expect(encodeCbor(reversed)).toEqual(encodeCbor(value))
    expect(toHex(encodeCbor({ b: 1, a: 2, aa: 3 }))).toBe('a361610261620162616103')
  })

  it('refuses what the subset lacks', () => {
    const bad: unknown[] = [
      1.5,
      -0,
      Number.NaN,
      2 ** 53,
      undefined,
      1n,
      'lone \ud800',
      { key: undefined },
      { '\udfff': 1 },
      [undefined],
      new Date(0),
      new Map(),
      () => 1,
      Symbol('x'),
    ]
    for (const value of bad)
      expect(errorCode(() => encodeCbor(value as CborValue))).toBe('bad-value')
    const cycle: CborValue[] = []
    cycle.push(cycle)
    expect(errorCode(() => encodeCbor(cycle))).toBe('bad-value')
  })
})

describe('decodeCbor', () => {
  it('gives back every character of a text, a byte order mark at its beginning too', () => {
    for (const length of [0, 1, 40, 300, 70_000]) {
      for (const text of [
        `\ufeff${'a'.repeat(length)}`,
        `\ufeff\ufeff${'é'.repeat(length)}\ufeff`,
      ]) {
        const bytes = encodeCbor({ [text]: text })
        expect(decodeCbor(bytes, { maxBytes: bytes.length })).toEqual({ [text]: text })
      }
    }
  })

  it('refuses a map of too many keys before it builds it, and so does the encoder', () => {
    const mapOf = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i).padStart(5, '0'), 0]))
    const options = { maxBytes: 1_000_000 }
    const largest = encodeCbor(mapOf(1024))
    expect(decodeCbor(largest, options)).toEqual(mapOf(1024))
    expect(errorCode(() => encodeCbor(mapOf(1025)))).toBe('bad-value')
    const announced = toHex(largest).replace(/^b90400/, 'b90401')
    expect(errorCode(() => decode(`${announced}66303031303234 00`.replace(' ', '')))).toBe(
      'bad-encoding',
    )
  })

  it('refuses every second way to write a value', () => {
    const second = {
      'an integer in more bytes than needed': '1801',
      'a length in more bytes than needed': '580101',
      'a text of indefinite length': '7f6161ff',
      'an array of indefinite length': '9f01ff',
      'keys out of order': 'a2616201616102',
      'a key twice': 'a2616101616102',
      'a float': 'f93c00',
      'a fraction': 'fb3ff8000000000000',
      'not a number': 'f97e00',
      undefined: 'f7',
      'a tag': 'c000',
      'a simple value': 'e0',
      'an integer key': 'a10101',
      'a key that is a byte string': 'a1416101',
      'an integer above 2^53': '1b0020000000000000',
      'text that is not UTF-8': '61ff',
      'trailing bytes': '0101',
      nothing: '',
      'a break without a beginning': 'ff',
    }
    const accepted = Object.entries(second).filter(
      ([, hex]) => errorCode(() => decode(hex)) !== 'bad-encoding',
    )
    expect(accepted).toEqual([])
  })

  it('refuses lengths beyond the input without allocating them', () => {
    for (const hex of [
      '5affffffff',
      '7affffffff',
      '9affffffff',
      'baffffffff',
      '9bffffffffffffffff',
    ]) {
      expect(errorCode(() => decode(hex))).toBe('bad-encoding')
    }
  })

  it('survives hostile nesting', () => {
    const nested = (depth: number) => new Uint8Array(depth + 1).fill(0x81, 0, depth)
    const options = { maxBytes: 1_000_000 }
    expect(errorCode(() => decodeCbor(nested(16), options))).toBe('none')
    expect(errorCode(() => decodeCbor(nested(17), options))).toBe('bad-encoding')
    expect(errorCode(() => decodeCbor(nested(500_000), options))).toBe('bad-encoding')
  })

  it('does not let a key reach a prototype', () => {
    const polluting = toHex(encodeCbor({ xx_proto_x: 1 })).replace(
      toHex(Buffer.from('xx_proto_x')),
      toHex(Buffer.from('__proto__x')),
    )
    expect(errorCode(() => decode(polluting))).toBe('none')
    const proto = `a169${toHex(Buffer.from('__proto__'))}a1616101`
    expect(errorCode(() => decode(proto))).toBe('bad-encoding')
    expect(({} as Record<string, unknown>)['a']).toBeUndefined()
  })

  it('limits the length before it decodes', () => {
    const bytes = encodeCbor('x'.repeat(100))
    expect(errorCode(() => decodeCbor(bytes, { maxBytes: 101 }))).toBe('bad-length')
    expect(decodeCbor(bytes, { maxBytes: 102 })).toBe('x'.repeat(100))
  })
})
