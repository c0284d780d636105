import {
  type Clock,
  isHearsayError,
  type Logger,
  type Rng,
  TaskGroup,
  uniform,
} from '../base/index.ts'
import { BoxSource } from './box-source.ts'
import { BUILD_LEAD_MS, CLOCK_STEP_MS, FETCH_SHARE, PREPARE_LEAD_MS } from './constants.ts'
import { CyclePlan } from './cycle-plan.ts'
import type { KeeperAsk, RequestKind, SlotWork } from './ports.ts'
import { Round, roundOf } from './publication.ts'
import type { MixPlace } from './route.ts'
import { nextSlot, type SlotGrid, slotAt, slotStart } from './schedule.ts'
import type { MixRequest } from './request.ts'

/** A packet that is ready to leave. */
export interface BuiltPacket {
  /** Writes it to its link. False when there is none: it has not left. */
  send(): boolean
  /** The mixes of its way out. */
  readonly route: readonly MixPlace[]
}

export interface EmitterPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly source: SlotWork
  /** Slots per publication now; frozen for a directory epoch. */
  readonly publishEvery: () => number
  /** False while nobody may see more than cover: a rejoin hold, too few replies, no route. */
  readonly mayLeave: () => boolean
  /**
   * Wraps a request with its SURB for a route that avoids `avoid`; `settle` hears the keeper's answer, if any, once.
   * Undefined when the network has no route.
   */
  readonly build: (
    request: MixRequest,
    options: {
      readonly avoid: readonly MixPlace[]
      readonly settle: (answer: Uint8Array | undefined) => void
    },
  ) => BuiltPacket | undefined
  /** Called with every packet at the write. */
  readonly onEmission?: (emission: Moment & { readonly route: readonly MixPlace[] }) => void
}

export interface EmitterOptions extends SlotGrid {
  readonly copies: number
}

/** What was drawn for a slot. */
interface Moment {
  readonly slot: number
  readonly kind: RequestKind
  /** Monotonic, ms. */
  readonly dueAt: number
}

interface Built {
  readonly packet: BuiltPacket | undefined
  /** What happens when the moment is over. */
  readonly written: (hasLeft: boolean) => void
}

/**
 * The heartbeat of a node: exactly one packet of its own in every slot, at a uniformly random moment, whatever its
 * user does. What a slot asks for is drawn privately before it is known whether anything waits; one slot of every
 * cycle publishes, a fixed share of the others asks a keeper, the rest ask nothing. Packets are built before their
 * moment, and at the moment only written.
 */
export class Emitter {
  readonly #ports: EmitterPorts
  readonly #options: EmitterOptions
  readonly #tasks: TaskGroup
  readonly #plan: CyclePlan
  readonly #boxes: BoxSource
  /** The last round for which a box was asked. */
  #expected: string | undefined
  #round: Round | undefined
  #working = false

  constructor(ports: EmitterPorts, options: EmitterOptions) {
    this.#ports = ports
    this.#options = options
    this.#tasks = new TaskGroup(ports.log)
    this.#plan = new CyclePlan(ports, { grid: options })
    this.#boxes = new BoxSource({ ...ports, tasks: this.#tasks })
  }

  start(): void {
    this.#tasks.spawn('slots', (signal) => this.#run(signal))
  }

  /** Resolves when nothing runs any more. A box that was filled and has not left is lost with the process. */
  async stop(): Promise<void> {
    await this.#tasks.stop()
  }

