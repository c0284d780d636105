import type { BoxBytes } from '../base/index.ts'
import type { MixPlace } from './route.ts'
import type { SlotGrid } from './schedule.ts'
import { cycleOf } from './schedule.ts'

/**
 * The box of a round, which goes out once in each of the round's cycles. What became of it is told once: that it has
 * left with the first copy that did, that it has not when the last one is through.
 */
export class Round {
  readonly id: string
  readonly box: BoxBytes
  /** Mixes of the copies that were built before. */
  readonly used: MixPlace[] = []
  readonly #tell: ((hasLeft: boolean) => void) | undefined
  #underWay = 0
  #isClosed = false
  #isTold = false

  /** `tell` is left out for cover. */
  constructor(id: string, box: BoxBytes, tell: ((hasLeft: boolean) => void) | undefined) {
    this.id = id
    this.box = box
    this.#tell = tell
  }

  /** A copy is built, over `route`; the next one may be built before it leaves. */
  begin(route: readonly MixPlace[]): void {
    this.#underWay++
    this.used.push(...route)
  }

  /** Its moment is over. */
  end(hasLeft: boolean): void {
    this.#underWay--
    if (hasLeft) this.#say(true)
    else this.#settle()
  }

  /** No further copy will be built. */
  close(): void {
    this.#isClosed = true
    this.#settle()
  }

  #settle(): void {
    if (this.#isClosed && this.#underWay === 0) this.#say(false)
  }

  #say(hasLeft: boolean): void {
    if (!this.#isTold) this.#tell?.(hasLeft)
    this.#isTold = true
  }
}

/**
 * Which round a publishing slot belongs to. A round is `copies` cycles, counted from the beginning of the epoch, so
 * the time between two copies follows from when their cycles publish and from nothing else.
 */
export function roundOf(
  grid: SlotGrid,
  slot: number,
  publishEvery: number,
  copies: number,
): { readonly id: string; readonly isLast: boolean } {
  const slotsPerEpoch = Math.floor(grid.epochMs / grid.slotMs)
  const epoch = Math.floor(slot / slotsPerEpoch)
  const { first } = cycleOf(grid, slot, publishEvery)
  const cycle = Math.floor((first - epoch * slotsPerEpoch) / publishEvery)
  return {
    id: `${epoch}/${publishEvery}/${Math.floor(cycle / copies)}`,
    isLast: cycle % copies === copies - 1,
  }
}
