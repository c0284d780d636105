import { REPLY_FLOOR_MS } from '../../../src/mix/constants.ts'
import type { RequestKind } from '../../../src/mix/ports.ts'
import { CourierView } from './courier-view.ts'
import type { Observation } from './observation.ts'
import type { Observer } from './observer.ts'
import type { ReplyEvidence, ReplyTrace } from './reply-evidence.ts'
import { VectorPool } from './vector-pool.ts'

export interface LayeredTrackerPorts {
  /** Undefined where no request is answered: then every exit can be seen. */
  readonly replies: ReplyEvidence | undefined
  readonly onObservation: (observation: Observation) => void
}

export interface LayeredTrackerOptions {
  readonly nodes: number
  readonly mixDelayMs: number
  /** Mean of the time between an act and its reply, beyond the floor, milliseconds. */
  readonly replyDelayMs: number
  /** Mixes that work for the observer. */
  readonly isCorrupt: Uint8Array
  /** Share of the requests whose act can be seen. */
  readonly visibleShare: number
  /** Whether publications are answered as the other requests are. */
  readonly answersPublications: boolean
  /** How long after a publication its reply is looked for, milliseconds. */
  readonly replyWindowMs: number
}

/** A publication whose reply is looked for. */
interface Target extends ReplyTrace {
  readonly column: number
  readonly publication: number
  readonly path: Float64Array
  masses: Float64Array
}

const NOWHERE = -1
/** Publications whose replies are looked for at once; the block of columns grows by as many. */
const TARGETS_FIRST = 16
const LEAST_MASS = 1e-9

/**
 * The adversary in a layered mixnet: for every frame the probability of each origin, of its being a request at all,
 * and of its being the reply to each publication that is looked for. An honest mix keeps packets for exponential
 * times, so the frame that leaves is equally likely each of those inside: it gets the mean, and the mix loses what
 * the frame took. That is the exact marginal given all times. A corrupt mix tells which frame is which.
 */
export class LayeredTracker implements Observer {
  readonly #ports: LayeredTrackerPorts
  readonly #options: LayeredTrackerOptions
  readonly #requestColumn: number
  #columns: number
  #vectors: VectorPool
  /** Vector of each frame on a link or in a corrupt mix. */
  readonly #vectorOf: number[] = []
  readonly #pools: (Float64Array | undefined)[] = []
  readonly #counts: number[] = []
  readonly #couriers: (CourierView | undefined)[] = []
  readonly #lastPools: (Float64Array | undefined)[] = []
  readonly #lastCounts: number[] = []
  readonly #targets: Target[] = []
  readonly #freeColumns: number[] = []
  readonly #finished: Target[] = []
  /** Publication that a frame in a corrupt courier made. */
  readonly #madeBy = new Map<number, Target | undefined>()

  constructor(ports: LayeredTrackerPorts, options: LayeredTrackerOptions) {
    this.#ports = ports
    this.#options = options
    this.#requestColumn = options.nodes
    this.#columns = options.nodes + 1
    this.#vectors = new VectorPool(this.#columns)
    this.#addColumns(ports.replies === undefined ? 0 : TARGETS_FIRST)
  }