  /**
   * Wakes PREPARE_LEAD_MS before each slot, so that every moment of a slot, its first millisecond too, has the
   * same time to prepare. Otherwise only cover would leave early in a slot, and early would mean cover.
   */
  async #run(signal: AbortSignal): Promise<void> {
    const { clock, rng } = this.#ports
    let slot = slotAt(this.#options, clock.now())
    while (!signal.aborted) {
      const now = clock.now()
      slot = nextSlot(this.#options, slot, now + PREPARE_LEAD_MS)
      // From here on monotonic: a step of the wall clock moves nothing that is drawn.
      const wakeAt = clock.monotonic() + slotStart(this.#options, slot) - PREPARE_LEAD_MS - now
      await this.#sleepUntil(wakeAt, signal)
      const publishes = this.#plan.enter(slot, this.#ports.publishEvery())
      // Both drawn in every slot: with one seed the times are the same whatever is asked.
      const asks = uniform(rng) < FETCH_SHARE
      // `now` is whole milliseconds: up to one later than it says, and the moment stays in its slot all the same.
      const prepareAt = wakeAt + uniform(rng) * (this.#options.slotMs - CLOCK_STEP_MS)
      this.#startWork()
      const kind = publishes ? 'publish' : asks ? 'fetch' : 'echo'
      const moment = { slot, kind, dueAt: prepareAt + PREPARE_LEAD_MS } as const
      this.#tasks.spawn('emit', (stop) => this.#emit(moment, stop))
    }
  }

  #startWork(): void {
    if (this.#working) return
    this.#working = true
    this.#tasks.spawn('slot work', async (signal) => {
      try {
        await this.#ports.source.work(signal)
      } finally {
        this.#working = false
      }
    })
  }

  /** Resolves at a monotonic time, at once when it has passed. */
  #sleepUntil(at: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports
    return clock.sleep(Math.max(0, at - clock.monotonic()), signal)
  }

  async #emit(moment: Moment, signal: AbortSignal): Promise<void> {
    const { slot, kind, dueAt } = moment
    await this.#sleepUntil(dueAt - PREPARE_LEAD_MS, signal)
    // Looked up once: the next epoch may have other cycles.
    const place = kind === 'publish' ? this.#placeOf(slot) : undefined
    if (place !== undefined && place.id !== this.#expected) {
      this.#expected = place.id
      this.#boxes.expect()
    }
    await this.#sleepUntil(dueAt - BUILD_LEAD_MS, signal)
    const built = place === undefined ? this.#buildQuestion(kind) : this.#buildPublication(place)
    await this.#sleepUntil(dueAt, signal)
    const hasLeft = built.packet?.send() === true
    this.#ports.onEmission?.({ ...moment, route: built.packet?.route ?? [] })
    built.written(hasLeft)
  }

  #placeOf(slot: number): { readonly id: string; readonly isLast: boolean } {
    const publishEvery = this.#ports.publishEvery()
    return roundOf(this.#options, slot, publishEvery, this.#options.copies)
  }

  #buildQuestion(kind: RequestKind): Built {
    const ask = kind === 'fetch' ? this.#nextAsk() : undefined
    const request: MixRequest =
      ask === undefined
        ? { kind: 'echo' }
        : { kind: 'fetch', keeper: ask.keeper, sealed: ask.sealed }
    let isSettled = false
    const settle = (answer: Uint8Array | undefined): void => {
      if (!isSettled) ask?.settle(answer)
      isSettled = true
    }
    const written = (hasLeft: boolean): void => {
      if (!hasLeft) settle(undefined)
    }
    return { packet: this.#ports.build(request, { avoid: [], settle }), written }
  }

  /** A source that fails costs its question, never the slot: a packet that is missing is seen. */
  #nextAsk(): KeeperAsk | undefined {
    const { log, mayLeave, source } = this.#ports
    try {
      return source.nextAsk(mayLeave())
    } catch (error) {
      log.warn('no question for a keeper', { code: isHearsayError(error) ? error.code : 'bug' })
      return undefined
    }
  }

  #buildPublication({ id, isLast }: { readonly id: string; readonly isLast: boolean }): Built {
    if (id !== this.#round?.id) {
      this.#round?.close()
      const { box, isReal } = this.#boxes.take()
      const tell = (hasLeft: boolean) => this.#boxes.tell(box, hasLeft)
      this.#round = new Round(id, box, isReal ? tell : undefined)
    }
    const round = this.#round as Round
    const request = { kind: 'publish', box: round.box } as const
    const packet = this.#ports.build(request, { avoid: round.used, settle: () => undefined })
    round.begin(packet?.route ?? [])
    if (isLast) round.close()
    return { packet, written: (hasLeft) => round.end(hasLeft) }
  }
}
