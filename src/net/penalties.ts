import type { Clock } from '../base/index.ts'

/** Below this a penalty is forgotten: far less than any single one, or many small ones would never add up. */
const NEGLIGIBLE_POINTS = 0.01

/** Points that peers lost by our own judgement, fading by half every `halfLifeMs`; bounded in number. */
export class Penalties {
  readonly #clock: Clock
  readonly #halfLifeMs: number
  readonly #maxPeers: number
  readonly #byPeer = new Map<string, { points: number; at: number }>()

  constructor(ports: { clock: Clock }, options: { halfLifeMs: number; maxPeers: number }) {
    this.#clock = ports.clock
    this.#halfLifeMs = options.halfLifeMs
    this.#maxPeers = options.maxPeers
  }

  add(peerId: string, points: number): void {
    const total = this.of(peerId) + Math.max(0, points)
    this.#byPeer.delete(peerId)
    this.#byPeer.set(peerId, { points: total, at: this.#clock.monotonic() })
    if (this.#byPeer.size > this.#maxPeers) {
      const [oldest] = this.#byPeer.keys()
      if (oldest !== undefined) this.#byPeer.delete(oldest)
    }
  }

  /** 0 or more. */
  of(peerId: string): number {
    const entry = this.#byPeer.get(peerId)
    if (entry === undefined) return 0
    const left = entry.points * 0.5 ** ((this.#clock.monotonic() - entry.at) / this.#halfLifeMs)
    if (left >= NEGLIGIBLE_POINTS) return left
    this.#byPeer.delete(peerId)
    return 0
  }
}
