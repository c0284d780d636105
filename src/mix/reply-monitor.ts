import { REPLY_WINDOW, REPLY_WINDOW_MIN } from './constants.ts'

/**
 * Share of replies below which real traffic stops: half of what is left when one mix of the smallest layer drops
 * everything, so that one dropping mix among many stops nobody, and at least 5 %. A request and its reply each
 * pass every layer once.
 */
export function replyThreshold(smallestLayer: number): number {
  const survives = (1 - 1 / Math.max(1, smallestLayer)) ** 2
  return Math.max(0.05, survives / 2)
}

/**
 * How many of this node's last requests were answered. It decides only whether real boxes take the place of cover,
 * never which routes are used: nobody sees it in the network.
 */
export class ReplyMonitor {
  readonly #outcomes: boolean[] = []

  note(isAnswered: boolean): void {
    this.#outcomes.push(isAnswered)
    if (this.#outcomes.length > REPLY_WINDOW) this.#outcomes.shift()
  }

  /** After an absence the past says nothing. */
  reset(): void {
    this.#outcomes.length = 0
  }

  /** 0 to 1; undefined until enough is known. */
  get rate(): number | undefined {
    const { length } = this.#outcomes
    if (length < REPLY_WINDOW_MIN) return undefined
    return this.#outcomes.filter(Boolean).length / length
  }

  /** True when so few return that somebody may be cutting this node off to see what it sends. */
  isAlarmed(smallestLayer: number): boolean {
    const { rate } = this
    return rate !== undefined && rate < replyThreshold(smallestLayer)
  }
}
