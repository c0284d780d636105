import type { Clock } from '../base/index.ts'
import { COUNTER_BLOCK } from './constants.ts'
import type { CounterStore } from './ports.ts'

interface Block {
  next: number
  readonly end: number
}

/**
 * Gives out each counter of an epoch once, ever: a block is durable before its first counter is used, and
 * what a crash leaves over of a block is lost. A counter used twice would prove our own misbehaviour. Blocks begin
 * at the wall clock in milliseconds, or above the last one when that is higher: a copy of the home that is restored
 * does not know what was used after it was made, but its clock does.
 */
export class CounterSource {
  readonly #store: CounterStore
  readonly #clock: Clock
  readonly #blocks = new Map<number, Block[]>()
  #reserving: Promise<unknown> = Promise.resolve()

  constructor(ports: { store: CounterStore; clock: Clock }) {
    this.#store = ports.store
    this.#clock = ports.clock
  }

  /** Waits for the disk only when `prepare` did not. @throws what the store throws; then none was used. */
  async take(epoch: number): Promise<number> {
    for (;;) {
      const block = this.#blocks.get(epoch)?.find(({ next, end }) => next < end)
      if (block !== undefined) return block.next++
      await this.#reserve(epoch)
    }
  }

  /**
   * Reserves the next block when less than half of one is left. A publication that waited for the disk would
   * tell how busy the disk is, and that depends on what the user does. @throws what the store throws.
   */
  async prepare(epoch: number): Promise<void> {
    if (this.#isShort(epoch)) await this.#reserve(epoch)
  }

  #isShort(epoch: number): boolean {
    const blocks = this.#blocks.get(epoch) ?? []
    return blocks.reduce((left, { next, end }) => left + end - next, 0) < COUNTER_BLOCK / 2
  }

  #reserve(epoch: number): Promise<void> {
    const reserved = this.#reserving.then(async () => {
      // Whoever came before may have done it.
      if (!this.#isShort(epoch)) return
      const from = Math.max(await this.#store.next(epoch), this.#clock.now())
      await this.#store.reserve(epoch, from, COUNTER_BLOCK)
      const left = (this.#blocks.get(epoch) ?? []).filter(({ next, end }) => next < end)
      this.#blocks.set(epoch, [...left, { next: from, end: from + COUNTER_BLOCK }])
      for (const old of this.#blocks.keys()) if (old < epoch - 1) this.#blocks.delete(old)
    })
    // One at a time; a failure must not block the next caller.
    this.#reserving = reserved.catch(() => undefined)
    return reserved
  }
}
