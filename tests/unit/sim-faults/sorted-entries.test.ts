import { describe, expect, it } from 'vitest'
import { compareBytes, uniformInt } from '../../../src/base/index.ts'
import { type Bound, type Entry, SortedEntries } from '../../sim/faults/sorted-entries.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const bytes = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff)
const VALUES = 3_000

/** The obvious one: a map that is sorted for every question. */
class Plain {
  readonly values = new Map<number, number>()

  between(from: Bound | undefined, to: Bound | undefined, reverse: boolean, limit: number) {
    const isIn = ({ key, isAfter }: Bound, entry: Uint8Array): boolean =>
      compareBytes(entry, key) >= (isAfter ? 1 : 0)
    const found = [...this.values]
      .toSorted(([a], [b]) => a - b)
      .map(([key, value]): Entry => [bytes(key), bytes(value)])
      .filter(([key]) => (!from || isIn(from, key)) && !(to && isIn(to, key)))
    return (reverse ? found.toReversed() : found).slice(0, limit)
  }
}

describe('the sorted entries of a disk', () => {
  it('answer as a map that is sorted for every question', () => {
    const rng = seededRng('sorted entries')
    const [fast, plain] = [new SortedEntries(), new Plain()]
    const bound = (): Bound | undefined =>
      uniformInt(rng, 4) === 0
        ? undefined
        : { key: bytes(uniformInt(rng, VALUES)), isAfter: uniformInt(rng, 2) === 0 }
    for (let step = 0; step < 20_000; step++) {
      const key = uniformInt(rng, VALUES)
      // At first it grows past several runs, at last it shrinks to nothing.
      if (uniformInt(rng, 20_000) > step) {
        fast.set(bytes(key), bytes(step & 0xffff))
        plain.values.set(key, step & 0xffff)
      } else {
        fast.delete(bytes(key))
        plain.values.delete(key)
      }
      expect(fast.get(bytes(key)) !== undefined).toBe(plain.values.has(key))
      if (step % 100 !== 0) continue
      const [from, to, reverse] = [bound(), bound(), uniformInt(rng, 2) === 0]
      const limit = uniformInt(rng, 3) === 0 ? 5 : Number.POSITIVE_INFINITY
      expect(fast.between(from, to, { reverse, limit })).toEqual(
        plain.between(from, to, reverse, limit),
      )
    }
    expect(fast.all()).toEqual(plain.between(undefined, undefined, false, VALUES))
  })

  it('are those that they were filled with', () => {
    const entries = Array.from({ length: 1_000 }, (_, i): Entry => [bytes(i), bytes(1)])
    const fast = new SortedEntries()
    fast.fill(entries)
    expect(fast.all()).toEqual(entries)
    expect(fast.get(bytes(999))).toEqual(bytes(1))
    fast.fill([])
    expect(fast.all()).toEqual([])
    fast.set(bytes(1), bytes(2))
    expect(fast.all()).toEqual([[bytes(1), bytes(2)]])
  })
})
