import { HearsayError } from '../../src/base/index.ts'
import type {
  CallContext,
  ConsumerView,
  EventFeed,
  EventView,
  NodeApi,
} from '../../rpc/node-api.ts'
import { REGISTRY } from '../../rpc/schema/registry.ts'
import { DAMAGED_EVENT, type JsonObject } from '../../src/store/index.ts'

export interface RecordedCall {
  readonly method: string
  readonly params: unknown
  readonly call?: CallContext
}

type Stub = (params: never, extra: never) => unknown

const EPOCH = 'epoch-of-the-fake'

/**
 * A NodeApi without a node: each method answers the example of the registry unless a stub is set, and is
 * recorded. The journal is real enough for subscriptions: numbered events, consumers, acks.
 */
export class FakeNodeApi implements NodeApi {
  readonly calls: RecordedCall[] = []
  readonly #stubs = new Map<string, Stub>()
  readonly #events: EventView[] = []
  readonly #consumers = new Map<
    string,
    { cursor: number; types?: readonly string[]; epoch: string }
  >()
  readonly #remembered = new Map<string, { hash: string; result: JsonObject }>()
  readonly #watchers = new Set<() => void>()
  /** Most events that any feed handed out in one step. */
  largestStep = 0
  oldest = 1
  /** Of every event. */
  epoch = EPOCH

  stub(method: string, fn: Stub): void {
    this.#stubs.set(method, fn)
  }

  fail(method: string, error: unknown): void {
    this.stub(method, () => Promise.reject(error))
  }

  callsOf(method: string): RecordedCall[] {
    return this.calls.filter((call) => call.method === method)
  }

