import { COUNTER_BLOCK } from './constants.ts'
import type { CounterStore } from './ports.ts'

/**
 * Gives out each counter of an epoch once, ever: a block is durable before its first counter is used, and
 * what a crash leaves over of a block is lost. A counter used twice would prove our own misbehaviour.
 */
export class CounterSource {
  readonly #store: CounterStore
  #epoch = -1
  #next = 0
  #end = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(ports: { store: CounterStore }) {
    this.#store = ports.store
  }

  /** @throws what the store throws; then no counter was used. */
  take(epoch: number): Promise<number> {
    const taken = this.#queue.then(() => this.#take(epoch))
    // One at a time; a failure must not block the next caller.
    this.#queue = taken.catch(() => undefined)
    return taken
  }

  async #take(epoch: number): Promise<number> {
    if (epoch !== this.#epoch || this.#next >= this.#end) {
      const from = await this.#store.next(epoch)
      await this.#store.reserve(epoch, from, COUNTER_BLOCK)
      this.#epoch = epoch
      this.#next = from
      this.#end = from + COUNTER_BLOCK
    }
    return this.#next++
  }
}
