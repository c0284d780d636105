import { chacha20 } from '@noble/ciphers/chacha.js'
import { describe, expect, it } from 'vitest'
import { concat, toHex, utf8 } from '../../../src/base/index.ts'
import { kdf, keyedHash, LABELS, sivOpen, sivSeal } from '../../../src/crypto/index.ts'
import { errorCode } from '../../support/outcome.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const rng = seededRng('siv')
const KEY = rng.bytes(32)
const AD = utf8('associated')

describe('deterministic sealing', () => {
  it('is what its specification says', () => {
    const plaintext = rng.bytes(100)
    const tag = keyedHash(LABELS.sivTag, KEY, AD, plaintext).slice(0, 16)
    const stream = kdf(LABELS.sivStream, KEY, tag, 32)
    const expected = concat(chacha20(stream, new Uint8Array(12), plaintext), tag)
    expect(toHex(sivSeal(KEY, plaintext, AD))).toBe(toHex(expected))
  })

  it('opens what was sealed, of any length', () => {
    for (const length of [0, 1, 16, 63, 64, 65, 2_050]) {
      const plaintext = rng.bytes(length)
      const sealed = sivSeal(KEY, plaintext, AD)
      expect(sealed).toHaveLength(length + 16)
      expect(sivOpen(KEY, sealed, AD)).toEqual(plaintext)
    }
  })

  it('opens nothing else: no bit, key, length or associated data may be another', () => {
    const sealed = sivSeal(KEY, rng.bytes(20), AD)
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const spoiled = sealed.with(bit >>> 3, sealed[bit >>> 3]! ^ (1 << (bit & 7)))
      expect(errorCode(() => sivOpen(KEY, spoiled, AD))).toBe('open-failed')
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(errorCode(() => sivOpen(KEY, sealed.slice(0, length), AD))).toBe('open-failed')
    }
    expect(errorCode(() => sivOpen(KEY, Uint8Array.of(...sealed, 0), AD))).toBe('open-failed')
    expect(errorCode(() => sivOpen(rng.bytes(32), sealed, AD))).toBe('open-failed')
    expect(errorCode(() => sivOpen(KEY, sealed, utf8('associates')))).toBe('open-failed')
    expect(errorCode(() => sivOpen(new Uint8Array(31), sealed, AD))).toBe('bad-length')
  })

  it('gives the same bytes for the same, and another stream for every other plaintext', () => {
    const one = rng.bytes(64)
    const two = one.with(63, one[63]! ^ 1)
    expect(sivSeal(KEY, one, AD)).toEqual(sivSeal(KEY, one, AD))
    const [a, b] = [sivSeal(KEY, one, AD), sivSeal(KEY, two, AD)]
    const same = one.filter((_, i) => a[i] === b[i])
    // Under one stream all but the last would be equal.
    expect(same.length).toBeLessThan(8)
  })
})
