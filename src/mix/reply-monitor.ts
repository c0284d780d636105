import { REPLY_WINDOW, REPLY_WINDOW_MIN } from './constants.ts'

/**
 * Share of replies below which real traffic stops: half of what is left when in every layer one mix drops everything,
 * and at least 5 %. A few dropping mixes then stop nobody, or dropping would be a cheap way to silence a network; an
 * attacker who cuts a node off to see what it sends lets hardly anything back. A request and its reply each pass
 * every layer once. `sizes`: mixes by layer.
 */
export function replyThreshold(sizes: readonly number[]): number {
  const survives = sizes.reduce((share, size) => share * (1 - 1 / Math.max(1, size)) ** 2, 1)
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
  isAlarmed(sizes: readonly number[]): boolean {
    const { rate } = this
    return rate !== undefined && rate < replyThreshold(sizes)
  }
}
