import { describe, expect, it } from 'vitest'
import { SURBS_MAX } from '../../../src/mix/constants.ts'
import { SurbBook } from '../../../src/mix/surb-book.ts'
import { SURB_ID_BYTES, type SurbKeys } from '../../../src/sphinx/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const PATIENCE_MS = 20_000
const keys = new Uint8Array(32) as SurbKeys
const payload = (byte: number) => new Uint8Array(8).fill(byte)

function idAt(index: number): Uint8Array {
  const id = new Uint8Array(SURB_ID_BYTES)
  new DataView(id.buffer).setUint32(0, index)
  return id
}

function open() {
  const clock = new VirtualClock()
  const book = new SurbBook({ clock }, { patienceMs: PATIENCE_MS })
  const settled: [number, number | undefined][] = []
  const add = (index: number) =>
    book.add(idAt(index), {
      keys,
      settle: (bytes) => settled.push([index, bytes?.[0]]),
    })
  return { clock, book, settled, add }
}

describe('a reply', () => {
  it('settles the request that waits for it', () => {
    const { book, settled, add } = open()
    add(1)
    add(2)
    expect(book.settle(idAt(2), payload(9))).toBe(true)
    expect(settled).toEqual([[2, 9]])
    expect(book.size).toBe(1)
  })

  it('finds nothing a second time, whatever the first one held', () => {
    const { book, settled, add } = open()
    add(1)
    book.settle(idAt(1), payload(7))
    expect(book.settle(idAt(1), payload(8))).toBe(false)
    expect(settled).toEqual([[1, 7]])
  })

  it('under a name that nobody waits for finds nothing', () => {
    const { book, settled, add } = open()
    add(1)
    expect(book.settle(idAt(2), payload(7))).toBe(false)
    expect(settled).toEqual([])
  })

  it('that is late finds nothing', async () => {
    const { clock, book, settled, add } = open()
    add(1)
    await clock.advance(PATIENCE_MS - 1)
    book.expire()
    expect(settled).toEqual([])
    await clock.advance(1)
    book.expire()
    expect(settled).toEqual([[1, undefined]])
    expect(book.settle(idAt(1), payload(7))).toBe(false)
    expect(settled).toHaveLength(1)
  })

  it('may ask for the next one while it is settled', () => {
    const { book, settled, add } = open()
    book.add(idAt(1), { keys, settle: () => add(2) })
    book.settle(idAt(1), payload(1))
    expect(book.size).toBe(1)
    book.settle(idAt(2), payload(2))
    expect(settled).toEqual([[2, 2]])
  })
})

describe('the book of expected replies', () => {
  it('is bounded: the oldest is given up, once', () => {
    const { book, settled, add } = open()
    for (let i = 0; i < SURBS_MAX + 10; i++) add(i)
    expect(book.size).toBe(SURBS_MAX)
    expect(settled).toEqual(Array.from({ length: 10 }, (_, i) => [i, undefined]))
    expect(book.settle(idAt(3), payload(1))).toBe(false)
    expect(book.settle(idAt(10), payload(1))).toBe(true)
  })

  it('forgets what is late with the next request, without being told to', async () => {
    const { clock, book, settled, add } = open()
    for (let i = 0; i < 5; i++) add(i)
    await clock.advance(PATIENCE_MS)
    add(5)
    expect(book.size).toBe(1)
    expect(settled.map(([index]) => index)).toEqual([0, 1, 2, 3, 4])
  })

  it('gives up everything when it is cleared', () => {
    const { book, settled, add } = open()
    for (let i = 0; i < 5; i++) add(i)
    book.clear()
    book.clear()
    expect(book.size).toBe(0)
    expect(settled.map(([, byte]) => byte)).toEqual(Array.from({ length: 5 }, () => undefined))
  })
})
