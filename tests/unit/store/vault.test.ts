import { describe, expect, it } from 'vitest'
import { concat } from '../../../src/base/index.ts'
import { Vault } from '../../../src/store/vault.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const rng = seededRng('vault')
const vault = new Vault({ rng }, { vaultKey: rng.bytes(32) })
const slotKey = rng.bytes(32)
const generation = rng.bytes(8)
const findKey = () => slotKey

describe('vault', () => {
  it('opens what it sealed, under keys of any length and in any order', () => {
    const keys = Array.from({ length: 256 }, (_, i) => rng.bytes(i + 1))
    const plain = keys.map((key) => vault.seal(key, key))
    const secret = keys.map((key) => vault.sealSecret(key, key, 7, generation, slotKey))
    for (const [i, key] of keys.entries()) {
      expect(vault.open(key, plain[i]!)).toEqual(key)
      expect(vault.open(key, secret[i]!, findKey)).toEqual(key)
    }
  })

  it('opens nothing under another key, be it longer, shorter or of no database of ours', () => {
    const key = rng.bytes(26)
    const envelope = vault.seal(key, rng.bytes(40))
    const changed = key.slice()
    changed[25]! ^= 1
    for (const other of [changed, key.subarray(0, 25), concat(key, key), rng.bytes(1_000)]) {
      expect(() => vault.open(other, envelope)).toThrow(
        expect.objectContaining({ code: 'storage-corrupt' }),
      )
    }
  })
})
