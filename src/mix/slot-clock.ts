import {
  type BoxBytes,
  type Clock,
  HearsayError,
  type Logger,
  type Rng,
  TaskGroup,
  uniform,
} from '../base/index.ts'
import { PREPARE_LEAD_MS } from './constants.ts'
import type { FetchPort, PublishPort, SlotWork } from './ports.ts'
import { type Cycle, cycleOf, drawPublishSlot, type SlotGrid, slotAt, slotStart } from './schedule.ts'

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
 * leaves, and when, does not depend on what the user does (design §5).
 */
export class SlotClock {
  readonly #ports: SlotClockPorts
  readonly #options: SlotClockOptions
  readonly #tasks: TaskGroup
  #cover: BoxBytes | undefined
  #ready: BoxBytes | undefined
  #preparing: Promise<void> | undefined
  #working = false
  #fetching = 0
  #heldUntil = 0

  constructor(ports: SlotClockPorts, options: SlotClockOptions) {
    this.#ports = ports
    this.#options = options
    this.#tasks = new TaskGroup(ports.log)
  }

  start(): void {
    this.#tasks.spawn('slots', (signal) => this.#run(signal))
  }

  async stop(): Promise<void> {
    await this.#tasks.stop()
  }

  /** Begins a rejoin hold: for a random time only cover is published, else coming back names the sender. */
  hold(): void {
    const { clock, rng } = this.#ports
    this.#heldUntil = clock.monotonic() + uniform(rng) * this.#options.rejoinHoldMs
  }

  /** Ends the hold at the user's word (`send --now`). */
  releaseHold(): void {
    this.#heldUntil = 0
  }

  /** Milliseconds until real boxes leave again; 0 without a hold. */
  holdLeftMs(): number {
    return Math.max(0, this.#heldUntil - this.#ports.clock.monotonic())
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, rng } = this.#ports
    let last = slotAt(this.#options, clock.now())
    let cycle: Cycle | undefined
    let publishSlot = 0
    this.#cover = this.#ports.coverBox()
    while (!signal.aborted) {
      // A wall clock that stepped back must not repeat slots at once, nor one that jumped ahead run after them.
      const now = clock.now()
      const slot = Math.max(slotAt(this.#options, now) + 1, Math.min(last + 1, slotAt(this.#options, now) + 2))
      last = slot
      await clock.sleep(Math.max(0, slotStart(this.#options, slot) - now), signal)
      if (cycle === undefined || slot >= cycle.end || slot < cycle.first) {
        cycle = cycleOf(this.#options, slot, this.#ports.publishEvery())
        publishSlot = drawPublishSlot(rng, cycle, slot)
      }
      this.#startWork()
      const momentMs = uniform(rng) * this.#options.slotMs
      if (slot === publishSlot) await this.#publishAt(momentMs, signal)
      else await this.#fetchAt(momentMs, signal)
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

  async #publishAt(momentMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports
    const start = clock.monotonic()
    await clock.sleep(Math.max(0, momentMs - PREPARE_LEAD_MS), signal)
    this.#prepare()
    await clock.sleep(Math.max(0, momentMs - (clock.monotonic() - start)), signal)
    // A real box that is not ready in time waits for the next cycle: lateness must not tell that it is real.
    const real = this.#ready
    this.#ready = undefined
    const box = real ?? this.#cover ?? this.#ports.coverBox()
    if (real === undefined) this.#cover = undefined
    this.#tasks.spawn('publish', async () => {
      const peers = await this.#tryPublish(box)
      if (real !== undefined) await this.#ports.source.published(real, peers)
      else this.#cover = this.#ports.coverBox()
    })
  }

  async #tryPublish(box: BoxBytes): Promise<number> {
    try {
      return (await this.#ports.publish.publish(box)).peers
    } catch (error) {
      this.#ports.log.debug('box not published', {
        code: error instanceof HearsayError ? error.code : 'bug',
      })
      return 0
    }
  }

  /** Asks the source for the next box; one at a time, and not while real boxes are held back. */
  #prepare(): void {
    if (this.#ready !== undefined || this.#preparing !== undefined || this.holdLeftMs() > 0) return
    this.#preparing = (async () => {
      this.#ready = await this.#ports.source.nextBox()
    })()
    const preparing = this.#preparing
    this.#tasks.spawn('prepare', async () => {
      try {
        await preparing
      } finally {
        this.#preparing = undefined
      }
    })
  }

  async #fetchAt(momentMs: number, signal: AbortSignal): Promise<void> {
    await this.#ports.clock.sleep(momentMs, signal)
    // A slow keeper must not eat all slots, nor may requests pile up.
    if (this.#fetching >= 4) return
    const job = this.#ports.source.nextFetch()
    if (job === undefined) return
    this.#fetching++
    this.#tasks.spawn('fetch', async (stop) => {
      try {
        job.done(await this.#ports.fetch.fetch(job.address, job.day, stop))
      } catch (error) {
        this.#ports.log.debug('fetch failed', {
          code: error instanceof HearsayError ? error.code : 'bug',
        })
        job.done({ status: 'unreachable' })
      } finally {
        this.#fetching--
      }
    })
  }
}
