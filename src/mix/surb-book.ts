import { type Clock, toHex } from '../base/index.ts'
import type { SurbKeys } from '../sphinx/index.ts'
import { SURBS_MAX } from './constants.ts'

/** A reply that this node waits for. */
export interface Expected {
  readonly keys: SurbKeys
  /** The payload that came, still closed; undefined when none came in time. Called once. */
  settle(payload: Uint8Array | undefined): void
}

interface Entry extends Expected {
  readonly until: number
}

/**
 * Replies under way, by the random name that only this node and the last mix learn. A name is used up by the first
 * payload that comes under it, whatever it holds: a second reply finds nothing. Bounded by time and number.
 */
export class SurbBook {
  readonly #clock: Clock
  readonly #patienceMs: number
  readonly #entries = new Map<string, Entry>()

  constructor(ports: { clock: Clock }, options: { patienceMs: number }) {
    this.#clock = ports.clock
    this.#patienceMs = options.patienceMs
  }

  get size(): number {
    return this.#entries.size
  }

  add(surbId: Uint8Array, expected: Expected): void {
    this.expire()
    const until = this.#clock.monotonic() + this.#patienceMs
    this.#entries.set(toHex(surbId), { ...expected, until })
    for (const [oldest] of this.#entries) {
      if (this.#entries.size <= SURBS_MAX) break
      this.#settle(oldest, undefined)
    }
  }

  /** False for a name that is not waited for (any more). */
  settle(surbId: Uint8Array, payload: Uint8Array): boolean {
    return this.#settle(toHex(surbId), payload)
  }

  /** Gives up what is late. Entries are in the order of their times. */
  expire(): void {
    const now = this.#clock.monotonic()
    for (const [key, { until }] of this.#entries) {
      if (until > now) return
      this.#settle(key, undefined)
    }
  }

  /** Gives up all. */
  clear(): void {
    for (const key of this.#entries.keys()) this.#settle(key, undefined)
  }

  #settle(key: string, payload: Uint8Array | undefined): boolean {
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    this.#entries.delete(key)
    entry.settle(payload)
    return true
  }
}
