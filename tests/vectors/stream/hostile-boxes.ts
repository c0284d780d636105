import { type Address, asNetworkId, concat, toHex } from '../../../src/base/index.ts'
import { assembleBox, BOX_SEALED_BYTES, BOX_SIGNED_BYTES } from '../../../src/stream/index.ts'
import {
  BASE,
  challenge,
  FIELD,
  forge,
  L,
  type Point,
  toBytes,
  toInteger,
  TORSION,
} from './edwards.ts'

/** A box whose sealed part is one byte repeated; every case but the first ones is refused. */
export interface BoxCase {
  readonly name: string
  readonly networkId: string
  readonly expiryDay: number
  readonly address: string
  readonly fill: number
  readonly signature: string
  readonly valid: boolean
}

const NETWORK = asNetworkId(new Uint8Array(32).fill(0x4e))
const SECRET = 0x1234_5678_9abc_def0_0fed_cba9_8765_4321n
const NONCE = 0x0bad_cafe_dead_beef_1357_9bdf_0246_8acen
const DAY = 20_000

export function boxFrom(box: BoxCase) {
  return assembleBox({
    version: 1,
    expiryDay: box.expiryDay,
    address: Buffer.from(box.address, 'hex') as unknown as Address,
    sealed: new Uint8Array(BOX_SEALED_BYTES).fill(box.fill),
    signature: Buffer.from(box.signature, 'hex'),
  })
}

/** What the signature of a case covers. */
export function messageOf(box: BoxCase): Uint8Array {
  return concat(Buffer.from(box.networkId, 'hex'), boxFrom(box).subarray(0, BOX_SIGNED_BYTES))
}

interface Forgery {
  readonly address: Uint8Array
  readonly secret: bigint
  readonly nonce: Uint8Array
  readonly nonceSecret: bigint
}

const R = BASE.multiply(NONCE).toBytes()
const A = BASE.multiply(SECRET).toBytes()
const HONEST: Forgery = { address: A, secret: SECRET, nonce: R, nonceSecret: NONCE }

function blank(name: string, address: Uint8Array, fill: number, valid: boolean): BoxCase {
  return {
    name,
    networkId: toHex(NETWORK),
    expiryDay: DAY,
    address: toHex(address),
    fill,
    signature: '00'.repeat(64),
    valid,
  }
}

function make(name: string, f: Forgery, valid = false, fill = 0): BoxCase {
  const box = blank(name, f.address, fill, valid)
  const signature = forge(f.address, f.secret, f.nonce, f.nonceSecret, messageOf(box))
  return { ...box, signature: toHex(signature) }
}

/** Tries fill bytes until the challenge is divisible by 8: then the torsion part of A vanishes. */
function grind(name: string, f: Forgery): BoxCase {
  for (let fill = 0; fill < 256; fill++) {
    const message = messageOf(blank(name, f.address, fill, false))
    if (challenge(f.nonce, f.address, message) % 8n === 0n) return make(name, f, false, fill)
  }
  throw new Error('no fill byte')
}

function withS(name: string, change: (s: bigint) => bigint): BoxCase {
  const box = make(name, HONEST)
  const signature = Buffer.from(box.signature, 'hex')
  signature.set(toBytes(change(toInteger(signature.subarray(32)))), 32)
  return { ...box, signature: toHex(signature) }
}

function torsionMultiple(i: number): Point {
  let sum = BASE.subtract(BASE)
  for (let n = 0; n < i; n++) sum = sum.add(TORSION)
  return sum
}

/** y + p as 255 bits, for the few points whose y is below 19; with the sign bit as given. */
function nonCanonical(y: bigint, sign: 0 | 1): Uint8Array {
  const out = toBytes(y + FIELD)
  out[31] = (out[31] as number) | (sign << 7)
  return out
}

export function hostileBoxes(): BoxCase[] {
  const mixedA = BASE.multiply(SECRET).add(TORSION).toBytes()
  const mixedR = BASE.multiply(NONCE).add(TORSION).toBytes()
  const identity = torsionMultiple(0).toBytes()
  const negativeZero = identity.slice()
  negativeZero[31] = 0x80
  const cases = [
    make('an honest box', HONEST, true),
    make('an honest box with other bytes', HONEST, true, 0xff),
    make('mixed-order address', { ...HONEST, address: mixedA }),
    grind('mixed-order address whose torsion the challenge cancels', {
      ...HONEST,
      address: mixedA,
    }),
    make('mixed-order R', { ...HONEST, nonce: mixedR }),
    make('mixed-order address and R', { ...HONEST, address: mixedA, nonce: mixedR }),
    withS('S + L', (s) => s + L),
    withS('S + 8 L', (s) => s + 8n * L),
    withS('S with the highest bit set', (s) => s + (1n << 255n)),
    withS('L - S', (s) => L - s),
    make('R is the identity', { ...HONEST, nonce: identity, nonceSecret: 0n }),
    make('R is the identity, not canonical', {
      ...HONEST,
      nonce: nonCanonical(1n, 0),
      nonceSecret: 0n,
    }),
    make('R is the identity with a sign', { ...HONEST, nonce: negativeZero, nonceSecret: 0n }),
    make('address is the identity with a sign', { ...HONEST, address: negativeZero, secret: 0n }),
    make('address of small order, not canonical: y = p', {
      ...HONEST,
      address: nonCanonical(0n, 0),
      secret: 0n,
    }),
    make('address of small order, not canonical: y = p, signed', {
      ...HONEST,
      address: nonCanonical(0n, 1),
      secret: 0n,
    }),
    make('address of small order, not canonical: y = p + 1', {
      ...HONEST,
      address: nonCanonical(1n, 0),
      secret: 0n,
    }),
    make('address of large order, not canonical: y = p + 3', {
      ...HONEST,
      address: nonCanonical(3n, 0),
      secret: 0n,
    }),
    make('address is not on the curve: y = 2', { ...HONEST, address: toBytes(2n), secret: 0n }),
  ]
  for (let i = 0; i < 8; i++) {
    const address = torsionMultiple(i).toBytes()
    cases.push(make(`address of small order: ${i} T`, { ...HONEST, address, secret: 0n }))
  }
  return cases
}
