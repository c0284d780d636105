import { describe, expect, it } from 'vitest'
import { boxesAllowed } from '../../../src/mailbox/allowance.ts'
import { SCARCE_BOX_BYTES, STORED_BOX_BYTES } from '../../../src/mailbox/constants.ts'

const MIB = 1024 * 1024
const MARKS = { noneBytes: 64 * MIB, lowBytes: 256 * MIB, enoughBytes: 320 * MIB }
const QUOTA = 4096 * MIB
const FEW = Math.floor(SCARCE_BOX_BYTES / STORED_BOX_BYTES)

const inBoxes = (bytes: number) => Math.floor(bytes / STORED_BOX_BYTES)

function allowed(
  freeMiB: number,
  boxes: number,
  { limit = inBoxes(QUOTA), owedBytes = 0, quota = QUOTA } = {},
): number {
  return boxesAllowed(quota, MARKS, { freeBytes: freeMiB * MIB, boxes, limit, owedBytes })
}

describe('the boxes that may be here', () => {
  it('are the quota where the disk has room for it', () => {
    expect(allowed(1_000_000, 0)).toBe(inBoxes(QUOTA))
    expect(allowed(Number.POSITIVE_INFINITY, 12)).toBe(inBoxes(QUOTA))
    expect(allowed(1_000_000, 0, { quota: 1 })).toBe(1)
  })

  it('leave the upper mark free when they become more', () => {
    expect(allowed(420, 10_000)).toBe(10_000 + inBoxes(100 * MIB))
    expect(allowed(420, inBoxes(QUOTA) - 5)).toBe(inBoxes(QUOTA))
  })

  it('become neither more nor fewer between the upper marks', () => {
    for (const free of [256, 300, 319]) {
      expect(allowed(free, 50_000, { limit: 50_000 })).toBe(50_000)
      // A batch was evicted for what comes next.
      expect(allowed(free, 49_940, { limit: 50_000 })).toBe(50_000)
      // A limit that was never reached is none.
      expect(allowed(free, 50_000)).toBeLessThan(50_100)
    }
  })

  it('become as few as leave the upper mark free below the middle one', () => {
    const lacking = 120 * MIB
    expect(allowed(200, 100_000, { limit: 100_000 })).toBe(100_000 + inBoxes(-lacking))
    expect(allowed(200, 100_000, { limit: 100_000, owedBytes: lacking })).toBe(100_000)
    expect(allowed(200, 100_000, { limit: 100_000, owedBytes: lacking / 2 })).toBe(
      100_000 + inBoxes(-lacking / 2),
    )
  })

  it('are always those of the last minutes, as far as they leave the lowest mark', () => {
    expect(allowed(100, 7_000, { limit: 7_000 })).toBe(FEW)
    expect(allowed(100, 0, { limit: 0 })).toBe(FEW)
    expect(allowed(65, 0, { limit: 0 })).toBe(inBoxes(MIB))
    expect(allowed(10, 500, { limit: 500 })).toBe(500)
    expect(allowed(0, 0, { limit: 0 })).toBe(0)
  })
})
