import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import {
  AddressMap,
  addressOf,
  advanceChain,
  type BoxKeys,
  copyChain,
  firstChain,
  ReadWindow,
  type WatchedAddress,
} from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { errorCode } from '../../support/outcome.ts'

const rng = seededRng('read window')
const { publicKey: root } = signKeyPairFromSeed(rng.bytes(32))
const chain = firstChain(rng.bytes(32))
const SIZE = 8

/** What the writer derives for the first 40 boxes. */
const written: (WatchedAddress & { keys: BoxKeys })[] = []
let state = copyChain(chain)
for (let index = 0; index < 40; index++) {
  const { next, keys } = advanceChain(state)
  written.push({ index, address: addressOf(root, keys.blind), keys })
  state = next
}

const empty = () => new ReadWindow(root, chain, SIZE)
const fresh = () => {
  const window = empty()
  window.extend(SIZE)
  return window
}
const indices = (list: readonly WatchedAddress[]) => list.map(({ index }) => index)
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

/** The addresses and keys of a window are those of the writer. */
function agrees(window: ReadWindow): void {
  for (const { index, address } of window.addresses()) {
    expect(address).toEqual(written[index]?.address)
    expect(window.keysFor(index)).toEqual(written[index]?.keys)
  }
}

describe('ReadWindow', () => {
  it('watches the next boxes of the writer', () => {
    const window = fresh()
    expect(indices(window.addresses())).toEqual(range(0, SIZE))
    expect(window.gaps()).toEqual([])
    agrees(window)
  })

  it('derives no more at a time than its caller asks for', () => {
    const window = empty()
    expect(window.addresses()).toEqual([])
    expect(window.isFull).toBe(false)
    expect(errorCode(() => window.take(0))).toBe('bad-value')
    expect(window.keysFor(0)).toBeUndefined()
    expect(indices(window.extend(3))).toEqual([0, 1, 2])
    expect(window.extend(0)).toEqual([])
    agrees(window)
    // A box far ahead of what is derived is no box of this stream yet; one at its end empties it.
    expect(errorCode(() => window.take(3))).toBe('bad-value')
    window.take(2)
    expect(indices(window.addresses())).toEqual([0, 1])
    expect(indices(window.extend(100))).toEqual(range(3, 3 + SIZE))
    expect(window.isFull).toBe(true)
    expect(window.extend(1)).toEqual([])
    agrees(window)
  })

  it('moves by one with every box in order, and names what is new and what is over', () => {
    const window = fresh()
    for (let index = 0; index < 20; index++) {
      const unwatched = window.take(index)
      const watched = window.extend(SIZE)
      expect(indices(watched)).toEqual([index + SIZE])
      expect(watched[0]?.address).toEqual(written[index + SIZE]?.address)
      expect(unwatched).toEqual([{ index, address: written[index]?.address }])
    }
    expect(window.next).toBe(20)
    agrees(window)
  })

  it('keeps the keys of skipped boxes, and reports them as gaps', () => {
    const window = fresh()
    expect(indices(window.take(5))).toEqual([5])
    expect(indices(window.extend(SIZE))).toEqual(range(8, 14))
    expect(window.gaps()).toEqual([0, 1, 2, 3, 4])
    expect(indices(window.addresses())).toEqual([0, 1, 2, 3, 4, ...range(6, 14)])
    agrees(window)
    expect(window.take(2)).toEqual([{ index: 2, address: written[2]?.address }])
    expect(window.isFull).toBe(true)
    expect(window.gaps()).toEqual([0, 1, 3, 4])
  })

  it('erases the keys of a received box', () => {
    const window = fresh()
    const keys = [0, 1, 3].map((index) => window.keysFor(index) as BoxKeys)
    window.take(3)
    window.take(0)
    const erased = keys.map((k) => [...k.key, ...k.blind].every((byte) => byte === 0))
    expect(erased).toEqual([true, false, true])
    expect(window.keysFor(0)).toBeUndefined()
    expect(window.keysFor(3)).toBeUndefined()
    expect(toHex(window.encode())).not.toContain(toHex(written[3]?.keys.key as Uint8Array))
    expect(toHex(window.encode())).toContain(toHex(written[1]?.keys.key as Uint8Array))
  })

  it('stores nothing from which the keys of a received box follow', () => {
    const window = fresh()
    window.take(3)
    const bytes = toHex(window.encode())
    let walk = copyChain(chain)
    for (let index = 0; index < 4; index++) {
      expect(bytes).not.toContain(toHex(walk.chainKey))
      walk = advanceChain(walk).next
    }
    // Only the chain of the next index is there.
    expect(bytes).toContain(toHex(walk.chainKey))
  })

  it('gives up a gap when the stream is a window further', () => {
    const window = fresh()
    window.take(1)
    const keys = window.keysFor(0) as BoxKeys
    for (let index = 2; index < SIZE; index++) expect(window.take(index).length).toBe(1)
    expect(window.gaps()).toEqual([0])
    window.extend(1)
    expect(indices(window.take(SIZE))).toEqual([SIZE, 0])
    expect(window.gaps()).toEqual([])
    expect([...keys.key].every((byte) => byte === 0)).toBe(true)
  })

  it('gives up a gap on request', () => {
    const window = fresh()
    window.take(2)
    expect(window.drop(0)).toEqual({ index: 0, address: written[0]?.address })
    expect(window.drop(0)).toBeUndefined()
    expect(window.drop(2)).toBeUndefined()
    expect(window.drop(3)).toBeUndefined()
    expect(window.gaps()).toEqual([1])
    expect(errorCode(() => window.take(0))).toBe('bad-value')
  })

  it('takes no index twice, none beyond the window and none that is no index', () => {
    const window = fresh()
    window.take(4)
    window.extend(SIZE)
    for (const index of [4, -1, 13, 1000, 0.5, Number.NaN]) {
      expect(
        errorCode(() => window.take(index)),
        `${index}`,
      ).toBe('bad-value')
      expect(window.keysFor(index)).toBeUndefined()
    }
    window.take(12)
    expect(window.extend(1000).length).toBe(SIZE)
  })

  it('does not consume the chain it was made of', () => {
    const before = toHex(chain.chainKey)
    fresh().take(7)
    expect(toHex(chain.chainKey)).toBe(before)
  })

  it('goes on from its stored state, in any order of arrival', () => {
    let window = fresh()
    for (const index of [3, 0, 7, 12, 11, 5, 13, 8, 20, 14]) {
      expect(window.take(index).length).toBeGreaterThan(0)
      // Full, empty or anything between.
      window.extend(index % 9)
      agrees(window)
      const bytes = window.encode()
      const restored = ReadWindow.decode(bytes)
      expect(restored.encode()).toEqual(bytes)
      expect(restored.addresses()).toEqual(window.addresses())
      expect(restored.gaps()).toEqual(window.gaps())
      expect(restored.isFull).toBe(window.isFull)
      restored.extend(SIZE)
      agrees(restored)
      window = restored
    }
  })

  it('is erased on request', () => {
    const window = fresh()
    window.take(3)
    const keys = [0, 6].map((index) => window.keysFor(index) as BoxKeys)
    window.clear()
    expect(window.addresses()).toEqual([])
    expect(errorCode(() => window.extend(1))).toBe('bug')
    expect(keys.every((k) => k.key.every((byte) => byte === 0))).toBe(true)
    // An erased window is never stored by mistake.
    expect(errorCode(() => window.encode())).toBe('bug')
  })

  it('refuses impossible sizes and roots', () => {
    for (const size of [0, -1, 1.5, 257]) {
      expect(errorCode(() => new ReadWindow(root, chain, size))).toBe('bad-value')
    }
    expect(errorCode(() => new ReadWindow(new Uint8Array(32), chain, 4))).toBe('bad-key')
  })

  it('is decoded strictly', () => {
    const window = fresh()
    window.take(5)
    window.extend(SIZE)
    const bytes = window.encode()
    const changed = (at: number, byte: number) => {
      const out = bytes.slice()
      out[at] = byte
      return out
    }
    expect(errorCode(() => ReadWindow.decode(bytes.subarray(0, -1)))).toBe('bad-length')
    expect(errorCode(() => ReadWindow.decode(Uint8Array.from([...bytes, 0])))).toBe(
      'trailing-bytes',
    )
    expect(errorCode(() => ReadWindow.decode(changed(0, 9)))).toBe('bad-version')
    expect(errorCode(() => ReadWindow.decode(changed(2, 0)))).toBe('bad-value')
    // The first gap (index 0) after the header of 77 bytes, moved to the index of the second and beyond.
    expect(errorCode(() => ReadWindow.decode(changed(77 + 7, 1)))).toBe('bad-value')
    expect(errorCode(() => ReadWindow.decode(changed(77 + 7, 6)))).toBe('bad-value')
    // An address that is missing before one that is there.
    const holed = bytes.slice()
    holed.fill(0, bytes.length - 2 * 32, bytes.length - 32)
    expect(errorCode(() => ReadWindow.decode(holed))).toBe('bad-value')
    for (let length = 0; length < bytes.length; length += 13) {
      expect(errorCode(() => ReadWindow.decode(bytes.subarray(0, length)))).toMatch(/^bad-/)
    }
  })
})

describe('AddressMap', () => {
  it('finds by content, replaces and removes', () => {
    const map = new AddressMap<string>()
    const [a, b] = [written[0]?.address, written[1]?.address]
    if (a === undefined || b === undefined) throw new Error('no addresses')
    map.add(a, 'first')
    expect(map.find(a.slice() as typeof a)).toBe('first')
    expect(map.find(b)).toBeUndefined()
    map.add(a, 'second')
    expect(map.find(a)).toBe('second')
    expect(map.size).toBe(1)
    map.remove(a)
    map.remove(a)
    expect(map.find(a)).toBeUndefined()
    expect(map.size).toBe(0)
  })
})
