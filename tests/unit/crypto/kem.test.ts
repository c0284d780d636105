import { XWing } from '@noble/post-quantum/hybrid.js'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/base/index.ts'
import {
  type Kem,
  x25519,
  x25519Kem,
  x25519PublicKey,
  xWingKem,
} from '../../../src/crypto/index.ts'
import { errorCode } from '../../support/outcome.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { flipped } from '../../support/sphinx-route.ts'

const rng = seededRng('kem')
const KEMS: [string, Kem, number, number][] = [
  ['X25519', x25519Kem, 32, 32],
  ['X-Wing', xWingKem, 1216, 1120],
]

/** Points of small order, and a non-canonical encoding of one: every product with them is zero. */
const SMALL_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]

describe.each(KEMS)('%s as a KEM', (_, kem, publicKeyBytes, shareBytes) => {
  const seed = rng.bytes(32)
  const pair = kem.keyPair(seed)

  it('carries a secret from sender to holder, another one each time', () => {
    const secrets = new Set<string>()
    for (let i = 0; i < 8; i++) {
      const { share, secret } = kem.encapsulate(rng.bytes(32), pair.publicKey)
      expect([share.length, secret.length]).toEqual([shareBytes, 32])
      expect(toHex(pair.decapsulate(share) as Uint8Array)).toBe(toHex(secret))
      secrets.add(toHex(secret))
    }
    expect(secrets.size).toBe(8)
  })

  it('makes the same key of the same seed, and keeps a copy of it', () => {
    const copy = new Uint8Array(seed)
    const again = kem.keyPair(Buffer.from(copy))
    expect(pair.publicKey.length).toBe(publicKeyBytes)
    expect(toHex(again.publicKey)).toBe(toHex(pair.publicKey))
    const erased = Buffer.from(copy)
    const kept = kem.keyPair(erased)
    erased.fill(0)
    const { share, secret } = kem.encapsulate(rng.bytes(32), pair.publicKey)
    expect(toHex(kept.decapsulate(share) as Uint8Array)).toBe(toHex(secret))
  })

  it('erases the random bytes it used', () => {
    const fresh = rng.bytes(32)
    kem.encapsulate(fresh, pair.publicKey)
    expect(toHex(fresh)).toBe('00'.repeat(32))
  })

  it('decapsulates nothing of another length, and nothing after it was wiped', () => {
    const other = kem.keyPair(rng.bytes(32))
    const { share } = kem.encapsulate(rng.bytes(32), other.publicKey)
    expect(other.decapsulate(share)).toBeInstanceOf(Uint8Array)
    expect(other.decapsulate(share.subarray(1))).toBeUndefined()
    expect(other.decapsulate(new Uint8Array([...share, 0]))).toBeUndefined()
    other.wipe()
    other.wipe()
    expect(other.decapsulate(share)).toBeUndefined()
  })

  it('refuses shares and keys whose X25519 part is of small order', () => {
    for (const hex of SMALL_ORDER) {
      const { share } = kem.encapsulate(rng.bytes(32), pair.publicKey)
      share.set(fromHex(hex), share.length - 32)
      expect(pair.decapsulate(share)).toBeUndefined()
      const key = new Uint8Array(pair.publicKey)
      key.set(fromHex(hex), key.length - 32)
      expect(errorCode(() => kem.encapsulate(rng.bytes(32), key))).toBe('bad-key')
    }
  })

  it('refuses seeds, random bytes and keys of another length', () => {
    expect(errorCode(() => kem.keyPair(rng.bytes(31)))).toBe('bad-length')
    expect(errorCode(() => kem.encapsulate(rng.bytes(33), pair.publicKey))).toBe('bad-length')
    const short = pair.publicKey.subarray(1)
    expect(errorCode(() => kem.encapsulate(rng.bytes(32), short))).toBe('bad-length')
  })
})

