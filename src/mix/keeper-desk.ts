import { type NodeId, type Rng, uniform } from '../base/index.ts'
import type { Clock } from '../base/index.ts'
import { ANSWER_SPREAD_MS, ANSWERS_MAX, SEALED_ANSWER_BYTES } from './constants.ts'
import type { MixCounts } from './counts.ts'
import type { MixFrame } from './frame.ts'
import type { KeeperPort } from './ports.ts'

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
 * nothing of the disk. The courier sees neither the question nor the answer.
 */
export class KeeperDesk {
  readonly #ports: KeeperDeskPorts
  #open = 0

  constructor(ports: KeeperDeskPorts) {
    this.#ports = ports
  }

  /** Never throws. Beyond `ANSWERS_MAX` questions at once there is no answer. */
  asked(from: NodeId, ref: Uint8Array, sealed: Uint8Array): void {
    const { counts, spawn } = this.#ports
    if (this.#open >= ANSWERS_MAX) return counts.count('overloaded')
    this.#open++
    const question = { ref: ref.slice(), sealed: sealed.slice() }
    spawn('answer', async (signal) => {
      try {
        await this.#answer(from, question, signal)
      } finally {
        this.#open--
      }
    })
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
