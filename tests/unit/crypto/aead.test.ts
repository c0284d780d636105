import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../src/base/index.ts'
import {
  aeadOpen,
  aeadSeal,
  aeadSealInto,
  chacha20XorInto,
  constantTimeEqual,
  randomKey,
  sealedBoxOpen,
  sealedBoxSeal,
  wipe,
  x25519,
  x25519PublicKey,
  xaeadOpen,
  xaeadSeal,
} from '../../../src/crypto/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { errorCode } from '../../support/outcome.ts'

const KEY = new Uint8Array(32).fill(1)
const TEXT = utf8('the box says nothing to anyone else')
const AD = utf8('header')

const SUITES = [
  { name: 'ChaCha20-Poly1305', seal: aeadSeal, open: aeadOpen, nonceBytes: 12 },
  { name: 'XChaCha20-Poly1305', seal: xaeadSeal, open: xaeadOpen, nonceBytes: 24 },
]

for (const { name, seal, open, nonceBytes } of SUITES) {
  describe(`${name}`, () => {
    const nonce = new Uint8Array(nonceBytes)

    it('opens what it sealed, also nothing', () => {
      for (const text of [TEXT, new Uint8Array(0)]) {
        expect(open(KEY, nonce, seal(KEY, nonce, text, AD), AD)).toEqual(text)
      }
    })

    it('refuses every flipped bit, truncation and foreign input with one code', () => {
      const sealed = seal(KEY, nonce, TEXT, AD)
      for (let bit = 0; bit < sealed.length * 8; bit += 3) {
        const bad = sealed.slice()
        bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(errorCode(() => open(KEY, nonce, bad, AD))).toBe('open-failed')
      }
      for (let length = 0; length < sealed.length; length++) {
        expect(errorCode(() => open(KEY, nonce, sealed.subarray(0, length), AD))).toBe(
          'open-failed',
        )
      }
      expect(errorCode(() => open(KEY, nonce, sealed, utf8('other')))).toBe('open-failed')
      expect(errorCode(() => open(new Uint8Array(32), nonce, sealed, AD))).toBe('open-failed')
    })

    it('checks the lengths of key and nonce before it touches the library', () => {
      expect(errorCode(() => seal(new Uint8Array(31), nonce, TEXT, AD))).toBe('bad-length')
      expect(errorCode(() => seal(KEY, new Uint8Array(nonceBytes + 1), TEXT, AD))).toBe(
        'bad-length',
      )
      expect(errorCode(() => open(new Uint8Array(0), nonce, TEXT, AD))).toBe('bad-length')
      expect(errorCode(() => open(KEY, new Uint8Array(0), TEXT, AD))).toBe('bad-length')
    })
  })
}

describe('aeadSealInto', () => {
  it('writes into a view of a larger buffer and nothing beside it', () => {
    const nonce = new Uint8Array(12)
    const buffer = new Uint8Array(TEXT.length + 16 + 8).fill(0xee)
    aeadSealInto(buffer.subarray(4, buffer.length - 4), KEY, nonce, TEXT, AD)
    expect(buffer.subarray(4, -4)).toEqual(aeadSeal(KEY, nonce, TEXT, AD))
    expect(toHex(buffer.subarray(0, 4)) + toHex(buffer.subarray(-4))).toBe('ee'.repeat(8))
    expect(errorCode(() => aeadSealInto(buffer, KEY, nonce, TEXT, AD))).toBe('bad-length')
  })
})

describe('ChaCha20', () => {
  it('gives the first key stream block of RFC 8439 A.1', () => {
    const stream = new Uint8Array(32)
    chacha20XorInto(stream, new Uint8Array(32), new Uint8Array(12), stream)
    expect(toHex(stream)).toBe('76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7')
  })
})

describe('X25519', () => {
  const rng = seededRng('x25519')

  it('agrees on a secret from both sides', () => {
    const [a, b] = [randomKey(rng), randomKey(rng)]
    expect(x25519(a, x25519PublicKey(b))).toEqual(x25519(b, x25519PublicKey(a)))
  })

  it('refuses points that make the secret zero', () => {
    const low = ['00'.repeat(32), `01${'00'.repeat(31)}`, `ecff${'ff'.repeat(29)}7f`]
    for (const hex of low) {
      expect(errorCode(() => x25519(KEY, Buffer.from(hex, 'hex')))).toBe('bad-key')
    }
    expect(errorCode(() => x25519(KEY, new Uint8Array(31)))).toBe('bad-length')
  })

  it('seals to a public key, and opens only whole and for it', () => {
    const secret = randomKey(rng)
    const sealed = sealedBoxSeal(rng, x25519PublicKey(secret), TEXT, AD)
    expect(sealedBoxOpen(secret, sealed, AD)).toEqual(TEXT)
    expect(errorCode(() => sealedBoxOpen(randomKey(rng), sealed, AD))).toBe('open-failed')
    expect(errorCode(() => sealedBoxOpen(secret, sealed, TEXT))).toBe('open-failed')
    for (const length of [0, 31, 47, sealed.length - 1]) {
      expect(errorCode(() => sealedBoxOpen(secret, sealed.subarray(0, length), AD))).toBe(
        'open-failed',
      )
    }
    const zeroShare = sealed.slice()
    zeroShare.fill(0, 0, 32)
    expect(errorCode(() => sealedBoxOpen(secret, zeroShare, AD))).toBe('open-failed')
  })
})

describe('secret bytes', () => {
  it('compares by content and length', () => {
    expect(constantTimeEqual(KEY, KEY.slice())).toBe(true)
    expect(constantTimeEqual(KEY, KEY.subarray(1))).toBe(false)
    expect(constantTimeEqual(KEY, new Uint8Array(32))).toBe(false)
    expect(constantTimeEqual(new Uint8Array(0), new Uint8Array(0))).toBe(true)
  })

  it('wipes views in place', () => {
    const buffer = new Uint8Array(8).fill(9)
    wipe(buffer.subarray(2, 4), buffer.subarray(6))
    expect([...buffer]).toEqual([9, 9, 0, 0, 9, 9, 0, 0])
  })
})
