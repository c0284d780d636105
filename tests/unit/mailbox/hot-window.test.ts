import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asAddress } from '../../../src/base/index.ts'
import { type BoxEntry, encodeEntry, itemOf } from '../../../src/mailbox/box-entry.ts'
import { EntryTable } from '../../../src/mailbox/entry-table.ts'
import { HotWindow } from '../../../src/mailbox/hot-window.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const rng = seededRng('hot window')

function entry(more: Partial<BoxEntry> = {}): BoxEntry {
  return {
    address: asAddress(rng.bytes(32)),
    boxHash: rng.bytes(32),
    expiryDay: 20_000,
    slot: 0,
    heardAt: 1_795_000_000_000,
    confirmed: true,
    kept: false,
    ...more,
  }
}

const address = asAddress(rng.bytes(32))
/** Six boxes: alone under their addresses, and two pairs under one. */
const POOL = [
  entry(),
  entry(),
  entry({ address }),
  entry({ address, slot: 1 }),
  ...[0, 1].map((slot) => entry({ address: asAddress(new Uint8Array(32).fill(9)), slot })),
]

describe('hot window', () => {
  it('knows at any time what was set and not deleted, as it was set last', () => {
    const operation = fc.record({
      at: fc.nat(POOL.length - 1),
      add: fc.boolean(),
      heardAt: fc.nat(5),
      confirmed: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const window = new HotWindow()
        const model = new Map<string, BoxEntry>()
        for (const { at, add, heardAt, confirmed } of operations) {
          const each = { ...POOL[at]!, heardAt, confirmed }
          if (add) window.set(each)
          else window.delete(each)
          if (add) model.set(itemOf(each), each)
          else model.delete(itemOf(each))
        }
        expect(window.size).toBe(model.size)
        expect([...window.items.items('')]).toEqual([...model.keys()].toSorted())
        const heard = [...model].filter(([, { heardAt }]) => heardAt >= 2 && heardAt <= 3)
        const inside = heard.map(([item]) => item).toSorted()
        expect([...window.items.window(2, 3).items('')]).toEqual(inside)
        const alone = [...model.values()].filter((each) => !each.confirmed).map(itemOf)
        expect([...window.unconfirmed].toSorted()).toEqual(alone.toSorted())
        for (const each of POOL) {
          const item = itemOf(each)
          expect(window.get(item)).toEqual(model.get(item))
        }
      }),
    )
  })

  it('takes a row from the disk as it takes the entry', () => {
    const window = new HotWindow()
    const [one, two] = [entry({ confirmed: false }), entry({ kept: true, slot: 1 })]
    for (const each of [one, two]) window.set(each, encodeEntry(each))
    expect(window.get(itemOf(one))).toEqual(one)
    expect(window.get(itemOf(two))).toEqual(two)
  })

  it('draws only boxes that others have too', () => {
    const window = new HotWindow()
    const one = entry({ confirmed: false })
    window.set(one)
    expect(window.sample(rng)).toBeUndefined()
    window.set({ ...one, confirmed: true })
    expect(window.sample(rng)).toEqual({ ...one, confirmed: true })
  })

  it('gives entries out that nobody can change in it', () => {
    const window = new HotWindow()
    const one = entry()
    window.set(one)
    window.get(itemOf(one))?.boxHash.fill(0)
    expect(window.get(itemOf(one))).toEqual(one)
  })
})

describe('entry table', () => {
  it('keeps thousands of entries apart, and uses places again', () => {
    const table = new EntryTable()
    const entries = Array.from({ length: 3_000 }, (_, i) => entry({ expiryDay: i }))
    const places = entries.map((each) => table.add(encodeEntry(each)))
    expect(new Set(places).size).toBe(3_000)
    for (const place of places.slice(1_000, 2_000)) table.remove(place)
    const others = Array.from({ length: 1_000 }, (_, i) => entry({ expiryDay: 5_000 + i }))
    const again = others.map((each) => table.add(encodeEntry(each)))
    expect([...again].toSorted((a, b) => a - b)).toEqual(places.slice(1_000, 2_000))
    for (const [i, place] of again.entries()) expect(table.get(place)).toEqual(others[i])
    for (const i of [0, 999, 2_000, 2_999]) expect(table.get(places[i]!)).toEqual(entries[i])
  })

  it('begins anew when it is empty', () => {
    const table = new EntryTable()
    const row = encodeEntry(entry())
    const places = Array.from({ length: 1_025 }, () => table.add(row))
    for (const place of places) table.remove(place)
    expect(() => table.get(0)).toThrow(/place/)
    expect(table.add(row)).toBe(0)
  })
})
