import sodium from 'sodium-native'
import { SCALAR_BYTES, WIDE_SCALAR_BYTES } from './constants.ts'

const LIMBS = SCALAR_BYTES / 2
const RADIX = 2 ** 16

// Scratch is shared: the functions are synchronous and wipe it before they return.
const left = new Float64Array(LIMBS)
const right = new Float64Array(LIMBS)
const product = new Float64Array(2 * LIMBS)
const wide = new Uint8Array(WIDE_SCALAR_BYTES)

function load(limbs: Float64Array, bytes: Uint8Array): void {
  for (let i = 0; i < LIMBS; i++) {
    limbs[i] = (bytes[2 * i] as number) + (bytes[2 * i + 1] as number) * 256
  }
}

/**
 * a · b mod L of two 32-byte little-endian integers, reduced or not. Every multiplication and every memory
 * access is the same for all inputs (no branch or index depends on them); the reduction is libsodium's.
 * libsodium has this function, but sodium-native does not export it.
 */
export function scalarMul(a: Uint8Array, b: Uint8Array): Uint8Array {
  load(left, a)
  load(right, b)
  product.fill(0)
  // 16-bit limbs: a column is a sum of at most 16 products below 2^32, exact in a double.
  for (let i = 0; i < LIMBS; i++) {
    const x = left[i] as number
    for (let j = 0; j < LIMBS; j++) {
      product[i + j] = (product[i + j] as number) + x * (right[j] as number)
    }
  }
  let carry = 0
  for (let i = 0; i < 2 * LIMBS; i++) {
    const sum = (product[i] as number) + carry
    carry = Math.floor(sum / RADIX)
    const limb = sum - carry * RADIX
    wide[2 * i] = limb & 0xff
    wide[2 * i + 1] = limb >>> 8
  }
  const out = new Uint8Array(SCALAR_BYTES)
  sodium.crypto_core_ed25519_scalar_reduce(out, wide)
  left.fill(0)
  right.fill(0)
  product.fill(0)
  wide.fill(0)
  return out
}

/** a · b + c mod L, the shape of an Ed25519 S. Constant structure, as `scalarMul`. */
export function scalarMulAdd(a: Uint8Array, b: Uint8Array, c: Uint8Array): Uint8Array {
  const out = scalarMul(a, b)
  sodium.crypto_core_ed25519_scalar_add(out, out, c)
  return out
}

/** 64 little-endian bytes mod L. */
export function scalarReduce(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(SCALAR_BYTES)
  sodium.crypto_core_ed25519_scalar_reduce(out, bytes)
  return out
}
