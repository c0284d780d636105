import { readU64be, u32be, u64be } from '../base/index.ts'
import type { CounterStore } from '../gossip/index.ts'
import { BUCKETS, type Store } from '../store/index.ts'

/** The counters that this node may have used as courier, on disk before they are. */
export class CourierCounters implements CounterStore {
  readonly #store: Store

  constructor(ports: { store: Store }) {
    this.#store = ports.store
  }

  async next(epoch: number): Promise<number> {
    const value = await this.#store.get(BUCKETS.courierCounters, u32be(epoch))
    return value === undefined ? 0 : readU64be(value)
  }

  async reserve(epoch: number, from: number, count: number): Promise<void> {
    const batch = this.#store.batch()
    for await (const key of this.#store.keys(BUCKETS.courierCounters, {
      lt: u32be(Math.max(0, epoch - 1)),
      limit: 16,
    })) {
      batch.del(BUCKETS.courierCounters, key)
    }
    batch.put(BUCKETS.courierCounters, u32be(epoch), u64be(from + count))
    await batch.commit()
  }
}
