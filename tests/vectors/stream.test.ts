import { createPublicKey, verify as nodeVerify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { blake2b } from '@noble/hashes/blake2.js'
import sodium from 'sodium-native'
import { describe, expect, it } from 'vitest'
import { asNetworkId, concat, fromHex, toHex, u32be } from '../../src/base/index.ts'
import { blind, blindFromBytes, isValidPoint, verify } from '../../src/crypto/index.ts'
import { Reassembler, verifyBox } from '../../src/stream/index.ts'
import { L, toBytes, toInteger } from './stream/edwards.ts'
import { generate } from './stream/generate.ts'
import { type BoxCase, boxFrom, messageOf } from './stream/hostile-boxes.ts'

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`stream/${name}`, import.meta.url), 'utf8')) as T
}

const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
function opensslVerifies(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  const spki = Buffer.concat([SPKI, key])
  return nodeVerify(
    null,
    message,
    createPublicKey({ key: spki, format: 'der', type: 'spki' }),
    signature,
  )
}

/** `kdf` and `hash` again, from SPEC.md, on another BLAKE2b. */
function slowBlake(
  mode: number,
  label: string,
  tail: Uint8Array[],
  dkLen: number,
  key?: Uint8Array,
) {
  const name = Buffer.from(label)
  const input = concat(Uint8Array.of(mode, name.length), name, ...tail)
  return blake2b(input, key === undefined ? { dkLen } : { dkLen, key })
}

function slowKdf(label: string, key: Uint8Array, context: Uint8Array, length: number): Uint8Array {
  const blocks = []
  for (let i = 1; (i - 1) * 64 < length; i++) {
    const tail = [u32be(context.length), context, u32be(length), Uint8Array.of(i)]
    blocks.push(slowBlake(3, label, tail, 64, key))
  }
  return concat(...blocks).subarray(0, length)
}

describe('the committed vectors of crypto and stream', () => {
  for (const [name, made] of Object.entries(generate())) {
    it(`${name} is what the code makes today`, () => {
      expect(JSON.parse(JSON.stringify(made))).toEqual(load(name))
    })
  }

  it('hash and kdf follow the specification on another BLAKE2b', () => {
    const v = load<{ key: string; context: string; hash: string; kdf: string[] }>('hash.json')
    const [key, context] = [fromHex(v.key), fromHex(v.context)]
    const parts = [u32be(32), key, u32be(20), context]
    expect(toHex(slowBlake(1, 'hearsay/v1/stream/box-hash', parts, 32))).toBe(v.hash)
    const lengths = [1, 64, 128, 200]
    const slow = lengths.map((n) => toHex(slowKdf('hearsay/v1/stream/chain', key, context, n)))
    expect(slow).toEqual(v.kdf)
  })

  it('blinded keys and signatures agree with noble and OpenSSL', () => {
    for (const v of load<Record<string, string>[]>('blinding.json')) {
      const [seed, wide, root, message, address, signature] = [
        'seed',
        'wide',
        'root',
        'message',
        'address',
        'signature',
      ].map((name) => fromHex(v[name] as string)) as Uint8Array[] & { length: 6 }
      const scalar = toInteger(wide as Uint8Array) % L
      expect(v['blind']).toBe(toHex(toBytes(scalar)))
      expect(toHex(ed25519.getPublicKey(seed as Uint8Array))).toBe(v['root'])
      const point = ed25519.Point.fromBytes(root as Uint8Array).multiply(scalar)
      expect(toHex(point.toBytes())).toBe(v['address'])
      const args = [signature, message, address] as [Uint8Array, Uint8Array, Uint8Array]
      expect(verify(...args)).toBe(true)
      expect(opensslVerifies(...args)).toBe(true)
      expect(ed25519.verify(...args, { zip215: false })).toBe(true)
    }
  })

  it('a box opens by the specification alone, with other implementations of every primitive', () => {
    const v = load<Record<string, string> & { plain: { box: string }; salted: { box: string } }>(
      'boxes.json',
    )
    const networkId = fromHex(v['networkId'] as string)
    const open = (hex: string, steps: number, salted: boolean) => {
      let chainKey = slowKdf(
        'hearsay/v1/stream/first',
        fromHex(v['chainSecret'] as string),
        new Uint8Array(0),
        32,
      )
      let step = new Uint8Array(0)
      for (let i = 0; i <= steps; i++) {
        step = slowKdf('hearsay/v1/stream/chain', chainKey, new Uint8Array(0), 128) as typeof step
        chainKey = step.subarray(96)
      }
      const box = fromHex(hex)
      let key = step.slice(64, 96)
      if (salted)
        key = slowKdf('hearsay/v1/stream/salted', key, box.slice(37, 69), 32) as typeof key
      const ad = concat(networkId, box.subarray(0, 37))
      const sealed = box.slice(salted ? 69 : 37, 1984)
      return chacha20poly1305(key, new Uint8Array(12), ad).decrypt(sealed)
    }
    expect(open(v.plain.box, 0, false)).toEqual(new Uint8Array(1931).fill(0x42))
    expect(open(v.salted.box, 1, true)).toEqual(new Uint8Array(1899).fill(0x42))
    for (const hex of [v.plain.box, v.salted.box]) {
      const box = fromHex(hex)
      const message = concat(networkId, box.subarray(0, 1984))
      expect(opensslVerifies(box.subarray(1984), message, box.subarray(5, 37))).toBe(true)
    }
  })

  it('the payloads give back the records', () => {
    const v = load<{ records: { seq: number; bytes: string }[]; payloads: string[] }>(
      'segments.json',
    )
    const reassembler = new Reassembler()
    const records = v.payloads.flatMap((hex, i) => reassembler.accept(i, fromHex(hex)))
    const seen = records.map(({ seq, bytes }) => ({ seq, bytes: toHex(bytes) }))
    expect(seen.sort((a, b) => a.seq - b.seq)).toEqual(v.records)
  })
})

