import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { TagTable } from '../../../src/mix/tag-table.ts'
import { REPLAY_TAG_BYTES } from '../../../src/sphinx/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { streamRng } from './fixtures.ts'

describe('a table of tags', () => {
  it('holds what a set would: 100,000 random tags, half of them twice', () => {
    const bytes = streamRng('tags').bytes(110_000 * REPLAY_TAG_BYTES)
    const all = Array.from({ length: 110_000 }, (_, i) =>
      bytes.subarray(i * REPLAY_TAG_BYTES, (i + 1) * REPLAY_TAG_BYTES),
    )
    const [tags, stray] = [all.slice(0, 100_000), all.slice(100_000)]
    const table = new TagTable()
    const set = new Set<string>()
    let differences = 0
    for (const [i, tag] of tags.entries()) {
      for (const each of [tag, tags[i >> 1] ?? tag]) {
        const size = set.size
        if (table.add(each) !== set.add(toHex(each)).size > size) differences++
      }
    }
    expect(differences).toBe(0)
    expect(table.size).toBe(set.size)
    expect(tags.every((tag) => table.has(tag))).toBe(true)
    expect(stray.some((tag) => table.has(tag))).toBe(false)
  })

  it('tells apart tags that differ in one bit only, in every bit', () => {
    const base = seededRng('bits').bytes(REPLAY_TAG_BYTES)
    const table = new TagTable()
    table.add(base)
    for (let bit = 0; bit < 8 * REPLAY_TAG_BYTES; bit++) {
      const other = base.slice()
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(table.has(other)).toBe(false)
      expect(table.add(other)).toBe(true)
    }
    expect(table.size).toBe(1 + 8 * REPLAY_TAG_BYTES)
  })

  it('stays correct when tags want the same place', () => {
    // The same shard and the same first word: they can only stand behind each other.
    const tags = Array.from({ length: 2_000 }, (_, i) => {
      const tag = new Uint8Array(REPLAY_TAG_BYTES).fill(0xab)
      new DataView(tag.buffer).setUint32(4, i)
      return tag
    })
    const table = new TagTable()
    for (const tag of tags) expect(table.add(tag)).toBe(true)
    expect(tags.every((tag) => table.has(tag) && !table.add(tag))).toBe(true)
    expect(table.size).toBe(2_000)
  })

  it('knows the tag of zeros, which stands for an empty place', () => {
    const table = new TagTable()
    const zeros = new Uint8Array(REPLAY_TAG_BYTES)
    expect(table.has(zeros)).toBe(false)
    expect(table.add(zeros)).toBe(true)
    expect(table.has(zeros)).toBe(true)
    expect(table.add(zeros)).toBe(false)
  })

  it('reads tags out of longer buffers, and keeps no view of them', () => {
    const buffer = seededRng('views').bytes(64)
    const table = new TagTable()
    table.add(buffer.subarray(5, 5 + REPLAY_TAG_BYTES))
    const copy = buffer.slice(5, 5 + REPLAY_TAG_BYTES)
    buffer.fill(0)
    expect(table.has(copy)).toBe(true)
  })
})
