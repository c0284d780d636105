import { type NodeId, type Rng, toHex, uniform } from '../base/index.ts'
import type { Clock } from '../base/index.ts'
import { ANSWER_SPREAD_MS, ANSWERED_MAX, ANSWERS_MAX, SEALED_ANSWER_BYTES } from './constants.ts'
import type { MixCounts } from './counts.ts'
import type { MixFrame } from './frame.ts'
import type { KeeperPort } from './ports.ts'

/** A question begins with a fresh key of its asker, to which all the rest of it is bound. */
const NAME_BYTES = 16

export interface KeeperDeskPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly counts: MixCounts
  readonly keeper: KeeperPort
  readonly deliver: (to: NodeId, frame: MixFrame) => boolean
  readonly spawn: (name: string, task: (signal: AbortSignal) => Promise<void>) => void
}

/**
 * A keeper's side of a fetch: every question gets one answer of one size, found or not, after a time that says
 * nothing of the disk. The courier sees neither the question nor the answer. It gets no second one: readers ask for
 * boxes that are still to be written, and a courier that repeats a question until its answer changes would see when
 * the box came, and so which of all publications it is and that it is real.
 */
export class KeeperDesk {
  readonly #ports: KeeperDeskPorts
  /** Names of the last questions, the oldest first. */
  readonly #answered = new Set<string>()
  #open = 0

  constructor(ports: KeeperDeskPorts) {
    this.#ports = ports
  }

  /** Never throws. Beyond `ANSWERS_MAX` questions at once there is no answer, nor to one of the last `ANSWERED_MAX`. */
  asked(from: NodeId, ref: Uint8Array, sealed: Uint8Array): void {
    const { counts, spawn } = this.#ports
    const name = toHex(sealed.subarray(0, NAME_BYTES))
    if (this.#answered.has(name)) return counts.count('replay')
    if (this.#open >= ANSWERS_MAX) return counts.count('overloaded')
    this.#open++
    this.#remember(name)
    const question = { ref: ref.slice(), sealed: sealed.slice() }
    spawn('answer', async (signal) => {
      try {
        await this.#answer(from, question, signal)
      } finally {
        this.#open--
      }
    })
  }

  #remember(name: string): void {
    this.#answered.add(name)
    for (const oldest of this.#answered) {
      if (this.#answered.size <= ANSWERED_MAX) break
      this.#answered.delete(oldest)
    }
  }

  async #answer(
    from: NodeId,
    { ref, sealed }: { ref: Uint8Array; sealed: Uint8Array },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, counts, deliver, keeper, rng } = this.#ports
    const until = clock.monotonic() + ANSWER_SPREAD_MS * (1 + uniform(rng))
    let answer: Uint8Array
    try {
      answer = await keeper.answer(sealed)
    } catch {
      answer = rng.bytes(SEALED_ANSWER_BYTES)
    }
    await clock.sleep(Math.max(0, until - clock.monotonic()), signal)
    counts.count(deliver(from, { kind: 'answer', ref, sealed: answer }) ? 'answered' : 'no-link')
  }
}
