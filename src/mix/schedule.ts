import { HearsayError, type Rng, uniformInt } from '../base/index.ts'
import { PUBLISH_EVERY_MIN } from './constants.ts'

/** Slots count from the creation of the network, so that all nodes agree on their boundaries. */
export interface SlotGrid {
  /** Wall-clock time of slot 0, milliseconds. */
  readonly originMs: number
  readonly slotMs: number
  /** Length of a directory epoch: cycles begin anew with each, milliseconds. */
  readonly epochMs: number
}

/** The slot that contains `now`. Negative before the network's creation (a clock that is behind). */
export function slotAt(grid: SlotGrid, now: number): number {
  return Math.floor((now - grid.originMs) / grid.slotMs)
}

export function slotStart(grid: SlotGrid, slot: number): number {
  return grid.originMs + slot * grid.slotMs
}

/**
 * The slot after `last`, which was entered when its beginning was near `now`. A clock that lags or leads by a slot (a
 * late timer, a small correction) skips and repeats none; after a greater step in either direction the next whole slot
 * of the new time.
 */
export function nextSlot(grid: SlotGrid, last: number, now: number): number {
  const current = slotAt(grid, now)
  return current >= last - 2 && current <= last + 1 ? last + 1 : current + 1
}

export interface Cycle {
  /** First slot of the cycle. */
  readonly first: number
  /** One past its last slot: `publishEvery` later, or the first slot of the next epoch when that is nearer. */
  readonly end: number
}

/**
 * The cycle of `slot`. Boundaries are global: they follow from the epoch and `publishEvery` alone.
 * @throws HearsayError `bug` for less than `PUBLISH_EVERY_MIN` slots per publication.
 */
export function cycleOf(grid: SlotGrid, slot: number, publishEvery: number): Cycle {
  if (!Number.isInteger(publishEvery) || publishEvery < PUBLISH_EVERY_MIN) {
    throw new HearsayError('bug', 'a cycle has two slots or more', { publishEvery })
  }
  const slotsPerEpoch = Math.floor(grid.epochMs / grid.slotMs)
  const epochFirst = Math.floor(slot / slotsPerEpoch) * slotsPerEpoch
  const first = epochFirst + Math.floor((slot - epochFirst) / publishEvery) * publishEvery
  return { first, end: Math.min(first + publishEvery, epochFirst + slotsPerEpoch) }
}

/**
 * Draws the slot of a cycle that publishes, uniformly among those from `from` on, before any content exists.
 * A public or fixed position would be a leak (design §5).
 */
export function drawPublishSlot(rng: Rng, cycle: Cycle, from: number): number {
  const first = Math.max(cycle.first, from)
  return first + uniformInt(rng, cycle.end - first)
}
