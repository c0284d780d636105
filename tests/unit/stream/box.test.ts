import { describe, expect, it } from 'vitest'
import { asNetworkId, toHex } from '../../../src/base/index.ts'
import { blind, signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import {
  addressOf,
  advanceChain,
  asBox,
  assembleBox,
  BOX_BYTES,
  BOX_PAYLOAD_BYTES,
  boxHash,
  copyChain,
  coverBox,
  decodeChain,
  encodeChain,
  firstChain,
  openBox,
  openSaltedBox,
  parseBox,
  SALTED_PAYLOAD_BYTES,
  sealBox,
  sealSaltedBox,
  verifyBox,
  wipeBoxKeys,
} from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { errorCode } from '../../support/outcome.ts'

const rng = seededRng('box')
const networkId = asNetworkId(rng.bytes(32))
const otherNetwork = asNetworkId(rng.bytes(32))
const rootSeed = rng.bytes(32)
const { publicKey: root } = signKeyPairFromSeed(rootSeed)
const { keys, next } = advanceChain(firstChain(rng.bytes(32)))
const payload = rng.bytes(BOX_PAYLOAD_BYTES)
const expiryDay = 20_781
const options = { networkId, expiryDay, rootSeed, keys, payload }
const box = sealBox(options)

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice()
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7))
  return out
}

describe('a box', () => {
  it('is 2048 bytes, valid, and opens for who has its keys', () => {
    expect(box.length).toBe(BOX_BYTES)
    expect(box.buffer.byteLength).toBe(BOX_BYTES)
    expect(verifyBox(networkId, box)).toBe(true)
    expect(openBox(networkId, keys, box)).toEqual(payload)
    const parsed = parseBox(box)
    expect(parsed.version).toBe(1)
    expect(parsed.expiryDay).toBe(expiryDay)
    expect(parsed.address).toEqual(addressOf(root, keys.blind))
    expect(assembleBox(parsed)).toEqual(box)
  })

  it('belongs to one network', () => {
    expect(verifyBox(otherNetwork, box)).toBe(false)
    expect(errorCode(() => openBox(otherNetwork, keys, box))).toBe('open-failed')
  })

  it('is refused with any bit flipped', () => {
    const edges = [0, 8, 39, 40, 200, 295, 296, 9000, 15871, 15872, 16127, 16128, 16383]
    for (const bit of edges) expect(verifyBox(networkId, flipped(box, bit)), `${bit}`).toBe(false)
    for (let bit = 5; bit < BOX_BYTES * 8; bit += 521) {
      expect(verifyBox(networkId, flipped(box, bit))).toBe(false)
    }
  })

  it('does not open with a changed header or ciphertext, whoever signed it', () => {
    for (let bit = 8; bit < 1984 * 8; bit += 97) {
      expect(errorCode(() => openBox(networkId, keys, flipped(box, bit)))).toBe('open-failed')
    }
    const other = advanceChain(copyChain(next)).keys
    expect(errorCode(() => openBox(networkId, other, box))).toBe('open-failed')
  })

  it('is refused at any other length and version', () => {
    for (const length of [0, 1, 37, 1984, 2047]) {
      const cut = box.subarray(0, length)
      expect(verifyBox(networkId, cut)).toBe(false)
      expect(errorCode(() => parseBox(cut))).toBe('bad-length')
    }
    const long = new Uint8Array(2049)
    long.set(box)
    expect(verifyBox(networkId, long)).toBe(false)
    expect(errorCode(() => asBox(long))).toBe('bad-length')
    for (const version of [0, 2, 255]) {
      const changed = box.slice()
      changed[0] = version
      expect(verifyBox(networkId, changed)).toBe(false)
      expect(errorCode(() => openBox(networkId, keys, changed))).toBe('bad-version')
    }
  })

  it('is read at its place inside a larger buffer', () => {
    const outer = new Uint8Array(3000)
    outer.set(box, 77)
    const view = outer.subarray(77, 77 + BOX_BYTES)
    expect(verifyBox(networkId, view)).toBe(true)
    expect(parseBox(view).expiryDay).toBe(expiryDay)
    expect(boxHash(asBox(view))).toEqual(boxHash(box))
  })

  it('has a hash that depends on every byte', () => {
    const other = asBox(flipped(box, 16383))
    expect(toHex(boxHash(other))).not.toBe(toHex(boxHash(box)))
  })

  it('is the same for the same inputs, and hides them', () => {
    expect(sealBox(options)).toEqual(box)
    const quiet = sealBox({ ...options, payload: new Uint8Array(BOX_PAYLOAD_BYTES) })
    const zeros = [...quiet].filter((byte) => byte === 0).length
    expect(zeros).toBeLessThan(40)
    expect(Buffer.from(quiet).includes(Buffer.from(root))).toBe(false)
  })

  it('is only made of inputs of the right length', () => {
    expect(errorCode(() => sealBox({ ...options, payload: payload.subarray(1) }))).toBe(
      'bad-length',
    )
    expect(errorCode(() => sealBox({ ...options, rootSeed: new Uint8Array(64) }))).toBe(
      'bad-length',
    )
    const short = networkId.subarray(1) as typeof networkId
    expect(errorCode(() => sealBox({ ...options, networkId: short }))).toBe('bad-length')
    for (const day of [-1, 1.5, 2 ** 32, Number.NaN]) {
      expect(errorCode(() => sealBox({ ...options, expiryDay: day }))).toBe('bad-value')
    }
  })
})

