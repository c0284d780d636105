import { describe, expect, it } from 'vitest'
import { equalBytes, toHex, utf8 } from '../../../src/base/index.ts'
import {
  asBlind,
  blind,
  blindFromBytes,
  isValidPoint,
  sign,
  signBlinded,
  signBlindedWith,
  signKeyPairFromSeed,
  verify,
} from '../../../src/crypto/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { BASE, L, toBytes, TORSION } from '../../vectors/stream/edwards.ts'
import { errorCode } from '../../support/outcome.ts'

const rng = seededRng('blinding unit')
const seed = rng.bytes(32)
const { publicKey: root, secretKey } = signKeyPairFromSeed(seed)
const by = blindFromBytes(rng.bytes(64))
const message = utf8('hello')

describe('key blinding', () => {
  it('gives an address that only the root secret signs for and that plain Ed25519 verifies', () => {
    const address = blind(root, by)
    expect(isValidPoint(address)).toBe(true)
    expect(equalBytes(address, root)).toBe(false)
    expect(verify(signBlinded(seed, by, message), message, address)).toBe(true)
    expect(verify(sign(message, secretKey), message, address)).toBe(false)
    expect(verify(signBlinded(rng.bytes(32), by, message), message, address)).toBe(false)
    expect(verify(signBlinded(seed, by, message), message, root)).toBe(false)
  })

  it('hands the address to the composer of the message', () => {
    const signed = signBlindedWith(seed, by, (address) => address)
    expect(signed.address).toEqual(blind(root, by))
    expect(verify(signed.signature, signed.address, signed.address)).toBe(true)
  })

  it('is deterministic and never uses a nonce for two messages, blinds or seeds', () => {
    const rs = [
      signBlinded(seed, by, message),
      signBlinded(seed, by, utf8('hellp')),
      signBlinded(seed, blindFromBytes(rng.bytes(64)), message),
      signBlinded(rng.bytes(32), by, message),
      sign(message, secretKey),
    ].map((signature) => toHex(signature.subarray(0, 32)))
    expect(new Set(rs).size).toBe(rs.length)
    expect(toHex(signBlinded(seed, by, message)).slice(0, 64)).toBe(rs[0])
  })

  it('refuses roots of small or mixed order, non-canonical ones and non-points', () => {
    // All seven: a point with the component of order two alone has passed a libsodium before (X = 0).
    const mixed = [1n, 2n, 3n, 4n, 5n, 6n, 7n].map((i) =>
      BASE.multiply(5n).add(TORSION.multiply(i)).toBytes(),
    )
    for (const point of mixed) expect(isValidPoint(point)).toBe(false)
    const nonCanonical = new Uint8Array(32).fill(0xff)
    nonCanonical[0] = 0xee
    nonCanonical[31] = 0x7f
    const bad = [...mixed, nonCanonical, TORSION.toBytes(), new Uint8Array(32), toBytes(2n)]
    for (const point of bad) expect(errorCode(() => blind(point, by))).toBe('bad-key')
    expect(errorCode(() => blind(root.subarray(1), by))).toBe('bad-length')
  })

  it('reduces a blind from 64 bytes and refuses zero', () => {
    const wide = new Uint8Array(64)
    expect(errorCode(() => blindFromBytes(wide))).toBe('bad-value')
    wide.set(toBytes(L))
    expect(errorCode(() => blindFromBytes(wide))).toBe('bad-value')
    wide.set(toBytes(L + 1n))
    expect(toHex(blindFromBytes(wide))).toBe(toHex(toBytes(1n)))
    expect(toHex(blind(root, blindFromBytes(wide)))).toBe(toHex(root))
    expect(errorCode(() => blindFromBytes(wide.subarray(1)))).toBe('bad-length')
  })

  it('takes a stored blind only when it is below L and not zero', () => {
    expect(asBlind(by)).toEqual(by)
    expect(asBlind(toBytes(L - 1n))).toEqual(toBytes(L - 1n))
    expect(errorCode(() => asBlind(toBytes(L)))).toBe('bad-value')
    expect(errorCode(() => asBlind(toBytes(L + 5n)))).toBe('bad-value')
    expect(errorCode(() => asBlind(new Uint8Array(32)))).toBe('bad-value')
    expect(errorCode(() => asBlind(new Uint8Array(33)))).toBe('bad-length')
  })

  it('signs under the extreme blinds 1 and L - 1', () => {
    for (const scalar of [1n, 2n, L - 1n]) {
      const extreme = asBlind(toBytes(scalar))
      const signature = signBlinded(seed, extreme, message)
      expect(verify(signature, message, blind(root, extreme))).toBe(true)
    }
  })

  it('signs nothing under a blind that was erased', () => {
    const erased = asBlind(toBytes(5n))
    erased.fill(0)
    expect(errorCode(() => signBlinded(seed, erased, message))).toBe('bad-value')
  })

  it('takes only seeds of 32 bytes', () => {
    expect(errorCode(() => signBlinded(secretKey, by, message))).toBe('bad-length')
    expect(errorCode(() => signKeyPairFromSeed(secretKey))).toBe('bad-length')
    expect(errorCode(() => sign(message, seed))).toBe('bad-length')
  })
})

describe('verify', () => {
  it('is false, and does not throw, for wrong lengths', () => {
    const signature = sign(message, secretKey)
    expect(verify(signature, message, root)).toBe(true)
    expect(verify(signature.subarray(1), message, root)).toBe(false)
    expect(verify(new Uint8Array(65), message, root)).toBe(false)
    expect(verify(signature, message, root.subarray(1))).toBe(false)
    expect(verify(new Uint8Array(0), new Uint8Array(0), new Uint8Array(0))).toBe(false)
  })
})
