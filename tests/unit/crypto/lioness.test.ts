import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { lionessDecryptInto, lionessEncryptInto } from '../../../src/crypto/index.ts'
import { errorCode } from '../../support/outcome.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { flipped } from '../../support/sphinx-route.ts'

const rng = seededRng('lioness')
const key = rng.bytes(176)

function run(permute: typeof lionessEncryptInto, block: Uint8Array, by = key): Uint8Array {
  const out = new Uint8Array(block.length)
  permute(out, by, block)
  return out
}

describe('LIONESS', () => {
  it('is undone by its inverse, for every length from 33 bytes', () => {
    for (const length of [33, 34, 64, 65, 500, 2703]) {
      const block = rng.bytes(length)
      const sealed = run(lionessEncryptInto, block)
      expect(toHex(sealed)).not.toBe(toHex(block))
      expect(toHex(run(lionessDecryptInto, sealed))).toBe(toHex(block))
      expect(toHex(run(lionessEncryptInto, run(lionessDecryptInto, block)))).toBe(toHex(block))
    }
  })

  it('gives the same in place and leaves another input alone', () => {
    const block = rng.bytes(300)
    const before = toHex(block)
    for (const permute of [lionessEncryptInto, lionessDecryptInto]) {
      const apart = run(permute, block)
      expect(toHex(block)).toBe(before)
      const within = new Uint8Array(310)
      within.set(block, 5)
      permute(within.subarray(5, 305), key, within.subarray(5, 305))
      expect(toHex(within.subarray(5, 305))).toBe(toHex(apart))
      expect(toHex(within.subarray(0, 5)) + toHex(within.subarray(305))).toBe('00'.repeat(10))
    }
  })

  it('changes about half of all bits, everywhere, when one bit of the block changes', () => {
    const block = rng.bytes(1024)
    for (const permute of [lionessEncryptInto, lionessDecryptInto]) {
      const base = run(permute, block)
      for (const bit of [0, 255, 256, 4000, 8191]) {
        const other = run(permute, flipped(block, bit))
        for (let at = 0; at < 1024; at += 128) {
          let changed = 0
          for (let i = at; i < at + 128; i++) {
            let x = (base[i] as number) ^ (other[i] as number)
            for (; x > 0; x &= x - 1) changed++
          }
          // 1024 bits: 512 ± 16; six deviations.
          expect(Math.abs(changed - 512)).toBeLessThan(96)
        }
      }
    }
  })

  it('depends on every part of its key', () => {
    const block = rng.bytes(100)
    const outputs = new Set([toHex(run(lionessEncryptInto, block))])
    for (let byte = 0; byte < 176; byte++) {
      outputs.add(toHex(run(lionessEncryptInto, block, flipped(key, byte * 8 + (byte % 8)))))
    }
    expect(outputs.size).toBe(177)
  })

  it('refuses other lengths', () => {
    const lengths = (out: number, by: number, block: number) =>
      errorCode(() =>
        lionessEncryptInto(new Uint8Array(out), new Uint8Array(by), new Uint8Array(block)),
      )
    expect(lengths(33, 176, 33)).toBe('none')
    expect(lengths(32, 176, 32)).toBe('bad-length')
    expect(lengths(33, 175, 33)).toBe('bad-length')
    expect(lengths(34, 176, 33)).toBe('bad-length')
  })
})