describe('hostile boxes', () => {
  const cases = load<BoxCase[]>('hostile-boxes.json')

  for (const box of cases) {
    it(`${box.name} is ${box.valid ? 'accepted' : 'refused'}`, () => {
      expect(verifyBox(asNetworkId(fromHex(box.networkId)), boxFrom(box))).toBe(box.valid)
    })
  }

  const named = (name: string) => {
    const box = cases.find((c) => c.name === name) as BoxCase
    return [fromHex(box.signature), messageOf(box), fromHex(box.address)] as const
  }

  it('shows why the point check is needed: the bare signature check accepts a mixed-order key', () => {
    const [signature, message, key] = named(
      'mixed-order address whose torsion the challenge cancels',
    )
    expect(sodium.crypto_sign_verify_detached(signature, message, key)).toBe(true)
    expect(opensslVerifies(signature, message, key)).toBe(true)
    expect(isValidPoint(key)).toBe(false)
  })

  it('shows that verifiers differ: a cofactored one accepts what is refused here', () => {
    const names = ['mixed-order R', 'mixed-order address', 'R is the identity']
    const accepted = names.filter((name) => ed25519.verify(...named(name), { zip215: true }))
    expect(accepted).toEqual(names)
  })
})

describe('third-party vectors', () => {
  const file = new URL(
    '../../../shared/vectors/ed25519-blinding/tor-ed25519-blinding.json',
    import.meta.url,
  )

  it('Tor blinds a public key with the same multiplication, when its vectors are at hand', () => {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      console.info('notice: the vectors of Tor key blinding are not at hand; nothing was compared')
      return
    }
    const { vectors } = JSON.parse(text) as { vectors: Record<string, string>[] }
    expect(vectors.length).toBe(8)
    for (const v of vectors) {
      // Tor clamps its multiplier; as a scalar mod L it is one of ours.
      const text = 'Derive temporary signing key'
      const digest = sha512Of(concat(Buffer.from(text), fromHex(v['blindingParam'] as string)))
      digest[0] = (digest[0] as number) & 248
      digest[31] = ((digest[31] as number) & 63) | 64
      const wide = new Uint8Array(64)
      wide.set(digest.subarray(0, 32))
      const address = blind(fromHex(v['publicKey'] as string), blindFromBytes(wide))
      expect(toHex(address)).toBe(v['blindedPublicKey'])
    }
  })
})

function sha512Of(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(64)
  sodium.crypto_hash_sha512(out, bytes)
  return out
}
