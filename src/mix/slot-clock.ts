import {
  type BoxBytes,
  type Clock,
  isHearsayError,
  type Logger,
  type Rng,
  TaskGroup,
  uniform,
} from '../base/index.ts'
import { parseBox } from '../stream/index.ts'
import { CLOCK_STEP_MS, FETCHES_MAX, PREPARE_LEAD_MS } from './constants.ts'
import { CyclePlan } from './cycle-plan.ts'
import type { FetchJob, FetchPort, FetchResult, PublishPort, SlotWork } from './ports.ts'
import { nextSlot, type SlotGrid, slotAt, slotStart } from './schedule.ts'

export interface SlotClockPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly source: SlotWork
  readonly publish: PublishPort
  readonly fetch: FetchPort
  /** A fresh cover box for today. */
  readonly coverBox: () => BoxBytes
  /** Slots per publication now; frozen for a directory epoch. */
  readonly publishEvery: () => number
}

export interface SlotClockOptions extends SlotGrid {
  /** After `hold`, real boxes wait for a random time up to this, milliseconds. */
  readonly rejoinHoldMs: number
}

/**
 * The heartbeat of a node. In one privately drawn slot of every cycle it publishes exactly one box at a
 * uniformly random moment: a real one when the source has one ready, else cover, through the same call. What
 * leaves, and when, does not depend on what the user does (design §5): all times are drawn before it is known
 * whether a box waits, and a cover box is made for every publication.
 */
export class SlotClock {
  readonly #ports: SlotClockPorts
  readonly #options: SlotClockOptions
  readonly #tasks: TaskGroup
  readonly #plan: CyclePlan
  /** Real boxes that are filled and have not left, oldest first. */
  readonly #ready: BoxBytes[] = []
  /** Publications whose preparation has begun and whose moment has not come. */
  #due = 0
  #preparing = 0
  /** The source is asked for one box at a time. */
  #lastPrepared: Promise<unknown> = Promise.resolve()
  #working = false
  #fetching = 0
  #heldUntil = 0

  constructor(ports: SlotClockPorts, options: SlotClockOptions) {
    this.#ports = ports
    this.#options = options
    this.#tasks = new TaskGroup(ports.log)
    this.#plan = new CyclePlan(ports, { grid: options })
  }

  start(): void {
    this.#tasks.spawn('slots', (signal) => this.#run(signal))
  }

  /** Resolves when nothing runs any more. A box that was filled and has not left is lost with the process. */
  async stop(): Promise<void> {
    await this.#tasks.stop()
  }

  /**
   * Begins a rejoin hold: for a random time only cover is published, else coming back names the sender. It never
   * shortens one that is under way.
   */
  hold(): void {
    const { clock, rng } = this.#ports
    const until = clock.monotonic() + uniform(rng) * this.#options.rejoinHoldMs
    this.#heldUntil = Math.max(this.#heldUntil, until)
  }

  /** Ends the hold at the user's word (`send --now`). */
  releaseHold(): void {
    this.#heldUntil = 0
  }

  /** Milliseconds until real boxes leave again; 0 without a hold. */
  holdLeftMs(): number {
    return Math.max(0, this.#heldUntil - this.#ports.clock.monotonic())
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
      slot = nextSlot(this.#options, slot, now)
      // From here on monotonic: a step of the wall clock moves nothing that is drawn.
      const wakeAt = clock.monotonic() + slotStart(this.#options, slot) - PREPARE_LEAD_MS - now
      await this.#sleepUntil(wakeAt, signal)
      const publishes = this.#plan.enter(slot, this.#ports.publishEvery())
      this.#startWork()
      // `now` is whole milliseconds: up to one later than it says, and the moment stays in its slot all the same.
      const prepareAt = wakeAt + uniform(rng) * (this.#options.slotMs - CLOCK_STEP_MS)
      if (publishes) this.#tasks.spawn('publish', (stop) => this.#publishAt(prepareAt, stop))
      else this.#tasks.spawn('fetch', (stop) => this.#fetchAt(prepareAt + PREPARE_LEAD_MS, stop))
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

  async #publishAt(prepareAt: number, signal: AbortSignal): Promise<void> {
    await this.#sleepUntil(prepareAt, signal)
    // Cover is made for every publication, used or not: the work is the same, and it is always of today.
    const cover = this.#ports.coverBox()
    this.#due++
    this.#prepare()
    try {
      await this.#sleepUntil(prepareAt + PREPARE_LEAD_MS, signal)
    } finally {
      this.#due--
    }
    // A real box that is not ready in time waits for the next cycle: lateness must not tell that it is real.
    const real = this.holdLeftMs() > 0 ? undefined : this.#ready.shift()
    if (real === undefined) {
      await this.#tryPublish(cover)
    } else if (parseBox(real).expiryDay === parseBox(cover).expiryDay) {
      const peers = await this.#tryPublish(real)
      await this.#ports.source.published(real, peers)
    } else {
      // Yesterday's date would tell that it had to wait, as only real boxes do.
      await this.#tryPublish(cover)
      await this.#ports.source.published(real, 0)
    }
  }

  async #tryPublish(box: BoxBytes): Promise<number> {
    try {
      return (await this.#ports.publish.publish(box)).peers
    } catch (error) {
      this.#ports.log.debug('box not published', { code: codeOf(error) })
      return 0
    }
  }

  /** Asks the source for a box unless one that came late waits, and not while real boxes are held back. */
  #prepare(): void {
    if (this.#ready.length + this.#preparing >= this.#due || this.holdLeftMs() > 0) return
    this.#preparing++
    const previous = this.#lastPrepared
    this.#tasks.spawn('prepare', async () => {
      const turn = previous.then(() => this.#ports.source.nextBox())
      this.#lastPrepared = turn.catch(() => undefined)
      try {
        const box = await turn
        if (box !== undefined) this.#ready.push(box)
      } finally {
        this.#preparing--
      }
    })
  }

  async #fetchAt(at: number, signal: AbortSignal): Promise<void> {
    await this.#sleepUntil(at, signal)
    if (this.#fetching >= FETCHES_MAX) return
    const job = this.#ports.source.nextFetch()
    if (job === undefined) return
    this.#fetching++
    try {
      job.done(await this.#tryFetch(job, signal))
    } finally {
      this.#fetching--
    }
  }

  async #tryFetch(job: FetchJob, signal: AbortSignal): Promise<FetchResult> {
    try {
      return await this.#ports.fetch.fetch(job.address, job.day, signal)
    } catch (error) {
      this.#ports.log.debug('fetch failed', { code: codeOf(error) })
      return { status: 'unreachable' }
    }
  }
}

function codeOf(error: unknown): string {
  return isHearsayError(error) ? error.code : 'bug'
}
