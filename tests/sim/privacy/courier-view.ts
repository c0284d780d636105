/** A request that waits at a courier. */
export interface PendingRequest {
  readonly frame: number
  /** Belief about its origin. */
  readonly vector: number
  /** When it arrived, milliseconds. */
  readonly at: number
  /** Probability that it came in a slot that publishes, where that is public; else 1. */
  readonly mayPublish: number
}

interface Held extends PendingRequest {
  /** Probability that no act or reply seen so far belongs to it. */
  unmatched: number
}

interface Act {
  readonly at: number
  /** Publication that is looked for, or -1. */
  column: number
  /** Probability that no reply seen so far belongs to it. */
  unanswered: number
}

export interface CourierViewOptions {
  readonly mixDelayMs: number
  readonly floorMs: number
  /** Share of the requests whose act can be seen: all but echoes. */
  readonly visibleShare: number
}

const MEANS_KEPT = 14
const LEAST = 1e-7

/**
 * What an observer believes about the requests inside one honest courier: which of them made an act that it sees,
 * and which act or echo a reply belongs to.
 *
 * A request that belongs to nothing seen so far, x delays after it came, is either still to act in a way that can
 * be seen (likelihood v·exp(-x), v the share of such requests) or an echo, which acts unseen, whose reply has not
 * left (likelihood (1 - v)·(1 + y)·exp(-y), y the delays since the earliest possible reply).
 */
export class CourierView {
  readonly #options: CourierViewOptions
  #pending: Held[] = []
  #acts: Act[] = []

  constructor(options: CourierViewOptions) {
    this.#options = options
  }

  get pending(): readonly PendingRequest[] {
    return this.#pending
  }

  /** Takes in a request. Returns the vectors of those that are too old to matter. */
  arrived(request: PendingRequest): number[] {
    const { mixDelayMs, floorMs, visibleShare } = this.#options
    this.#pending.push({ ...request, unmatched: 1 })
    if (visibleShare === 1) return []
    const oldest = request.at - floorMs - MEANS_KEPT * mixDelayMs
    return this.#drop(({ at }) => at < oldest)
  }

  /** Probability of each pending request to have made the act at `at`; sums to 1, or is 0 throughout. */
  shares(at: number, isPublication: boolean): Float64Array {
    const weights = this.#pending.map((held) => {
      const { isWaiting } = this.#states(held, at)
      return held.unmatched * isWaiting * (isPublication ? held.mayPublish : 1)
    })
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return Float64Array.from(weights, (weight) => (total > 0 ? weight / total : 0))
  }

  /** The same where the courier tells. */
  exactly(frame: number): Float64Array {
    const shares = new Float64Array(this.#pending.length)
    const index = this.#pending.findLastIndex((held) => held.frame === frame)
    if (index >= 0) shares[index] = 1
    return shares
  }

  /** Notes an act. Returns the vectors of requests that certainly made it or an earlier one. */
  acted(shares: Float64Array): number[] {
    for (const [index, held] of this.#pending.entries()) {
      held.unmatched = Math.max(0, held.unmatched - (shares[index] as number))
    }
    return this.#drop(({ unmatched }) => unmatched < LEAST)
  }

  /** An act will be answered. `column`: its publication if that is looked for, else -1. */
  expect(at: number, column: number): void {
    this.#acts.push({ at, column, unanswered: 1 })
  }

  /** A reply starts. Tells for each publication that is looked for how likely it is its reply. */
  replied(at: number, tell: (column: number, share: number) => void): void {
    const { mixDelayMs, floorMs } = this.#options
    const latest = at - floorMs
    // Rates, in units of one per delay.
    const ofActs = this.#acts.map((act) => (act.at < latest ? act.unanswered : 0))
    const ofEchoes = this.#pending.map((held) => {
      const { isEcho, echoRate } = this.#states(held, at)
      return held.unmatched * isEcho * echoRate
    })
    const total = [...ofActs, ...ofEchoes].reduce((sum, rate) => sum + rate, 0)
    if (total === 0) return
    for (const [index, act] of this.#acts.entries()) {
      const share = (ofActs[index] as number) / total
      act.unanswered = Math.max(0, act.unanswered - share)
      if (act.column >= 0 && share > 0) tell(act.column, share)
    }
    for (const [index, held] of this.#pending.entries()) {
      held.unmatched = Math.max(0, held.unmatched - (ofEchoes[index] as number) / total)
    }
    const oldest = latest - 2 * MEANS_KEPT * mixDelayMs
    this.#acts = this.#acts.filter((act) => act.unanswered > LEAST && act.at > oldest)
  }

  /** A publication is looked for no longer. */
  forget(column: number): void {
    for (const act of this.#acts) if (act.column === column) act.column = -1
  }

  /** Probabilities of what an unmatched request is doing, and how soon the reply starts if it is an echo. */
  #states(
    { at: arrivedAt }: Held,
    at: number,
  ): { isWaiting: number; isEcho: number; echoRate: number } {
    const { mixDelayMs, floorMs, visibleShare } = this.#options
    if (visibleShare === 1) return { isWaiting: 1, isEcho: 0, echoRate: 0 }
    const x = (at - arrivedAt) / mixDelayMs
    const y = Math.max(0, x - floorMs / mixDelayMs)
    const waiting = visibleShare * Math.exp(-x)
    const echo = (1 - visibleShare) * (1 + y) * Math.exp(-y)
    const all = waiting + echo
    return { isWaiting: waiting / all, isEcho: echo / all, echoRate: y / (1 + y) }
  }

  #drop(isDone: (held: Held) => boolean): number[] {
    const vectors: number[] = []
    this.#pending = this.#pending.filter((held) => {
      if (!isDone(held)) return true
      vectors.push(held.vector)
      return false
    })
    return vectors
  }
}
