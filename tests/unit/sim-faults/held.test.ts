import { describe, expect, it } from 'vitest'
import { countHeld } from '../../sim/faults/held.ts'
import { overBounds } from '../../sim/faults/memory-bounds.ts'

class Leaf {
  readonly #items = [1, 2, 3]

  get first(): number | undefined {
    return this.#items[0]
  }
}

class Base {
  readonly #seen = new Set(['a', 'b'])

  has(name: string): boolean {
    return this.#seen.has(name)
  }
}

class Root extends Base {
  readonly leaves = new Map([['one', new Leaf()]])
  readonly #more = { leaves: [new Leaf(), new Leaf()] }
  readonly self = this

  get size(): number {
    return this.#more.leaves.length
  }
}

describe('what a node holds', () => {
  it('is counted by class and field, private ones too', () => {
    expect(Object.fromEntries(countHeld({ root: new Root() }, []))).toEqual({
      'Root.leaves': 1,
      'Root.#seen': 2,
      'Root.#more.leaves': 2,
      'Leaf.#items': 9,
    })
  })

  it('ends at the borders', () => {
    const root = new Root()
    expect(countHeld({ root }, [root]).size).toBe(0)
  })

  it('is too much above what a network of this size explains, by the name of the field', () => {
    const held = new Map([
      ['Root.#seen', 145],
      ['Root.leaves', 144],
      ['RecentBoxes.#hashes', 145],
    ])
    expect(overBounds(held, 5)).toEqual(['Root.#seen holds 145 entries, 144 are allowed'])
    expect(overBounds(held, 6)).toEqual([])
  })
})
