import type { Rng } from '../base/index.ts'
import { type Cycle, cycleOf, drawPublishSlot, type SlotGrid } from './schedule.ts'

/**
 * Which slot of the present cycle publishes: exactly one, drawn when the cycle is entered. A slot that was
 * jumped over by the clock is drawn again among those that are left; one that has published stays the only
 * one, also when the clock goes back inside the cycle.
 */
export class CyclePlan {
  readonly #rng: Rng
  readonly #grid: SlotGrid
  #cycle: Cycle | undefined
  #slot = 0
  #done = false

  constructor(ports: { rng: Rng }, options: { grid: SlotGrid }) {
    this.#rng = ports.rng
    this.#grid = options.grid
  }

  /** Enters a slot. True when it publishes. `publishEvery` counts from the next cycle on. */
  enter(slot: number, publishEvery: number): boolean {
    const cycle = this.#cycle
    if (cycle === undefined || slot < cycle.first || slot >= cycle.end) {
      this.#begin(cycleOf(this.#grid, slot, publishEvery), slot)
    } else if (!this.#done && slot > this.#slot) this.#begin(cycle, slot)
    if (this.#done || slot !== this.#slot) return false
    this.#done = true
    return true
  }

  #begin(cycle: Cycle, from: number): void {
    this.#cycle = cycle
    this.#slot = drawPublishSlot(this.#rng, cycle, from)
    this.#done = false
  }
}
