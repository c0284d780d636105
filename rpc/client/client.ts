import type { MethodName, ParamsOf, ResultOf } from '../schema/registry.ts'
import type { Channel, Connector } from './channel.ts'
import { ConnectionFailure, RpcFailure } from './errors.ts'
import { EventStream, type SubscribeParams } from './event-stream.ts'

interface Pending {
  resolve(result: unknown): void
  reject(error: Error): void
}

export interface CallOptions {
  /** Stops waiting for the answer. The daemon may still do what was asked. */
  readonly signal?: AbortSignal
}

type Incoming = {
  readonly id?: unknown
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: unknown
  readonly error?: { code: number; message: string; data?: Record<string, unknown> }
}

/** Methods whose params may all be left out. */
type BareMethod = {
  [Name in MethodName]: Record<never, never> extends ParamsOf<Name> ? Name : never
}[MethodName]

/**
 * A client of the daemon over one connection; calls may overlap. Use `connect` to get one. After the
 * connection broke every call fails with ConnectionFailure: connect again, and repeat mutations under the
 * same `idempotencyKey`.
 */
export class Client {
  readonly #connector: Connector
  readonly #pending = new Map<number, Pending>()
  readonly #notified: (method: string, params: Record<string, unknown>) => void
  readonly #onClose: (error: ConnectionFailure) => void
  #channel: Channel | undefined
  #closed: ConnectionFailure | undefined
  #lastId = 0

  private constructor(
    connector: Connector,
    notified: (method: string, params: Record<string, unknown>) => void,
    onClose: (error: ConnectionFailure) => void,
  ) {
    this.#connector = connector
    this.#notified = notified
    this.#onClose = onClose
  }

  /** @throws ConnectionFailure. */
  static async open(
    connector: Connector,
    notified: (method: string, params: Record<string, unknown>) => void = () => {},
    onClose: (error: ConnectionFailure) => void = () => {},
  ): Promise<Client> {
    const client = new Client(connector, notified, onClose)
    client.#channel = await connector({
      onText: (text) => client.#receive(text),
      onClose: (reason) => client.#broken(reason),
    })
    return client
  }

  /** @throws RpcFailure, ConnectionFailure, or the signal's reason. */
  call<Name extends BareMethod>(
    method: Name,
    params?: ParamsOf<Name>,
    options?: CallOptions,
  ): Promise<ResultOf<Name>>
  call<Name extends MethodName>(
    method: Name,
    params: ParamsOf<Name>,
    options?: CallOptions,
  ): Promise<ResultOf<Name>>
  call(method: string, params: object = {}, options: CallOptions = {}): Promise<never> {
    return this.request(method, params, options) as Promise<never>
  }

  /** `call` without types, for a method whose name comes from a user. */
  request(method: string, params: object = {}, options: CallOptions = {}): Promise<unknown> {
    const { signal } = options
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#pending.delete(id)
        reject(signal?.reason as Error)
      }
      const settled = () => signal?.removeEventListener('abort', abort)
      signal?.addEventListener('abort', abort, { once: true })
      this.#pending.set(id, {
        resolve(result) {
          settled()
          resolve(result)
        },
        reject(error) {
          settled()
          reject(error)
        },
      })
      this.#channel?.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    })
  }

  /**
   * Events of a durable consumer or from a position on, over a connection of its own: a slow reader holds
   * up nothing but itself. With `epoch`, that of the events which the caller has had, a database that was restored
   * since is refused. @throws RpcFailure (that is CURSOR_AHEAD), ConnectionFailure.
   */
  subscribe(params: SubscribeParams = {}): Promise<EventStream> {
    return EventStream.open(
      (notified, onClose) => Client.open(this.#connector, notified, onClose),
      this,
      params,
    )
  }

  /** Stops and starts reading from the daemon. */
  pause(): void {
    this.#channel?.pause()
  }

  resume(): void {
    this.#channel?.resume()
  }

  close(): void {
    this.#broken('closed')
    this.#channel?.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #receive(text: string): void {
    let message: Incoming
    try {
      message = JSON.parse(text) as Incoming
    } catch {
      return this.#fail('bad answer')
    }
    if (message.method !== undefined) return this.#notified(message.method, message.params ?? {})
    const pending = typeof message.id === 'number' ? this.#pending.get(message.id) : undefined
    if (pending === undefined) return
    this.#pending.delete(message.id as number)
    if (message.error === undefined) pending.resolve(message.result)
    else pending.reject(new RpcFailure(message.error))
  }

  #fail(reason: string): void {
    this.#broken(reason)
    this.#channel?.close()
  }

  #broken(reason: string): void {
    if (this.#closed !== undefined) return
    this.#closed = new ConnectionFailure(reason)
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const each of pending) each.reject(this.#closed)
    this.#onClose(this.#closed)
  }
}