describe('X25519 as a KEM', () => {
  it('is X25519 with an ephemeral key', () => {
    const [seed, fresh] = [rng.bytes(32), rng.bytes(32)]
    const { publicKey } = x25519Kem.keyPair(seed)
    const ephemeral = new Uint8Array(fresh)
    const { share, secret } = x25519Kem.encapsulate(fresh, publicKey)
    expect(toHex(publicKey)).toBe(toHex(x25519PublicKey(seed)))
    expect(toHex(share)).toBe(toHex(x25519PublicKey(ephemeral)))
    expect(toHex(secret)).toBe(toHex(x25519(ephemeral, publicKey)))
  })
})

describe('X-Wing', () => {
  // noble overwrites its arguments: it gets copies.
  const noble = {
    keygen: (seed: Uint8Array) => XWing.keygen(new Uint8Array(seed)),
    encapsulate: (key: Uint8Array, fresh: Uint8Array) =>
      XWing.encapsulate(new Uint8Array(key), new Uint8Array(fresh)),
    decapsulate: (share: Uint8Array, seed: Uint8Array) =>
      XWing.decapsulate(new Uint8Array(share), new Uint8Array(seed)),
  }

  it('gives the first test vector of draft-connolly-cfrg-xwing-kem', () => {
    const seed = fromHex('7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26')
    const fresh = fromHex(
      '3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2' +
        '35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2',
    )
    const pair = xWingKem.keyPair(seed)
    expect(toHex(pair.publicKey)).toMatch(
      /^e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5/,
    )
    const { cipherText } = noble.encapsulate(pair.publicKey, fresh)
    expect(toHex(cipherText)).toMatch(/^b83aa828d4d62b9a83ceffe1d3d3bb1e/)
    expect(toHex(pair.decapsulate(cipherText) as Uint8Array)).toBe(
      'd2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384',
    )
  })

  it('agrees with noble on keys, and on secrets in both directions', () => {
    for (let i = 0; i < 5; i++) {
      const seed = rng.bytes(32)
      const ours = xWingKem.keyPair(seed)
      expect(toHex(noble.keygen(seed).publicKey)).toBe(toHex(ours.publicKey))
      const from = noble.encapsulate(ours.publicKey, rng.bytes(64))
      const opened = ours.decapsulate(from.cipherText) as Uint8Array
      expect(toHex(opened)).toBe(toHex(from.sharedSecret))
      const { share, secret } = xWingKem.encapsulate(rng.bytes(32), ours.publicKey)
      expect(toHex(noble.decapsulate(share, seed))).toBe(toHex(secret))
    }
  })

  it('gives unrelated secrets when any part of the share is touched', () => {
    const pair = xWingKem.keyPair(rng.bytes(32))
    const { share, secret } = xWingKem.encapsulate(rng.bytes(32), pair.publicKey)
    for (const bit of [0, 4000, 1088 * 8 - 1, 1088 * 8, 1120 * 8 - 1]) {
      const other = pair.decapsulate(flipped(share, bit)) as Uint8Array
      expect(toHex(other)).not.toBe(toHex(secret))
    }
  })

  it('refuses a key with a coefficient that is not reduced', () => {
    const key = xWingKem.keyPair(rng.bytes(32)).publicKey
    key.fill(0xff, 0, 3)
    expect(errorCode(() => xWingKem.encapsulate(rng.bytes(32), key))).toBe('bad-key')
  })

  it('takes the randomness of ML-KEM from OpenSSL: only the X25519 part repeats', () => {
    const { publicKey } = xWingKem.keyPair(rng.bytes(32))
    const fresh = rng.bytes(32)
    const [a, b] = [0, 1].map(() => xWingKem.encapsulate(new Uint8Array(fresh), publicKey).share)
    expect(toHex((a as Uint8Array).subarray(1088))).toBe(toHex((b as Uint8Array).subarray(1088)))
    expect(toHex(a as Uint8Array)).not.toBe(toHex(b as Uint8Array))
  })
})
