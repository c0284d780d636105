import { type Clock, type HearsayError, isHearsayError, type Logger } from '../../src/base/index.ts'
import type { EventView, HookProgress, NodeApi } from '../../src/node/index.ts'
import type { HookConfig } from '../config/index.ts'
import type { ProgramEnd } from './program.ts'

/** Consumers of hooks. No client can name one: the RPC takes no colon in a name. */
export const HOOK_PREFIX = 'hook:'
/** Stands for an event that the disk has changed. */
const DAMAGED = 'storage.damaged'
const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 600_000
/** Events taken at a time. */
const PAGE = 16
/** A hook of rare events moves its cursor once for so many others, or it would hold back retention. */
const SKIP_STRIDE = 256
/** And once in so long for fewer: after a restart they would count as missed when they have become too old meanwhile. */
const SKIP_MS = 86_400_000
const WAIT_MS = 60_000

export interface HookPorts {
  readonly clock: Clock
  readonly log: Logger
  readonly events: NodeApi['events']
  /** Runs the program once with this on stdin. */
  readonly run: (input: string, signal: AbortSignal) => Promise<ProgramEnd>
}

/**
 * One durable consumer whose reader is a program. Every event of its types is given to it in order, one at a time,
 * again and again until it is accepted; the cursor is on disk before the next event is given out. A daemon that is
 * killed gives the event again that was under way: at least once, and by `id` once.
 */
export class Hook {
  readonly config: HookConfig
  readonly #ports: HookPorts
  readonly #consumer: string
  /** Accepted, or of no interest, up to here. */
  #position = 0
  #cursor = 0
  #ackedAt = Number.NEGATIVE_INFINITY
  /** Events before the position that it never had: counted on disk, by the acknowledgement that passes over them. */
  #lost = 0
  /** That of position and cursor. */
  #epoch = ''
  #state: HookProgress['state'] = 'idle'
  #failures = 0
  #lastError: string | undefined
  #nextTryAt: number | undefined
  #isOpen = false

  constructor(ports: HookPorts, config: HookConfig) {
    this.#ports = ports
    this.config = config
    this.#consumer = `${HOOK_PREFIX}${config.name}`
    if (!config.enabled) this.#state = 'off'
  }

