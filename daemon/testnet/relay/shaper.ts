import { type Rng, uniform } from '../../../src/base/index.ts'
import type { LinkFaults } from './link-faults.ts'

/** What TCP carries in one packet over Ethernet. */
const SEGMENT_BYTES = 1_448
/** Linux waits at least this long before it sends a lost segment again. */
const RETRANSMIT_MIN_MS = 200
/** A segment that is lost this often in a row comes through: the wait has doubled to over ten seconds by then. */
const MAX_RETRIES = 6

/** Bytes and when they come out at the other end, in monotonic milliseconds. */
export interface Segment {
  readonly bytes: Uint8Array
  readonly dueAt: number
}

/**
 * When bytes that enter a link come out of it. The order is kept: a segment that is late holds up all behind it,
 * as in a TCP stream. Not modelled: that TCP also slows down after losses; a rate says how slow.
 */
export class Shaper {
  readonly #rng: Rng
  /** When the line is free for the next bit. */
  #lineFreeAt = 0
  #lastDueAt = 0

  constructor(ports: { rng: Rng }) {
    this.#rng = ports.rng
  }

  /** Cuts `bytes` into segments, views of the same memory, each with its time; `now` never steps back. */
  take(bytes: Uint8Array, faults: LinkFaults, now: number): Segment[] {
    const segments: Segment[] = []
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) {
      const piece = bytes.subarray(at, at + SEGMENT_BYTES)
      segments.push(this.#time(piece, faults, now))
      if (faults.repeat > 0 && uniform(this.#rng) < faults.repeat) {
        segments.push(this.#time(piece, faults, now))
      }
    }
    return segments
  }

  #time(bytes: Uint8Array, faults: LinkFaults, now: number): Segment {
    const { delayMs, jitterMs, rateBps } = faults
    const onLine = rateBps > 0 ? (bytes.length * 8_000) / rateBps : 0
    this.#lineFreeAt = Math.max(now, this.#lineFreeAt) + onLine
    const jitter = jitterMs > 0 ? jitterMs * (2 * uniform(this.#rng) - 1) : 0
    const travel = Math.max(0, delayMs + jitter) + this.#retransmissions(faults)
    this.#lastDueAt = Math.max(this.#lastDueAt, this.#lineFreeAt + travel)
    return { bytes, dueAt: this.#lastDueAt }
  }

  /** Milliseconds until a segment that may be lost, and lost again, gets through. */
  #retransmissions({ loss, delayMs }: LinkFaults): number {
    let total = 0
    let wait = RETRANSMIT_MIN_MS + 2 * delayMs
    for (let i = 0; i < MAX_RETRIES && loss > 0 && uniform(this.#rng) < loss; i++) {
      total += wait
      wait *= 2
    }
    return total
  }
}
