import { describe, expect, it } from 'vitest'
import { CyclePlan } from '../../../src/mix/cycle-plan.ts'
import {
  cycleOf,
  drawPublishSlot,
  nextSlot,
  type SlotGrid,
  slotAt,
  slotStart,
} from '../../../src/mix/schedule.ts'
import { seededRng } from '../../support/seeded-rng.ts'

// 40 slots of 250 ms per epoch.
const GRID: SlotGrid = { originMs: 1_000_000, slotMs: 250, epochMs: 10_000 }

describe('the grid of slots', () => {
  it('counts from the creation of the network, before it too', () => {
    expect(slotAt(GRID, GRID.originMs)).toBe(0)
    expect(slotAt(GRID, GRID.originMs + 249)).toBe(0)
    expect(slotAt(GRID, GRID.originMs - 1)).toBe(-1)
    for (const slot of [-7, 0, 1, 12_345]) expect(slotAt(GRID, slotStart(GRID, slot))).toBe(slot)
  })

  it('cuts every epoch into cycles of one length, but for the last', () => {
    for (const publishEvery of [2, 3, 4, 6, 16, 64]) {
      for (const epochFirst of [-40, 0, 40]) {
        let slot = epochFirst
        while (slot < epochFirst + 40) {
          const { first, end } = cycleOf(GRID, slot, publishEvery)
          expect(first).toBe(slot)
          expect(end - first).toBe(Math.min(publishEvery, epochFirst + 40 - first))
          for (let inside = first; inside < end; inside++) {
            expect(cycleOf(GRID, inside, publishEvery)).toEqual({ first, end })
          }
          slot = end
        }
      }
    }
  })

  it.each([0, 1, 1.5, Number.NaN])('has no cycle of %s slots', (publishEvery) => {
    expect(() => cycleOf(GRID, 0, publishEvery)).toThrow('two slots')
  })

  it('goes on slot by slot with a clock that lags or leads a little, and follows a greater step', () => {
    const at = (slot: number) => slotStart(GRID, slot) + 3
    for (const current of [98, 99, 100, 101]) expect(nextSlot(GRID, 100, at(current))).toBe(101)
    expect(nextSlot(GRID, 100, at(97))).toBe(98)
    expect(nextSlot(GRID, 100, at(102))).toBe(103)
    expect(nextSlot(GRID, 100, at(-5000))).toBe(-4999)
  })
})

describe('the publishing slot', () => {
  it('is uniform over the cycle, or over what is left of it', () => {
    const rng = seededRng('slots')
    for (const [from, least] of [
      [0, 8],
      [14, 14],
    ] as const) {
      const counts = new Map<number, number>()
      for (let i = 0; i < 3000; i++) {
        const slot = drawPublishSlot(rng, { first: 8, end: 16 }, from)
        counts.set(slot, (counts.get(slot) ?? 0) + 1)
      }
      const width = 16 - least
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual(
        Array.from({ length: width }, (_, i) => least + i),
      )
      for (const count of counts.values()) {
        expect(Math.abs(count - 3000 / width)).toBeLessThan(5 * Math.sqrt(3000 / width))
      }
    }
  })

  it('comes once in every cycle, whatever slots are skipped and repeated', () => {
    const rng = seededRng('skips')
    const plan = new CyclePlan({ rng }, { grid: GRID })
    const published = new Map<number, number>()
    const visited = new Set<number>()
    const walk = seededRng('walk')
    let slot = 0
    while (slot < 4000) {
      const { first } = cycleOf(GRID, slot, 8)
      visited.add(first)
      if (plan.enter(slot, 8)) published.set(first, (published.get(first) ?? 0) + 1)
      const step = walk.bytes(1)[0] ?? 0
      // Mostly on, sometimes a jump ahead, sometimes back, but inside the cycle.
      if (step < 20) slot = Math.max(first, slot - 3)
      else if (step < 30) slot += 3
      else slot++
    }
    for (const first of visited) expect(published.get(first) ?? 0).toBeLessThanOrEqual(1)
    // Only a cycle that was left by a jump over its last slots can go without.
    expect(published.size).toBeGreaterThan(visited.size * 0.9)
  })

  it('is drawn again when the clock jumped over it inside the cycle', () => {
    for (let seed = 0; seed < 40; seed++) {
      const plan = new CyclePlan({ rng: seededRng(`jump ${seed}`) }, { grid: GRID })
      let count = 0
      for (const slot of [8, 14, 15]) if (plan.enter(slot, 8)) count++
      expect([seed, count]).toEqual([seed, 1])
    }
  })

  it('stays the only one when the clock goes back inside the cycle', () => {
    for (let seed = 0; seed < 40; seed++) {
      const plan = new CyclePlan({ rng: seededRng(`back ${seed}`) }, { grid: GRID })
      let count = 0
      const slots = [8, 9, 10, 11, 8, 9, 10, 11, 12, 13, 9, 10, 11, 12, 13, 14, 15, 8, 15]
      for (const slot of slots) if (plan.enter(slot, 8)) count++
      expect([seed, count]).toEqual([seed, 1])
    }
  })
})
