import type { Clock } from '../../src/base/index.ts'
import { MAX_SUBSCRIPTIONS } from '../constants.ts'
import type { RpcErrorName } from '../errors.ts'
import type { NodeApi } from '../node-api.ts'
import { RpcError } from '../rpc-error.ts'
import type { Consumers } from './consumers.ts'
import type { Subscribed, SubscribeRequest, SubscriptionHost } from './method.ts'
import type { RpcMetrics } from './metrics.ts'
import { type Outlet, Subscription } from './subscription.ts'

interface SubscriptionsPorts {
  readonly node: NodeApi
  readonly clock: Clock
  readonly consumers: Consumers
  readonly metrics: RpcMetrics
  readonly outlet: Outlet
}

/** The subscriptions of one connection: MAX_SUBSCRIPTIONS at most, all ended with it. */
export class Subscriptions implements SubscriptionHost {
  readonly #ports: SubscriptionsPorts
  readonly #open = new Map<string, { subscription: Subscription; release: () => void }>()
  readonly #running = new Set<Promise<void>>()
  #count = 0
  #opening = 0
  #closed = false

  constructor(ports: SubscriptionsPorts) {
    this.#ports = ports
  }

  async open(request: SubscribeRequest): Promise<{ result: Subscribed; started: () => void }> {
    if (this.#open.size + this.#opening >= MAX_SUBSCRIPTIONS) throw new RpcError('OVERLOADED')
    this.#opening += 1
    try {
      return await this.#start(request)
    } finally {
      this.#opening -= 1
    }
  }

  close(id: string): void {
    if (!this.#open.has(id)) throw new RpcError('NOT_FOUND')
    this.#end(id)
  }

  /** Ends all of them, with `event.closed` when there is still a reader to tell. */
  async stop(name?: RpcErrorName): Promise<void> {
    this.#closed = true
    for (const [id, { subscription }] of this.#open) {
      if (name !== undefined) subscription.close(name)
      this.#end(id)
    }
    await Promise.all(this.#running)
  }

  async #start(request: SubscribeRequest) {
    const { node, clock, consumers, metrics, outlet } = this.#ports
    const { consumer, maxInFlight } = request
    this.#count += 1
    const id = `s-${this.#count}`
    // Claimed before the first await, or two callers could both find the consumer free.
    const claim = {
      acked: (cursor: number) => subscription?.acked(cursor),
      close: (name: RpcErrorName) => subscription?.close(name),
    }
    let subscription: Subscription | undefined
    if (consumer !== undefined) consumers.claim(consumer, claim)
    const release = () => {
      if (consumer !== undefined) consumers.release(consumer, claim)
    }
    try {
      const types = request.types ?? (await this.#typesOf(consumer))
      const feed = await node.events.open({
        ...(consumer === undefined ? {} : { consumer }),
        ...(request.after === undefined ? {} : { after: request.after }),
        ...(request.epoch === undefined ? {} : { epoch: request.epoch }),
        ...(request.types === undefined ? {} : { types: request.types }),
      })
      if (this.#closed) throw new RpcError('SHUTTING_DOWN')
      const created = new Subscription(
        { feed, outlet, clock, list: (params) => node.events.list(params) },
        {
          id,
          maxInFlight,
          ...(consumer === undefined ? {} : { consumer }),
          ...(types === undefined ? {} : { types }),
        },
      )
      subscription = created
      this.#open.set(id, { subscription: created, release })
      metrics.subscriptions += 1
      const { head, oldest, resumedFrom, epoch } = feed
      return {
        result: { subscription: id, epoch, head, oldest, resumedFrom },
        started: () => this.#run(created),
      }
    } catch (error) {
      release()
      throw error
    }
  }

  #run(subscription: Subscription): void {
    const running = subscription.run().finally(() => {
      this.#end(subscription.id)
      this.#running.delete(running)
    })
    this.#running.add(running)
  }

  #end(id: string): void {
    const entry = this.#open.get(id)
    if (entry === undefined) return
    this.#open.delete(id)
    this.#ports.metrics.subscriptions -= 1
    entry.release()
    entry.subscription.end()
  }

  async #typesOf(consumer: string | undefined): Promise<readonly string[] | undefined> {
    if (consumer === undefined) return undefined
    const { items } = await this.#ports.node.events.consumers.list()
    return items.find((item) => item.name === consumer)?.types
  }
}
