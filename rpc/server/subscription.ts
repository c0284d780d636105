import { type Clock, HearsayError, type Timer } from '../../src/base/index.ts'
import { EVENT_STEP, HEARTBEAT_MS } from '../constants.ts'
import { ERROR_MAP, RPC_ERRORS, type RpcErrorKind, type RpcErrorName } from '../errors.ts'
import type { EventFeed, NodeApi } from '../node-api.ts'
import { RpcError, toldDetails } from '../rpc-error.ts'

/** Where a subscription writes. */
export interface Outlet {
  notify(method: string, params: object): void
  /** False while the reader is behind. */
  readonly writable: boolean
  /** Resolves when `writable` is true. @throws the signal's reason. */
  ready(signal: AbortSignal): Promise<void>
}

interface SubscriptionPorts {
  readonly feed: EventFeed
  readonly outlet: Outlet
  readonly list: NodeApi['events']['list']
  readonly clock: Clock
}

export interface SubscriptionOptions {
  readonly id: string
  /** Only a consumer is paused by acks that are missing. */
  readonly consumer?: string
  readonly types?: readonly string[]
  readonly maxInFlight: number
}

/**
 * Pushes one feed to one outlet, in order and without a gap. It takes the next events only when the reader
 * has room and, for a consumer, fewer than `maxInFlight` are unacknowledged: nothing is buffered without
 * bound and nothing is dropped.
 */
export class Subscription {
  readonly id: string
  readonly #ports: SubscriptionPorts
  readonly #options: SubscriptionOptions
  readonly #stop = new AbortController()
  readonly #unacked: number[] = []
  #last: number
  #roomMade: (() => void) | undefined
  #heartbeat: Timer | undefined

  constructor(ports: SubscriptionPorts, options: SubscriptionOptions) {
    this.id = options.id
    this.#ports = ports
    this.#options = options
    this.#last = ports.feed.resumedFrom
  }

  /** Runs until `close` or `end`. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#stop
    this.#beat()
    try {
      await this.#pump(signal)
    } catch (error) {
      if (!signal.aborted) this.close(...closing(error))
    } finally {
      this.#heartbeat?.cancel()
    }
  }

  /** The consumer's cursor is now `cursor`: everything up to it is acknowledged. */
  acked(cursor: number): void {
    let done = 0
    while (done < this.#unacked.length && (this.#unacked[done] ?? 0) <= cursor) done += 1
    if (done === 0) return
    this.#unacked.splice(0, done)
    this.#roomMade?.()
  }

  /** Ends it and tells the reader why, and what to do. */
  close(name: RpcErrorName, details: Readonly<Record<string, unknown>> = {}): void {
    if (this.#stop.signal.aborted) return
    const { code, hint }: RpcErrorKind = RPC_ERRORS[name]
    const why = { code, name, ...(hint === undefined ? {} : { hint }), ...details }
    this.#ports.outlet.notify('event.closed', { subscription: this.id, ...why })
    this.end()
  }

  /** Ends it silently. */
  end(): void {
    this.#heartbeat?.cancel()
    this.#stop.abort(new HearsayError('aborted', 'subscription ended'))
    this.#roomMade?.()
  }

  async #pump(signal: AbortSignal): Promise<void> {
    const { feed, outlet } = this.#ports
    let caughtUp = false
    while (!signal.aborted) {
      await outlet.ready(signal)
      if (!caughtUp && (await this.#atHead())) {
        caughtUp = true
        outlet.notify('event.caughtUp', { subscription: this.id, head: feed.head })
      }
      const room = await this.#room(signal)
      const events = await feed.next(Math.min(room, EVENT_STEP), signal)
      if (signal.aborted) return
      for (const event of events) {
        this.#last = event.seq
        if (this.#options.consumer !== undefined) this.#unacked.push(event.seq)
        outlet.notify('event', { subscription: this.id, ...event })
      }
    }
  }

  /** Whether nothing that this subscription would get lies between its position and the head. */
  async #atHead(): Promise<boolean> {
    const { feed, list } = this.#ports
    const { types } = this.#options
    if (this.#last >= feed.head) return true
    if (types === undefined) return false
    const { items } = await list({ after: this.#last, limit: 1, types })
    return items.length === 0
  }

  async #room(signal: AbortSignal): Promise<number> {
    if (this.#options.consumer === undefined) return EVENT_STEP
    for (;;) {
      const room = this.#options.maxInFlight - this.#unacked.length
      if (room > 0 || signal.aborted) return Math.max(room, 1)
      await new Promise<void>((resolve) => {
        this.#roomMade = resolve
      })
      this.#roomMade = undefined
    }
  }

  #beat(): void {
    const { clock, feed, outlet } = this.#ports
    this.#heartbeat = clock.setTimer(HEARTBEAT_MS, () => {
      if (this.#stop.signal.aborted) return
      // A reader that is behind gets no heartbeat: it would only make the buffer longer.
      if (outlet.writable) {
        outlet.notify('event.heartbeat', { subscription: this.id, head: feed.head })
      }
      this.#beat()
    })
  }
}

function closing(
  error: unknown,
): [name: RpcErrorName, details?: Readonly<Record<string, unknown>>] {
  if (error instanceof RpcError) return [error.kind]
  if (!(error instanceof HearsayError)) return ['INTERNAL']
  const name = ERROR_MAP[error.code] ?? 'INTERNAL'
  return [name, toldDetails(name, error)]
}