  /** Its place in the journal, made at the head for a new hook. @throws HearsayError as the store. */
  async open(): Promise<void> {
    const { events } = this.#ports
    const { items, epoch } = await events.consumers.list()
    const { cursor } =
      items.find(({ name }) => name === this.#consumer) ??
      (await events.consumers.create({ name: this.#consumer, from: 'now', epoch }, {}))
    this.#cursor = cursor
    this.#position = cursor
    this.#epoch = epoch
    this.#lost = 0
    this.#isOpen = true
  }

  /** Runs until the signal; only then it returns. A program that is running is waited for. */
  async run(signal: AbortSignal): Promise<void> {
    if (!this.config.enabled) return
    while (!signal.aborted) {
      try {
        await this.#step(signal)
      } catch (error) {
        if (signal.aborted) return
        if (isHearsayError(error, 'cursor-too-old')) this.#skipLost(error)
        else {
          // The store was healed to an older state: the numbers held here mean other events there.
          if (isHearsayError(error, 'cursor-ahead')) this.#isOpen = false
          await this.#failed(isHearsayError(error) ? error.code : 'bug', signal)
        }
      }
    }
  }

  status(head: number): HookProgress {
    return {
      name: this.config.name,
      consumer: this.#consumer,
      state: this.#state,
      cursor: this.#cursor,
      // Nothing that it waits for lies between.
      behind: this.#state === 'idle' ? 0 : Math.max(0, head - this.#position),
      failures: this.#failures,
      nextTryAt: this.#nextTryAt === undefined ? null : new Date(this.#nextTryAt).toISOString(),
      lastError: this.#lastError ?? null,
    }
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { events } = this.#ports
    const types = this.config.events
    if (!this.#isOpen) await this.open()
    await this.#keepLosses()
    const epoch = this.#epoch
    const { items, head } = await events.list({ after: this.#position, epoch, limit: PAGE, types })
    for (const event of items) {
      if (event.type === DAMAGED && !this.#wantsDamaged) this.#skipDamaged(event)
      else if (!(await this.#deliver(event, signal))) return
    }
    if (items.length > 0) return
    this.#position = Math.max(this.#position, head)
    this.#recovered('idle')
    if (this.#isDue) await this.#ack(this.#position)
    await events.wait({ after: this.#position, epoch, types, timeoutMs: WAIT_MS }, signal)
  }

  /** @returns false when the signal came first: the event is not acknowledged and comes again. */
  async #deliver(event: EventView, signal: AbortSignal): Promise<boolean> {
    const { run } = this.#ports
    // Before: its program may fail for days, and the daemon be stopped meanwhile.
    await this.#keepLosses()
    const input = `${JSON.stringify(event)}\n`
    for (;;) {
      this.#state = 'running'
      const end = await run(input, signal)
      if (end.kind === 'ok') break
      if (end.kind === 'stopped' || signal.aborted) return false
      await this.#failed(end.error, signal)
    }
    this.#position = event.seq
    this.#recovered('running')
    // Whatever the disk says, this program has had this event: it is not given it again while the daemon lives.
    while (this.#cursor < event.seq) {
      try {
        await this.#ack(event.seq)
      } catch (error) {
        if (signal.aborted) return false
        if (isHearsayError(error, 'cursor-ahead')) throw error
        await this.#failed(isHearsayError(error) ? error.code : 'bug', signal)
      }
    }
    this.#recovered('running')
    return true
  }

  async #ack(seq: number): Promise<void> {
    const { clock, events } = this.#ports
    const epoch = this.#epoch
    try {
      const place = { consumer: this.#consumer, seq, epoch, lost: this.#lost }
      const { cursor } = await events.ack(place)
      this.#cursor = cursor
    } catch (error) {
      if (!isHearsayError(error, 'consumer-not-found')) throw error
      await events.consumers.create({ name: this.#consumer, from: seq, epoch }, {})
      this.#cursor = seq
    }
    this.#lost = 0
    this.#ackedAt = clock.monotonic()
  }

  /** A stop before this finds the same losses again: the place on disk is still before them. */
  async #keepLosses(): Promise<void> {
    if (this.#lost > 0) await this.#ack(this.#position)
  }

  /** Waits longer after every failure in a row. @throws the signal's reason. */
  async #failed(error: string, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#ports
    const delay = Math.min(RETRY_MIN_MS * 2 ** this.#failures, RETRY_MAX_MS)
    this.#failures++
    this.#lastError = error
    this.#state = 'retrying'
    this.#nextTryAt = clock.now() + delay
    log.warn('a hook failed', { hook: this.config.name, error, failures: this.#failures })
    try {
      await clock.sleep(delay, signal)
    } finally {
      this.#nextTryAt = undefined
    }
  }

  #recovered(state: HookProgress['state']): void {
    this.#state = state
    this.#failures = 0
    this.#lastError = undefined
  }

  /** What it passed over without giving it out is worth a write. */
  get #isDue(): boolean {
    const passed = this.#position - this.#cursor
    if (passed >= SKIP_STRIDE) return true
    return passed > 0 && this.#ports.clock.monotonic() - this.#ackedAt >= SKIP_MS
  }

  get #wantsDamaged(): boolean {
    return this.config.events.some((type) => type === DAMAGED || type === 'storage.*')
  }

  /** It comes whatever types were asked for. A program that waits for a message would fail on it for ever. */
  #skipDamaged({ seq }: EventView): void {
    this.#lost++
    this.#position = seq
    this.#ports.log.error('an event is damaged that a hook may have wanted', {
      hook: this.config.name,
      seq,
    })
  }

  /** It failed for longer than events are kept. */
  #skipLost({ details }: HearsayError): void {
    const oldest = Number(details['oldest'] ?? this.#position + 2)
    const lost = oldest - 1 - this.#position
    this.#lost += lost
    this.#position = oldest - 1
    this.#ports.log.error('events are gone that a hook has not had', {
      hook: this.config.name,
      lost,
    })
  }
}
