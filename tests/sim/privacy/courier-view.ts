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
  /** Probability that no act seen so far is its act. */
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
  /** A reply starts this long after the act, and an exponential time of this mean. */
  readonly floorMs: number
  readonly replyDelayMs: number
  /** Share of the requests whose act can be seen: all but echoes. */
  readonly visibleShare: number
}

const MEANS_KEPT = 12
const STEPS_PER_MEAN = 8
const LEAST = 1e-7

/**
 * What an observer believes about the requests inside one honest courier: which of them made an act that it sees,
 * and which act or unseen echo a reply belongs to.
 *
 * A request to which no act belongs x delays after it came is either still to act in a way that can be seen
 * (likelihood v·exp(-x), v the share of such requests) or an echo (1 - v).
 */
export class CourierView {
  readonly #options: CourierViewOptions
  readonly #echoes: Echoes
  #pending: Held[] = []
  #acts: Act[] = []

  constructor(options: CourierViewOptions) {
    this.#options = options
    this.#echoes = new Echoes(options)
  }

  get pending(): readonly PendingRequest[] {
    return this.#pending
  }

  /** Takes in a request. Returns the vectors of those that are too old to matter. */
  arrived({ frame, vector, at, mayPublish }: PendingRequest): number[] {
    const { mixDelayMs, visibleShare } = this.#options
    this.#pending.push({ frame, vector, at, mayPublish, unmatched: 1 })
    this.#echoes.add(at)
    const oldest = at - MEANS_KEPT * mixDelayMs
    if (visibleShare === 1 || (this.#pending[0] as Held).at >= oldest) return []
    return this.#drop((held) => held.at < oldest)
  }

  /** Probability of each pending request to have made the act at `at`; sums to 1, or is 0 throughout. */
  shares(at: number, isPublication: boolean): Float64Array {
    const { mixDelayMs, visibleShare } = this.#options
    const shares = new Float64Array(this.#pending.length)
    let total = 0
    for (let i = 0; i < shares.length; i++) {
      const held = this.#pending[i] as Held
      const may = isPublication ? held.mayPublish : 1
      const waiting = visibleShare === 1 ? 1 : visibleShare * Math.exp((held.at - at) / mixDelayMs)
      const weight = (held.unmatched * may * waiting) / (waiting + 1 - visibleShare)
      shares[i] = weight
      total += weight
    }
    if (total > 0) for (let i = 0; i < shares.length; i++) shares[i] = (shares[i] as number) / total
    return shares
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
    let isAnyGone = false
    for (let i = 0; i < shares.length; i++) {
      const held = this.#pending[i] as Held
      held.unmatched = Math.max(0, held.unmatched - (shares[i] as number))
      if (held.unmatched < LEAST) isAnyGone = true
    }
    return isAnyGone ? this.#drop(({ unmatched }) => unmatched < LEAST) : []
  }

  /** An act will be answered. `column`: its publication if that is looked for, else -1. */
  expect(at: number, column: number): void {
    this.#acts.push({ at, column, unanswered: 1 })
  }

  /** A reply starts. Tells for each publication that is looked for how likely it is its reply. */
  replied(at: number, tell: (column: number, share: number) => void): void {
    const { floorMs, replyDelayMs } = this.#options
    const latest = at - floorMs
    // Rates, in units of one per mean time to reply.
    let total = this.#echoes.rateAt(at)
    for (const act of this.#acts) if (act.at < latest) total += act.unanswered
    if (total === 0) return
    let isAnyGone = false
    for (const act of this.#acts) {
      if (act.at >= latest) break
      const share = act.unanswered / total
      act.unanswered = Math.max(0, act.unanswered - share)
      if (act.column >= 0) tell(act.column, share)
      if (act.unanswered < LEAST) isAnyGone = true
    }
    this.#echoes.replied(total)
    const oldest = latest - 2 * MEANS_KEPT * replyDelayMs
    if (!isAnyGone && (this.#acts[0]?.at ?? at) > oldest) return
    this.#acts = this.#acts.filter((act) => act.unanswered >= LEAST && act.at > oldest)
  }

  /** A publication is looked for no longer. */
  forget(column: number): void {
    for (const act of this.#acts) if (act.column === column) act.column = -1
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

/** The echoes inside a courier: how many of each age have not been answered, in steps of time. */
class Echoes {
  readonly #share: number
  readonly #stepMs: number
  /** Rate of the reply by age, and its maximum age. */
  readonly #rates: Float64Array
  /** Expected number by time of arrival: a ring of steps. */
  readonly #counts: Float64Array
  readonly #parts: Float64Array
  #newest = -(2 ** 30)

  constructor({ mixDelayMs: d, floorMs, replyDelayMs: r, visibleShare }: CourierViewOptions) {
    this.#share = 1 - visibleShare
    this.#stepMs = Math.min(d, r) / STEPS_PER_MEAN
    const kept = floorMs + MEANS_KEPT * Math.max(d, r)
    // Coarser where replies take long: the rate changes slowly then.
    this.#stepMs = Math.max(this.#stepMs, kept / 1_024)
    const steps = this.#share === 0 ? 0 : Math.ceil(kept / this.#stepMs)
    this.#rates = Float64Array.from({ length: steps }, (_, step) => {
      const y = (step + 0.5) * this.#stepMs - floorMs
      if (y <= 0) return 0
      // Two exponential times, until the act and from it: density over probability of being later.
      if (Math.abs(r - d) < 1e-9 * d) return y / (d + y)
      const [fast, slow] = [Math.exp(-y / d), Math.exp(-y / r)]
      return (r * (slow - fast)) / (r * slow - d * fast)
    })
    // A power of two: places in the ring are then found without a division.
    this.#counts = new Float64Array(2 ** Math.ceil(Math.log2(Math.max(1, steps))))
    this.#parts = new Float64Array(steps)
  }

  add(at: number): void {
    if (this.#share === 0) return
    this.#advance(at)
    const place = this.#place(this.#newest)
    this.#counts[place] = (this.#counts[place] as number) + this.#share
  }

  /** Sum of the rates of all echoes; also what `replied` then shares out. */
  rateAt(at: number): number {
    if (this.#share === 0) return 0
    this.#advance(at)
    let total = 0
    for (let age = 0; age < this.#rates.length; age++) {
      const part =
        (this.#rates[age] as number) * (this.#counts[this.#place(this.#newest - age)] as number)
      this.#parts[age] = part
      total += part
    }
    return total
  }

  /** One reply started, out of all whose rates make `total`. */
  replied(total: number): void {
    for (let age = 0; age < this.#parts.length; age++) {
      const part = this.#parts[age] as number
      if (part === 0) continue
      const place = this.#place(this.#newest - age)
      this.#counts[place] = Math.max(0, (this.#counts[place] as number) - part / total)
    }
  }

  #advance(at: number): void {
    const now = Math.floor(at / this.#stepMs)
    if (now - this.#newest > this.#counts.length) this.#counts.fill(0)
    else for (let step = this.#newest + 1; step <= now; step++) this.#counts[this.#place(step)] = 0
    this.#newest = now
  }

  #place(step: number): number {
    return step & (this.#counts.length - 1)
  }
}