describe('a salted box', () => {
  const claim = rng.bytes(SALTED_PAYLOAD_BYTES)
  const salted = sealSaltedBox({ ...options, payload: claim, salt: rng.bytes(32) })

  it('opens for who has the keys and looks like any box', () => {
    expect(verifyBox(networkId, salted)).toBe(true)
    expect(openSaltedBox(networkId, keys, salted)).toEqual(claim)
    expect(errorCode(() => openBox(networkId, keys, salted))).toBe('open-failed')
    expect(errorCode(() => openSaltedBox(networkId, keys, box))).toBe('open-failed')
  })

  it('shares no key stream with another under the same address', () => {
    const again = sealSaltedBox({ ...options, payload: claim, salt: rng.bytes(32) })
    expect(parseBox(again).address).toEqual(parseBox(salted).address)
    const a = parseBox(again).sealed.subarray(32)
    const b = parseBox(salted).sealed.subarray(32)
    const equal = a.filter((byte, i) => byte === b[i]).length
    expect(equal).toBeLessThan(40)
    expect(openSaltedBox(networkId, keys, again)).toEqual(claim)
  })

  it('does not open with another salt, payload length or network', () => {
    for (const bit of [37 * 8, 68 * 8, 69 * 8, 1983 * 8]) {
      expect(errorCode(() => openSaltedBox(networkId, keys, flipped(salted, bit)))).toBe(
        'open-failed',
      )
    }
    expect(errorCode(() => openSaltedBox(otherNetwork, keys, salted))).toBe('open-failed')
    const salt = new Uint8Array(31)
    expect(errorCode(() => sealSaltedBox({ ...options, payload: claim, salt }))).toBe('bad-length')
    const full = { ...options, salt: new Uint8Array(32) }
    expect(errorCode(() => sealSaltedBox(full))).toBe('bad-length')
  })
})

describe('a cover box', () => {
  it('is valid, fresh, and opens for nobody', () => {
    const covers = [1, 2].map(() => coverBox({ networkId, expiryDay, rng }))
    for (const cover of covers) {
      expect(verifyBox(networkId, cover)).toBe(true)
      expect(parseBox(cover).expiryDay).toBe(expiryDay)
      expect(errorCode(() => openBox(networkId, keys, cover))).toBe('open-failed')
    }
    expect(new Set(covers.map((cover) => toHex(parseBox(cover).address))).size).toBe(2)
  })

  it('has bytes as even as those of a real box', () => {
    const counts = (bytes: Uint8Array) => {
      const out = Array.from({ length: 256 }, () => 0)
      for (const byte of bytes.subarray(37)) out[byte] = (out[byte] as number) + 1
      return out.reduce((sum, n) => sum + (n - 2011 / 256) ** 2 / (2011 / 256), 0)
    }
    // Chi-square with 255 degrees of freedom: 400 is far beyond its 1 - 10^-6 quantile.
    expect(counts(coverBox({ networkId, expiryDay, rng }))).toBeLessThan(400)
    expect(counts(box)).toBeLessThan(400)
  })
})

describe('erased box keys', () => {
  it('sign nothing', () => {
    const { keys: once } = advanceChain(firstChain(rng.bytes(32)))
    const payload = new Uint8Array(BOX_PAYLOAD_BYTES)
    wipeBoxKeys(once)
    const options = { networkId, expiryDay, rootSeed: rng.bytes(32), keys: once, payload }
    expect(errorCode(() => sealBox(options))).toBe('bad-value')
  })
})

describe('a chain', () => {
  it('erases the key it advanced from and gives unrelated keys', () => {
    const state = firstChain(rng.bytes(32))
    const copy = copyChain(state)
    const first = advanceChain(state)
    expect([...state.chainKey].every((byte) => byte === 0)).toBe(true)
    expect(advanceChain(copy).keys).toEqual(first.keys)
    const second = advanceChain(first.next)
    const secrets = [first.keys, second.keys].flatMap((k) => [toHex(k.blind), toHex(k.key)])
    expect(new Set(secrets).size).toBe(4)
    expect(second.keys.index).toBe(1)
    expect(second.next.index).toBe(2)
  })

  it('does not go on from a state that was erased, whose keys anybody could compute', () => {
    const state = firstChain(rng.bytes(32))
    const { next } = advanceChain(state)
    expect(errorCode(() => advanceChain(state))).toBe('bug')
    expect(errorCode(() => advanceChain(copyChain(state)))).toBe('bug')
    expect(errorCode(() => advanceChain(next))).toBe('none')
  })

  it('does not alias its secret or its steps', () => {
    const secret = rng.bytes(32)
    const before = toHex(secret)
    const { keys: made, next: after } = advanceChain(firstChain(secret))
    expect(toHex(secret)).toBe(before)
    const key = toHex(after.chainKey)
    wipeBoxKeys(made)
    expect([...made.key, ...made.blind].every((byte) => byte === 0)).toBe(true)
    expect(toHex(after.chainKey)).toBe(key)
  })

  it('is stored and restored strictly', () => {
    const state = { index: 7, chainKey: rng.bytes(32) }
    const bytes = encodeChain(state)
    expect(decodeChain(bytes)).toEqual(state)
    expect(errorCode(() => decodeChain(bytes.subarray(1)))).toBe('bad-length')
    expect(errorCode(() => decodeChain(Uint8Array.from([...bytes, 0])))).toBe('trailing-bytes')
    const exhausted = bytes.slice().fill(0xff, 0, 8)
    expect(errorCode(() => decodeChain(exhausted))).toBe('bad-value')
  })

  it('gives addresses that say nothing without the root', () => {
    const others = [1, 2].map(() => signKeyPairFromSeed(rng.bytes(32)).publicKey)
    const addresses = [root, ...others].map((r) => toHex(blind(r, keys.blind)))
    expect(new Set(addresses).size).toBe(3)
  })
})
