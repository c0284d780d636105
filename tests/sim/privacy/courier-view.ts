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

const MEANS_KEPT = 12
const STEPS_PER_MEAN = 32
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
  readonly #ages: AgeTables
  #pending: Held[] = []
  #acts: Act[] = []

  constructor(options: CourierViewOptions) {
    this.#options = options
    this.#ages = new AgeTables(options)
  }

  get pending(): readonly PendingRequest[] {
    return this.#pending
  }

  /** Takes in a request. Returns the vectors of those that are too old to matter. */
  arrived({ frame, vector, at, mayPublish }: PendingRequest): number[] {
    const { mixDelayMs, floorMs, visibleShare } = this.#options
    this.#pending.push({ frame, vector, at, mayPublish, unmatched: 1 })
    const oldest = at - floorMs - MEANS_KEPT * mixDelayMs
    if (visibleShare === 1 || (this.#pending[0] as Held).at >= oldest) return []
    return this.#drop((held) => held.at < oldest)
  }

  /** Probability of each pending request to have made the act at `at`; sums to 1, or is 0 throughout. */
  shares(at: number, isPublication: boolean): Float64Array {
    const shares = new Float64Array(this.#pending.length)
    let total = 0
    for (let i = 0; i < shares.length; i++) {
      const held = this.#pending[i] as Held
      const may = isPublication ? held.mayPublish : 1
      const weight = held.unmatched * this.#ages.waiting(at - held.at) * may
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
    const { mixDelayMs, floorMs } = this.#options
    const latest = at - floorMs
    // Rates, in units of one per delay.
    let total = 0
    for (const act of this.#acts) if (act.at < latest) total += act.unanswered
    const echoes = new Float64Array(this.#pending.length)
    for (let i = 0; i < echoes.length; i++) {
      const held = this.#pending[i] as Held
      if (held.at >= latest) break
      const rate = held.unmatched * this.#ages.replying(at - held.at)
      echoes[i] = rate
      total += rate
    }
    if (total === 0) return
    let isAnyGone = false
    for (const act of this.#acts) {
      if (act.at >= latest) break
      const share = act.unanswered / total
      act.unanswered = Math.max(0, act.unanswered - share)
      if (act.column >= 0) tell(act.column, share)
      if (act.unanswered < LEAST) isAnyGone = true
    }
    for (let i = 0; i < echoes.length; i++) {
      const held = this.#pending[i] as Held
      held.unmatched = Math.max(0, held.unmatched - (echoes[i] as number) / total)
    }
    const oldest = latest - 2 * MEANS_KEPT * mixDelayMs
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

/** What an unmatched request does, by its age, in tables: the exponentials are most of the work otherwise. */
class AgeTables {
  readonly #waiting: Float64Array
  readonly #replying: Float64Array
  readonly #stepsPerMs: number

  constructor({ mixDelayMs, floorMs, visibleShare }: CourierViewOptions) {
    this.#stepsPerMs = STEPS_PER_MEAN / mixDelayMs
    const steps = visibleShare === 1 ? 1 : Math.ceil((MEANS_KEPT + floorMs / mixDelayMs) * STEPS_PER_MEAN)
    this.#waiting = new Float64Array(steps + 1)
    this.#replying = new Float64Array(steps + 1)
    for (let step = 0; step <= steps; step++) {
      const x = (step + 0.5) / STEPS_PER_MEAN
      const y = Math.max(0, x - floorMs / mixDelayMs)
      const waiting = visibleShare * Math.exp(-x)
      const echo = (1 - visibleShare) * (1 + y) * Math.exp(-y)
      this.#waiting[step] = waiting / (waiting + echo)
      this.#replying[step] = ((echo / (waiting + echo)) * y) / (1 + y)
    }
  }

  /** Probability that it will act in a way that can be seen. */
  waiting(ageMs: number): number {
    return this.#waiting[this.#step(ageMs)] as number
  }

  /** Rate at which its reply starts, it being an echo; one per delay is 1. */
  replying(ageMs: number): number {
    return this.#replying[this.#step(ageMs)] as number
  }

  #step(ageMs: number): number {
    return Math.min(this.#waiting.length - 1, Math.floor(ageMs * this.#stepsPerMs))
  }
}
