import { type Clock, MINUTE_MS, type NodeId, toHex } from '../base/index.ts'
import { IGNORED_ALLOWANCE, IGNORED_POINTS, MAX_COUNTED_PEERS } from './constants.ts'
import type { PeerBlame } from './ports.ts'

/**
 * Ignored messages are free of blame one by one, so a flooder would send nothing else: each peer has an
 * allowance per minute, and what exceeds it costs points.
 */
export class IgnoredBudget {
  readonly #clock: Clock
  readonly #blame: PeerBlame
  readonly #perMinute: number
  readonly #used = new Map<string, { minute: number; count: number }>()

  constructor(
    ports: { clock: Clock; blame: PeerBlame },
    options: { publicationsPerSecond: number },
  ) {
    this.#clock = ports.clock
    this.#blame = ports.blame
    // With two copies of each box, every second publication is ignored as known.
    this.#perMinute = IGNORED_ALLOWANCE + 2 * 60 * options.publicationsPerSecond
  }

  charge(peer: NodeId): void {
    const key = toHex(peer)
    const minute = Math.floor(this.#clock.monotonic() / MINUTE_MS)
    const entry = this.#used.get(key)
    const count = entry?.minute === minute ? entry.count + 1 : 1
    this.#used.delete(key)
    this.#used.set(key, { minute, count })
    if (this.#used.size > MAX_COUNTED_PEERS) {
      const [oldest] = this.#used.keys()
      if (oldest !== undefined) this.#used.delete(oldest)
    }
    if (count > this.#perMinute) this.#blame.penalise(peer, IGNORED_POINTS)
  }
}
