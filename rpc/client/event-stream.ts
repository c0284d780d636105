import { CLIENT_QUEUE } from '../constants.ts'
import type { ParamsOf, ResultOf } from '../schema/registry.ts'
import { type ConnectionFailure, RpcFailure } from './errors.ts'

export type SubscribeParams = ParamsOf<'events.subscribe'>
type Start = ResultOf<'events.subscribe'>
export type Event = ResultOf<'events.list'>['items'][number]

/** What a stream needs of a client; it is not the class, or the two files would import each other. */
interface Requester {
  request(method: string, params: object): Promise<unknown>
  pause(): void
  resume(): void
  close(): void
}

export type OpenRequester = (
  notified: (method: string, fields: Record<string, unknown>) => void,
  onClose: (error: ConnectionFailure) => void,
) => Promise<Requester>

type Item = { readonly event: Event } | { readonly caughtUp: number }

/**
 * Events of one epoch in order, without a gap, as an async iterator. Iteration throws when the daemon ends the
 * subscription (RpcFailure with its code) or the connection breaks (ConnectionFailure).
 */
export class EventStream implements AsyncIterable<Event>, AsyncDisposable {
  readonly #commands: Requester
  readonly #consumer: string | undefined
  readonly #queue: Item[] = []
  readonly #onCaughtUp: (head: number) => void
  #client: Requester | undefined
  #failure: Error | undefined
  #done = false
  #wake: (() => void) | undefined
  #start: Start | undefined
  /** Resolves with the head when everything that existed at the start has been iterated over. */
  readonly caughtUp: Promise<number>

  private constructor(commands: Requester, consumer: string | undefined) {
    this.#commands = commands
    this.#consumer = consumer
    const { promise, resolve } = Promise.withResolvers<number>()
    this.caughtUp = promise
    this.#onCaughtUp = resolve
  }

  /** @throws RpcFailure, ConnectionFailure. */
  static async open(
    open: OpenRequester,
    commands: Requester,
    params: SubscribeParams,
  ): Promise<EventStream> {
    const stream = new EventStream(commands, params.consumer)
    const client = await open(
      (method, fields) => stream.#notified(method, fields),
      (error) => stream.#broken(error),
    )
    stream.#client = client
    try {
      stream.#start = (await client.request('events.subscribe', params)) as Start
    } catch (error) {
      client.close()
      throw error
    }
    return stream
  }

  /** Where the subscription began: `{subscription, epoch, head, oldest, resumedFrom}`. */
  get start(): Start {
    return this.#start as Start
  }

  /**
   * Everything up to this event is done with and will not come again. Only for a consumer. A number is taken for one of
   * this subscription: give the event where it may be of an earlier one.
   * @throws RpcFailure CURSOR_AHEAD for an event of before the database was restored: nothing is acknowledged.
   */
  async ack(upTo: Pick<Event, 'seq' | 'epoch'> | number): Promise<void> {
    if (this.#consumer === undefined) throw new TypeError('only a consumer acknowledges')
    const { seq, epoch } = typeof upTo === 'number' ? { seq: upTo, epoch: this.start.epoch } : upTo
    await this.#commands.request('events.ack', { consumer: this.#consumer, seq, epoch })
  }

  /** Ends the iteration. */
  close(): void {
    this.#done = true
    this.#client?.close()
    this.#wake?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    try {
      for (;;) {
        const item = this.#queue.shift()
        if (item !== undefined) {
          if ('caughtUp' in item) this.#onCaughtUp(item.caughtUp)
          else yield item.event
          continue
        }
        if (this.#done) return
        if (this.#failure !== undefined) throw this.#failure
        this.#client?.resume()
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      this.close()
    }
  }

  #notified(method: string, fields: Record<string, unknown>): void {
    if (method === 'event') {
      const { subscription: _, ...event } = fields
      this.#queue.push({ event: event as Event })
    } else if (method === 'event.caughtUp') {
      this.#queue.push({ caughtUp: Number(fields['head']) })
    } else if (method === 'event.closed') {
      const { subscription: _, code, ...data } = fields
      this.#failure = new RpcFailure({
        code: Number(code),
        message: 'the daemon ended the subscription',
        data,
      })
    }
    if (this.#queue.length >= CLIENT_QUEUE) this.#client?.pause()
    this.#wake?.()
  }

  #broken(error: ConnectionFailure): void {
    this.#failure ??= error
    this.#wake?.()
  }
}