  emitted(frame: number, origin: number, at: number, mayPublish: boolean): void {
    const vector = this.#vectors.allocate()
    const { data } = this.#vectors
    const begin = vector * this.#columns
    data.fill(0, begin, begin + this.#columns)
    if (mayPublish) data[begin + origin] = 1
    data[begin + this.#requestColumn] = 1
    this.#vectorOf[frame] = vector
    this.#ports.replies?.emitted(origin, at, mayPublish)
  }

  arrived(frame: number, mix: number): void {
    if (this.#isCorrupt(mix)) return
    const pool = (this.#pools[mix] ??= new Float64Array(this.#columns))
    this.#counts[mix] = (this.#counts[mix] ?? 0) + 1
    this.#add(pool, this.#take(frame))
  }

  departed(frame: number, mix: number): void {
    if (this.#isCorrupt(mix)) return
    const vector = this.#vectors.allocate()
    this.#vectorOf[frame] = vector
    this.#counts[mix] = this.#draw(
      this.#pools[mix] as Float64Array,
      this.#counts[mix] as number,
      this.#vectors.data,
      vector * this.#columns,
    )
  }

  arrivedAtCourier(frame: number, courier: number, at: number): void {
    const view = (this.#couriers[courier] ??= new CourierView({
      mixDelayMs: this.#options.mixDelayMs,
      floorMs: REPLY_FLOOR_MS,
      replyDelayMs: this.#options.replyDelayMs,
      visibleShare: this.#ports.replies === undefined ? 1 : this.#options.visibleShare,
    }))
    const vector = this.#take(frame)
    const { data } = this.#vectors
    const begin = vector * this.#columns
    const isRequest = data[begin + this.#requestColumn] as number
    let mayPublish = 0
    for (let node = 0; node < this.#requestColumn; node++) {
      // Here it turns out that it is a request: the rest of the belief falls away.
      const mass = isRequest > LEAST_MASS ? (data[begin + node] as number) / isRequest : 0
      data[begin + node] = mass
      mayPublish += mass
    }
    for (const old of view.arrived({ frame, vector, at, mayPublish })) this.#vectors.release(old)
  }

  arrivedAtLast(frame: number, mix: number): void {
    const vector = this.#vectorOf[frame] as number
    const { data } = this.#vectors
    const begin = vector * this.#columns
    const isReply = 1 - (data[begin + this.#requestColumn] as number)
    for (const { column } of this.#targets) {
      const mass = data[begin + column] as number
      data[begin + column] = isReply > LEAST_MASS ? mass / isReply : 0
    }
    if (this.#isCorrupt(mix)) return
    const pool = (this.#lastPools[mix] ??= new Float64Array(this.#columns))
    this.#lastCounts[mix] = (this.#lastCounts[mix] ?? 0) + 1
    for (const { column } of this.#targets) {
      pool[column] = (pool[column] as number) + (data[begin + column] as number)
    }
    this.#vectors.release(this.#take(frame))
  }

  acted(frame: number, courier: number, at: number, kind: RequestKind, publication: number): void {
    const view = this.#couriers[courier] as CourierView
    const isCorrupt = this.#isCorrupt(courier)
    const isSeen = kind !== 'echo' || this.#ports.replies === undefined
    if (!isCorrupt && !isSeen) return
    const shares = isCorrupt ? view.exactly(frame) : view.shares(at, kind === 'publish')
    const target = publication < 0 ? undefined : this.#observe(view, shares, at, publication)
    const isAnswered = this.#options.answersPublications || kind !== 'publish'
    if (isAnswered && isCorrupt) this.#madeBy.set(frame, target)
    if (isAnswered && !isCorrupt) view.expect(at, target?.column ?? NOWHERE)
    for (const old of view.acted(shares)) this.#vectors.release(old)
  }

  replied(frame: number, courier: number, at: number): void {
    const vector = this.#vectors.allocate()
    this.#vectorOf[frame] = vector
    const { data } = this.#vectors
    const begin = vector * this.#columns
    data.fill(0, begin, begin + this.#columns)
    if (this.#isCorrupt(courier)) {
      const target = this.#madeBy.get(frame)
      this.#madeBy.delete(frame)
      if (target !== undefined) data[begin + target.column] = 1
      return
    }
    this.#couriers[courier]?.replied(at, (column, share) => {
      data[begin + column] = share
    })
  }

  delivered(frame: number, mix: number, node: number, at: number): void {
    this.#finishTargets(at)
    const { replies } = this.#ports
    if (replies === undefined) return
    const number = replies.nextDelivery
    replies.delivered(node, at)
    if (this.#isCorrupt(mix)) {
      const vector = this.#take(frame)
      const begin = vector * this.#columns
      for (const target of this.#targets) {
        note(target, number, this.#vectors.data[begin + target.column] as number)
      }
      this.#vectors.release(vector)
      return
    }
    const pool = this.#lastPools[mix] as Float64Array
    const count = this.#lastCounts[mix] as number
    for (const target of this.#targets) {
      const mass = pool[target.column] as number
      note(target, number, mass / count)
      pool[target.column] = count > 1 ? mass - mass / count : 0
    }
    this.#lastCounts[mix] = count - 1
  }

  /** Nothing was seen after `end`: tells the observations that waited for replies. */
  finish(end: number): void {
    const { replies, onObservation } = this.#ports
    if (replies === undefined) return
    this.#finishTargets(Number.POSITIVE_INFINITY)
    replies.settle(end)
    for (const target of this.#finished) {
      const { publication, path } = target
      onObservation({ publication, path, reply: replies.weigh(target) })
    }
    this.#finished.length = 0
  }

  /** Stops looking for replies whose window is over at `at`. */
  #finishTargets(at: number): void {
    while (this.#targets[0] !== undefined) {
      const target = this.#targets[0]
      if (target.at + this.#options.replyWindowMs > at) return
      this.#targets.shift()
      this.#clear(target.column)
      this.#freeColumns.push(target.column)
      target.masses = target.masses.slice(
        0,
        (this.#ports.replies?.nextDelivery ?? 0) - target.firstDelivery,
      )
      this.#finished.push(target)
    }
  }

  #observe(
    view: CourierView,
    shares: Float64Array,
    at: number,
    publication: number,
  ): Target | undefined {
    const path = new Float64Array(this.#options.nodes)
    let total = 0
    for (const [index, { vector }] of view.pending.entries()) {
      const share = shares[index] as number
      if (share === 0) continue
      const begin = vector * this.#columns
      for (let node = 0; node < path.length; node++) {
        const mass = share * (this.#vectors.data[begin + node] as number)
        path[node] = (path[node] as number) + mass
        total += mass
      }
    }
    for (let node = 0; node < path.length; node++) {
      path[node] = total > 0 ? (path[node] as number) / total : 1 / path.length
    }
    const { replies, onObservation } = this.#ports
    if (replies === undefined) {
      onObservation({ publication, path, reply: undefined })
      return undefined
    }
    if (this.#freeColumns.length === 0) this.#addColumns(TARGETS_FIRST)
    const column = this.#freeColumns.pop() as number
    const masses = new Float64Array(256)
    const target = { column, publication, at, path, masses, firstDelivery: replies.nextDelivery }
    this.#targets.push(target)
    return target
  }

  #isCorrupt(node: number): boolean {
    return this.#options.isCorrupt[node] === 1
  }

  #take(frame: number): number {
    const vector = this.#vectorOf[frame] as number
    this.#vectorOf[frame] = NOWHERE
    return vector
  }

  /** Adds a vector to a pool and frees it. */
  #add(pool: Float64Array, vector: number): void {
    const { data } = this.#vectors
    const begin = vector * this.#columns
    for (let i = 0; i < pool.length; i++) {
      pool[i] = (pool[i] as number) + (data[begin + i] as number)
    }
    this.#vectors.release(vector)
  }

  /** Takes the mean of `count` packets out of a pool, into `data` from `begin` on. Returns what is left inside. */
  #draw(pool: Float64Array, count: number, data: Float64Array, begin: number): number {
    const share = 1 / count
    for (let i = 0; i < pool.length; i++) {
      const taken = (pool[i] as number) * share
      data[begin + i] = taken
      pool[i] = (pool[i] as number) - taken
    }
    // Rounding must not leave a trace in an empty mix.
    if (count === 1) pool.fill(0)
    return count - 1
  }

  #clear(column: number): void {
    this.#vectors.clearColumn(column)
    for (const pool of this.#pools) if (pool !== undefined) pool[column] = 0
    for (const pool of this.#lastPools) if (pool !== undefined) pool[column] = 0
    for (const view of this.#couriers) view?.forget(column)
    for (const [frame, target] of this.#madeBy) {
      if (target?.column === column) this.#madeBy.set(frame, undefined)
    }
  }

  #addColumns(more: number): void {
    const [from, to] = [this.#columns, this.#columns + more]
    const wider = (narrow: Float64Array) => {
      const wide = new Float64Array(to)
      wide.set(narrow)
      return wide
    }
    this.#vectors = this.#vectors.widened(to)
    for (const [mix, pool] of this.#pools.entries()) if (pool) this.#pools[mix] = wider(pool)
    for (const [mix, pool] of this.#lastPools.entries())
      if (pool) this.#lastPools[mix] = wider(pool)
    this.#columns = to
    for (let column = to - 1; column >= from; column--) this.#freeColumns.push(column)
  }
}

function note(target: Target, delivery: number, mass: number): void {
  if (mass === 0) return
  const index = delivery - target.firstDelivery
  if (index >= target.masses.length) {
    const longer = new Float64Array(2 * Math.max(index, target.masses.length))
    longer.set(target.masses)
    target.masses = longer
  }
  target.masses[index] = mass
}
