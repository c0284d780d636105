import type { Clock } from '../base/index.ts'

export interface TokenBucketOptions {
  readonly burst: number
  readonly perSecond: number
  /** Longest time for which one may be in debt, ms; 0 for none. */
  readonly maxWaitMs: number
  /** Keys that are remembered; the one that was quiet for longest is forgotten first. */
  readonly maxKeys: number
}

/** What each of many may have: a burst, then so many units per second. Memory is bounded. */
export class TokenBuckets {
  readonly #clock: Clock
  readonly #options: TokenBucketOptions
  readonly #entries = new Map<string, { units: number; at: number }>()

  constructor(ports: { clock: Clock }, options: TokenBucketOptions) {
    this.#clock = ports.clock
    this.#options = options
  }

  /** Takes `units`. Returns in how many ms they are covered; undefined when that is too long: then nothing was taken. */
  take(key: string, units = 1): number | undefined {
    const { burst, perSecond, maxWaitMs, maxKeys } = this.#options
    const now = this.#clock.monotonic()
    const last = this.#entries.get(key) ?? { units: burst, at: now }
    const left = Math.min(burst, last.units + ((now - last.at) * perSecond) / 1_000) - units
    const waitMs = left >= 0 ? 0 : (-left * 1_000) / perSecond
    if (waitMs > maxWaitMs) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, { units: left, at: now })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxKeys) break
      this.#entries.delete(oldest)
    }
    return waitMs
  }
}
