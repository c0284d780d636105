import { createHash } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'

/** Slow and obvious arithmetic on edwards25519 for the hostile vectors; secrets are public here. */
const { Point } = ed25519
export type Point = InstanceType<typeof Point>
export const L = Point.Fn.ORDER
export const FIELD = Point.Fp.ORDER
export const BASE = Point.BASE

/** A point of order 8. */
export const TORSION = Point.fromHex(
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
)

export function toBytes(value: bigint): Uint8Array {
  const hex = value.toString(16).padStart(64, '0')
  return new Uint8Array(Buffer.from(hex, 'hex').reverse())
}

export function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}

export function sha512(...parts: Uint8Array[]): Uint8Array {
  const sum = createHash('sha512')
  for (const part of parts) sum.update(part)
  return new Uint8Array(sum.digest())
}

/** k of RFC 8032, mod L. */
export function challenge(r: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  return toInteger(sha512(r, key, message)) % L
}

/** R | S with S = r + k·a for encodings that the caller chose. */
export function forge(
  key: Uint8Array,
  a: bigint,
  nonce: Uint8Array,
  r: bigint,
  message: Uint8Array,
): Uint8Array {
  const s = (r + challenge(nonce, key, message) * a) % L
  return new Uint8Array(Buffer.concat([nonce, toBytes(s)]))
}