  append(type = 'message.received', data: JsonObject = {}): number {
    const seq = this.#events.length + 1
    const time = new Date(1_700_000_000_000 + seq).toISOString()
    this.#events.push({ seq, epoch: this.epoch, id: `id-${seq}`, type, time, data })
    for (const wake of this.#watchers) wake()
    return seq
  }

  /** Puts the database back to when `head` was its head: the events behind it are gone, and a new epoch begins. */
  restore(head: number, epoch = 'epoch-after-the-restore'): void {
    this.epoch = epoch
    const kept = this.#events.splice(0).slice(0, head)
    this.#events.push(...kept.map((event) => ({ ...event, epoch })))
    for (const consumer of this.#consumers.values()) {
      consumer.cursor = Math.min(consumer.cursor, head)
    }
    for (const wake of this.#watchers) wake()
  }

  get head(): number {
    return this.#events.length
  }

  readonly node: NodeApi['node'] = {
    status: () => this.#answer('node.status', {}),
    wait: (params, signal) => this.#answer('node.wait', params, undefined, signal),
    stop: (params) => this.#answer('node.stop', params),
    doctor: (params) => this.#answer('node.doctor', params),
  }
  readonly identity: NodeApi['identity'] = { get: () => this.#answer('identity.get', {}) }
  readonly network: NodeApi['network'] = {
    create: (params, call) => this.#answer('network.create', params, call),
    inspect: (params) => this.#answer('network.inspect', params),
    join: (params, call) => this.#answer('network.join', params, call),
    get: () => this.#answer('network.get', {}),
    leave: (params, call) => this.#answer('network.leave', params, call),
    invite: (params, call) => this.#answer('network.invite', params, call),
  }
  readonly peers: NodeApi['peers'] = {
    list: (page) => this.#answer('peers.list', page),
    ban: (params, call) => this.#answer('peers.ban', params, call),
  }
  readonly contacts: NodeApi['contacts'] = {
    invite: (params, call) => this.#answer('contacts.invite', params, call),
    inviteCancel: (params, call) => this.#answer('contacts.inviteCancel', params, call),
    add: (params, call) => this.#answer('contacts.add', params, call),
    list: (page) => this.#answer('contacts.list', page),
    get: (params) => this.#answer('contacts.get', params),
    rename: (params, call) => this.#answer('contacts.rename', params, call),
    verify: (params, call) => this.#answer('contacts.verify', params, call),
    remove: (params, call) => this.#answer('contacts.remove', params, call),
  }
  readonly messages: NodeApi['messages'] = {
    send: (params, call) => this.#answer('messages.send', params, call),
    get: (params) => this.#answer('messages.get', params),
    list: (params) => this.#answer('messages.list', params),
    wait: (params, signal) => this.#answer('messages.wait', params, undefined, signal),
    cancel: (params, call) => this.#answer('messages.cancel', params, call),
    markRead: (params, call) => this.#answer('messages.markRead', params, call),
  }
  readonly outbox: NodeApi['outbox'] = { list: (page) => this.#answer('outbox.list', page) }
  readonly events: NodeApi['events'] = {
    open: async (params) => {
      this.calls.push({ method: 'events.open', params })
      const stub = this.#stubs.get('events.open')
      if (stub !== undefined) return (await stub(params as never, undefined as never)) as EventFeed
      this.#checkEpoch(params.epoch)
      return this.#feed(params)
    },
    list: async (params) => {
      this.calls.push({ method: 'events.list', params })
      const stub = this.#stubs.get('events.list')
      if (stub !== undefined) await stub(params as never, undefined as never)
      this.#checkEpoch(params.epoch)
      return { items: this.#after(params.after, params.limit, params.types), head: this.head }
    },
    wait: async (params, signal) => {
      this.#checkEpoch(params.epoch)
      return this.#answer('events.wait', params, undefined, signal)
    },
    ack: async (params) => {
      const { consumer, seq } = params
      this.calls.push({ method: 'events.ack', params })
      const stub = this.#stubs.get('events.ack')
      if (stub !== undefined) await stub(params as never, undefined as never)
      this.#checkEpoch(params.epoch)
      const entry = this.#consumer(consumer)
      if (seq > this.head) throw this.#ahead('ahead')
      if (seq > entry.cursor) {
        entry.cursor = seq
        entry.epoch = this.epoch
      }
      return { cursor: entry.cursor }
    },
    consumers: {
      list: async () => {
        this.calls.push({ method: 'events.consumers.list', params: {} })
        const stub = this.#stubs.get('events.consumers.list')
        if (stub !== undefined) await stub({} as never, undefined as never)
        const items = [...this.#consumers].map(([name]) => this.#view(name))
        return { items, epoch: this.epoch }
      },
      create: async (params, call) => {
        this.calls.push({ method: 'events.consumers.create', params, call })
        const stub = this.#stubs.get('events.consumers.create')
        if (stub !== undefined) await stub(params as never, call as never)
        this.#checkEpoch(params.epoch)
        const cursor = params.from === 'now' ? this.head : params.from === 'start' ? 0 : params.from
        const types = params.types === undefined ? {} : { types: params.types }
        this.#consumers.set(params.name, { cursor, epoch: this.epoch, ...types })
        return this.#view(params.name)
      },
      delete: async ({ name }, call) => {
        this.calls.push({ method: 'events.consumers.delete', params: { name }, call })
        const stub = this.#stubs.get('events.consumers.delete')
        if (stub !== undefined) await stub({ name } as never, call as never)
        this.#consumers.delete(name)
        return { name }
      },
    },
  }
  readonly hooks: NodeApi['hooks'] = {
    ack: (params, call) => this.#answer('hooks.ack', params, call),
  }
  readonly db: NodeApi['db'] = {
    stats: async () => {
      const stub = this.#stubs.get('db.stats')
      if (stub !== undefined) await stub({} as never, undefined as never)
      return {
        bytes: 0,
        freeBytes: 0,
        reserve: true,
        boxes: 0,
        messages: 0,
        secrets: 0,
        damagedSecrets: 0,
        headSeq: this.head,
        oldestSeq: this.oldest,
        epoch: this.epoch,
      }
    },
    check: () => this.#answer('db.check', {}),
    backup: (params) => this.#answer('db.backup', params),
  }

  async remember<T extends JsonObject>(call: CallContext, effect: () => Promise<T>) {
    const { idempotency } = call
    if (idempotency === undefined) return effect()
    const key = `${idempotency.scope}/${idempotency.key}`
    const hash = Buffer.from(idempotency.requestHash).toString('hex')
    const seen = this.#remembered.get(key)
    if (seen !== undefined && seen.hash !== hash) {
      throw new HearsayError('idempotency-conflict', 'the key was used for another request')
    }
    if (seen !== undefined) return { ...(seen.result as T), replayed: true as const }
    const result = await effect()
    this.#remembered.set(key, { hash, result })
    return result
  }

  readonly settings: NodeApi['settings'] = {
    get: async () => undefined,
    put: async () => {},
    list: async () => [],
    delete: async () => {},
  }

  async #answer<T>(
    method: string,
    params: unknown,
    call?: CallContext,
    extra?: unknown,
  ): Promise<T> {
    this.calls.push({ method, params, ...(call === undefined ? {} : { call }) })
    const stub = this.#stubs.get(method)
    if (stub !== undefined) return (await stub(params as never, (extra ?? call) as never)) as T
    return REGISTRY.get(method)?.example.result as T
  }

  #feed(params: { consumer?: string; after?: number; types?: readonly string[] }): EventFeed {
    const entry = params.consumer === undefined ? undefined : this.#consumer(params.consumer)
    let position = entry?.cursor ?? params.after ?? this.head
    if (position + 1 < this.oldest) {
      throw new HearsayError('cursor-too-old', 'gone', { oldest: this.oldest })
    }
    if (position > this.head) throw this.#ahead('ahead')
    const types = entry?.types ?? params.types
    const resumedFrom = position
    const head = () => this.head
    const { epoch } = this
    return {
      next: async (limit, signal) => {
        for (;;) {
          signal.throwIfAborted()
          this.#checkEpoch(epoch)
          const found = this.#after(position, limit, types)
          this.largestStep = Math.max(this.largestStep, found.length)
          position = found.at(-1)?.seq ?? position
          if (found.length > 0) return found
          await this.#appended(signal)
        }
      },
      get head() {
        return head()
      },
      oldest: this.oldest,
      resumedFrom,
      epoch,
    }
  }

  #checkEpoch(epoch: string | undefined): void {
    if (epoch !== undefined && epoch !== this.epoch) throw this.#ahead('this epoch is over')
  }

  #ahead(message: string): HearsayError {
    return new HearsayError('cursor-ahead', message, { head: this.head, epoch: this.epoch })
  }

  #appended(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#watchers.delete(wake)
        resolve()
      }
      this.#watchers.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #after(position: number, limit: number, types?: readonly string[]): EventView[] {
    const found: EventView[] = []
    for (let at = position; at < this.#events.length && found.length < limit; at++) {
      const event = this.#events[at]
      if (event === undefined) continue
      const { type } = event
      if (types?.includes(type) ?? true) found.push(event)
      else if (type === DAMAGED_EVENT) found.push(event)
    }
    return found
  }

  #consumer(name: string) {
    const entry = this.#consumers.get(name)
    if (entry === undefined) throw new HearsayError('consumer-not-found', 'no such consumer')
    return entry
  }

  #view(name: string): ConsumerView {
    const { cursor, types, epoch } = this.#consumer(name)
    return {
      name,
      cursor,
      lag: this.head - cursor,
      ...(types === undefined ? {} : { types }),
      ...(epoch === this.epoch ? {} : { formerEpoch: epoch }),
    }
  }
}
