import { describe, expect, it } from 'vitest'
import { BUCKETS, SYSTEM_BUCKETS, TOMBSTONES } from '../../../src/store/buckets.ts'

describe('the numbers of the buckets', () => {
  it('are used once each, apart from the store’s own and from removed ones', () => {
    const numbers = [...Object.values(BUCKETS), ...Object.values(SYSTEM_BUCKETS), ...TOMBSTONES]
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(Object.values(BUCKETS).every((number) => number >= 16 && number <= 250)).toBe(true)
  })
})
