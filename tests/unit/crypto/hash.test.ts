import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../src/base/index.ts'
import {
  hash,
  hashHex,
  kdf,
  keyedHash,
  KDF_MAX_BYTES,
  LABELS,
  rawBlake2b,
  sha256,
  sha512,
} from '../../../src/crypto/index.ts'

const KEY = new Uint8Array(32).fill(7)
const NONE = new Uint8Array(0)

describe('hash', () => {
  it('tells apart lists of parts that concatenate to the same bytes', () => {
    const split = [
      [utf8('ab'), utf8('c')],
      [utf8('a'), utf8('bc')],
      [utf8('abc')],
      [utf8('abc'), NONE],
      [NONE, utf8('abc')],
    ]
    const sums = split.map((parts) => toHex(hash(LABELS.boxHash, ...parts)))
    expect(new Set(sums).size).toBe(split.length)
  })

  it('is the same in hexadecimal', () => {
    for (const parts of [[], [utf8('ab'), NONE], [new Uint8Array(5_000).fill(3), utf8('c')]]) {
      expect(hashHex(LABELS.boxHash, ...parts)).toBe(toHex(hash(LABELS.boxHash, ...parts)))
    }
  })

  it('tells apart labels, and the three functions under one label', () => {
    const a = hash(LABELS.boxHash, KEY)
    expect(toHex(hash(LABELS.networkId, KEY))).not.toBe(toHex(a))
    const keyed = keyedHash(LABELS.boxHash, KEY)
    expect(toHex(keyed)).not.toBe(toHex(hash(LABELS.boxHash)))
    expect(toHex(kdf(LABELS.boxHash, KEY, NONE, 32))).not.toBe(toHex(keyed))
  })

  it('takes no key that is not 32 bytes', () => {
    for (const length of [0, 16, 31, 33, 64]) {
      const key = new Uint8Array(length)
      expect(() => keyedHash(LABELS.boxHash, key)).toThrow(/32 bytes/)
      expect(() => kdf(LABELS.boxHash, key, NONE, 32)).toThrow(/32 bytes/)
    }
  })
})

describe('kdf', () => {
  it('gives any length from 1 to 16320 bytes and no other', () => {
    for (const length of [1, 63, 64, 65, 128, KDF_MAX_BYTES]) {
      expect(kdf(LABELS.streamChain, KEY, NONE, length).length).toBe(length)
    }
    for (const length of [0, -1, 1.5, KDF_MAX_BYTES + 1, Number.NaN]) {
      expect(() => kdf(LABELS.streamChain, KEY, NONE, length)).toThrow(/16320/)
    }
  })

  it('does not make a short output the beginning of a longer one', () => {
    const short = kdf(LABELS.streamChain, KEY, NONE, 32)
    const long = kdf(LABELS.streamChain, KEY, NONE, 64)
    expect(toHex(long.subarray(0, 32))).not.toBe(toHex(short))
  })

  it('repeats no block', () => {
    const out = kdf(LABELS.streamChain, KEY, NONE, KDF_MAX_BYTES)
    const blocks = Array.from({ length: 255 }, (_, i) => toHex(out.subarray(64 * i, 64 * i + 64)))
    expect(new Set(blocks).size).toBe(255)
  })

  it('depends on every input', () => {
    const other = new Uint8Array(32).fill(8)
    const outs = [
      kdf(LABELS.streamChain, KEY, NONE, 32),
      kdf(LABELS.streamFirst, KEY, NONE, 32),
      kdf(LABELS.streamChain, other, NONE, 32),
      kdf(LABELS.streamChain, KEY, Uint8Array.of(0), 32),
    ].map(toHex)
    expect(new Set(outs).size).toBe(4)
  })
})

describe('unlabelled hashes', () => {
  it('match the published values', () => {
    const digest = (name: string, text: string) => createHash(name).update(text).digest('hex')
    expect(toHex(sha256(utf8('abc')))).toBe(digest('sha256', 'abc'))
    expect(toHex(sha512(NONE))).toBe(digest('sha512', ''))
    expect(toHex(rawBlake2b(64, utf8('abc')))).toBe(digest('blake2b512', 'abc'))
  })
})

describe('labels', () => {
  it('are distinct, short ASCII and carry a version', () => {
    const labels = Object.values(LABELS)
    expect(new Set(labels).size).toBe(labels.length)
    for (const label of labels)
      expect(label).toMatch(/^hearsay\/v[1-9]\/[a-z0-9-]+(\/[a-z0-9-]+)+$/)
    for (const label of labels) expect(label.length).toBeLessThan(128)
  })
})
