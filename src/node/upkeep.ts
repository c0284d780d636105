import { type Clock, isHearsayError, type Logger } from '../base/index.ts'
import type { Store } from '../store/index.ts'

export interface UpkeepPorts {
  readonly clock: Clock
  readonly log: Logger
  readonly store: Store
  /** Tries again what failed when the node started or joined. */
  readonly retry: () => Promise<void>
  /** Deletes what is kept for a time only. */
  readonly prune: () => Promise<unknown>
}

const BEAT_MS = 10_000
const RETAIN_MS = 600_000
const PRUNE_MS = 6 * 3_600_000

/** What a node does now and then: an eye on the free space, retention, another try at what failed. */
export class Upkeep {
  readonly #ports: UpkeepPorts
  #freeBytes = Number.POSITIVE_INFINITY

  constructor(ports: UpkeepPorts) {
    this.#ports = ports
  }

  /** Free bytes of the disk at the last look, infinite before the first. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Runs until the signal, or until the store refuses writes. One part that fails does not end the others. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, store, retry, prune } = this.#ports
    const started = clock.monotonic()
    let retainAt = started + RETAIN_MS
    let pruneAt = started + BEAT_MS
    while (!signal.aborted && store.state() === 'ok') {
      await this.#try('space', async () => {
        this.#freeBytes = (await store.stats()).freeBytes
      })
      await clock.sleep(BEAT_MS, signal)
      await this.#try('retry', retry)
      const now = clock.monotonic()
      if (now >= retainAt) {
        retainAt = now + RETAIN_MS
        await this.#try('retention', () => store.retain())
      }
      if (now >= pruneAt) {
        pruneAt = now + PRUNE_MS
        await this.#try('idempotency', prune)
      }
    }
  }

  async #try(part: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const code = isHearsayError(error) ? error.code : 'bug'
      this.#ports.log.warn('upkeep failed and will be tried again', { part, code })
    }
  }
}
