import type { Clock } from '../base/index.ts'
import { MAX_COUNTED_HOSTS } from './constants.ts'

/**
 * How often something may happen with each host: a burst, then so many times a second. Memory is bounded; the host that
 * was quiet for longest is forgotten first.
 */
export class HostRate {
  readonly #clock: Clock
  readonly #burst: number
  readonly #perSecond: number
  readonly #hosts = new Map<string, { tokens: number; at: number }>()

  constructor(ports: { clock: Clock }, options: { burst: number; perSecond: number }) {
    this.#clock = ports.clock
    this.#burst = options.burst
    this.#perSecond = options.perSecond
  }

  /** Counts it, unless it is once too often: then false. */
  take(host: string): boolean {
    const now = this.#clock.monotonic()
    const last = this.#hosts.get(host) ?? { tokens: this.#burst, at: now }
    const refilled = last.tokens + ((now - last.at) * this.#perSecond) / 1_000
    const tokens = Math.min(this.#burst, refilled)
    this.#hosts.delete(host)
    this.#hosts.set(host, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now })
    if (this.#hosts.size > MAX_COUNTED_HOSTS) {
      const [oldest] = this.#hosts.keys()
      if (oldest !== undefined) this.#hosts.delete(oldest)
    }
    return tokens >= 1
  }
}
