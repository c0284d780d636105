import { describe, expect, it } from 'vitest'
import { asAddress, uniformInt } from '../../../src/base/index.ts'
import { type BoxEntry, itemOf } from '../../../src/mailbox/box-entry.ts'
import { SharedSet } from '../../../src/mailbox/shared-set.ts'
import { ItemIndex } from '../../../src/reconcile/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const rng = seededRng('shared set')

function entry(): BoxEntry {
  return {
    address: asAddress(rng.bytes(32)),
    boxHash: rng.bytes(32),
    expiryDay: 20_000,
    slot: uniformInt(rng, 2),
    heardAt: 1,
    confirmed: true,
    kept: true,
  }
}

describe('the boxes that two nodes keep', () => {
  const entries = Array.from({ length: 6_000 }, entry)
  const set = new SharedSet()
  const index = new ItemIndex()
  for (const each of entries) {
    set.add(each)
    index.set(itemOf(each), 0)
  }

  it('are listed by every prefix as an index of items lists them', () => {
    const some = entries.slice(0, 50).map(itemOf)
    const prefixes = [
      '',
      '0',
      'f',
      'ab',
      'abc',
      ...some.flatMap((item) => [4, 5, 64].map((n) => item.slice(0, n))),
    ]
    for (const prefix of prefixes) {
      expect([...set.items(prefix)]).toEqual([...index.items(prefix)])
    }
    expect([...set.items('')]).toHaveLength(6_000)
  })

  it('are found by their items, with the place where they are stored', () => {
    for (const each of entries.slice(0, 200)) {
      expect(set.place(itemOf(each))).toEqual({ address: each.address, slot: each.slot })
      expect(set.has(itemOf(each))).toBe(true)
    }
    const other = itemOf(entry())
    expect(set.place(other)).toBeUndefined()
    expect(set.includes(other)).toBe(false)
  })

  it('count once, however often they are added', () => {
    for (const each of entries.slice(0, 100)) set.add(each)
    expect(set.size).toBe(6_000)
  })

  it('are listed no more when they have gone, and again when they have come back', () => {
    const some = entries.slice(100, 130)
    for (const each of some) set.delete(itemOf(each))
    set.delete(itemOf(entry()))
    expect(set.size).toBe(5_970)
    const gone = new Set(some.map(itemOf))
    const left = [...index.items('')].filter((item) => !gone.has(item))
    expect([...set.items('')]).toEqual(left)
    for (const each of some) {
      expect(set.has(itemOf(each))).toBe(false)
      set.add(each)
      expect(set.place(itemOf(each))).toEqual({ address: each.address, slot: each.slot })
    }
    expect([...set.items('')]).toEqual([...index.items('')])
    expect(set.size).toBe(6_000)
  })

  it('may be none', () => {
    const none = new SharedSet()
    none.delete(itemOf(entry()))
    expect(none.size).toBe(0)
    expect([...none.items('')]).toEqual([])
    expect(none.has(itemOf(entry()))).toBe(false)
  })
})
