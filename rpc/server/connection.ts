import { type Clock, HearsayError, type Logger } from '../../src/base/index.ts'
import { MAX_BATCH, MAX_IN_FLIGHT, WRITE_BUFFER_BYTES } from '../constants.ts'
import type { RpcErrorName } from '../errors.ts'
import type { NodeApi } from '../node-api.ts'
import { RpcError } from '../rpc-error.ts'
import type { Consumers } from './consumers.ts'
import type { Answer, Caller, Dispatcher } from './dispatcher.ts'
import { Gate } from './gate.ts'
import type { RpcMetrics } from './metrics.ts'
import type { Principal } from './principal.ts'
import type { Outlet } from './subscription.ts'
import { Subscriptions } from './subscriptions.ts'

/** A duplex carrier of texts: a line, or a WebSocket message. */
export interface Wire {
  send(text: string): void
  /** Bytes handed over and not yet taken by the system. */
  backlog(): number
  pause(): void
  resume(): void
  /** Closes after everything sent has left; resolves when closed. */
  end(): Promise<void>
}

interface ConnectionPorts {
  readonly wire: Wire
  readonly dispatcher: Dispatcher
  readonly node: NodeApi
  readonly clock: Clock
  readonly consumers: Consumers
  readonly metrics: RpcMetrics
  readonly log: Logger
  readonly onClosed: () => void
}

/**
 * One client on one wire. At most MAX_IN_FLIGHT calls run; beyond that, or when the client does not read
 * its answers, nothing more is read from it. Nothing is dropped.
 */
export class Connection implements Outlet {
  readonly #ports: ConnectionPorts
  readonly #caller: Caller
  readonly #subscriptions: Subscriptions
  readonly #gone = new AbortController()
  readonly #gate = new Gate()
  /** Parsed and not begun: what one read brought beyond the limit. */
  #queue: unknown[] = []
  #inFlight = 0
  #paused = false
  #ending = false
  #idle: (() => void)[] = []

  constructor(ports: ConnectionPorts, options: { readonly principal: Principal }) {
    this.#ports = ports
    this.#subscriptions = new Subscriptions({ ...ports, outlet: this })
    this.#caller = {
      principal: options.principal,
      signal: this.#gone.signal,
      subscriptions: this.#subscriptions,
    }
    ports.metrics.connections += 1
  }

  /** One text from the wire. */
  receive(text: string): void {
    if (this.#ending) return
    try {
      this.#queue.push(JSON.parse(text))
    } catch {
      this.#send(this.#ports.dispatcher.refuse(new RpcError('PARSE_ERROR')))
    }
    this.#admit()
  }

  /** A text that could not be read at all; it is answered like a request. */
  refuse(name: RpcErrorName, extra: Readonly<Record<string, unknown>> = {}): void {
    this.#send(this.#ports.dispatcher.refuse(new RpcError(name, extra)))
  }

  /** The wire's backlog has shrunk. */
  drained(): void {
    if (!this.writable) return
    this.#gate.open()
    this.#admit()
  }

  /** Answers what has arrived, reads nothing more, then closes the wire. */
  finish(): void {
    this.#background(this.#finished())
  }

  /** Ends subscriptions and waits with `name`, then as `finish`. */
  async shutDown(name: RpcErrorName): Promise<void> {
    await this.#subscriptions.stop(name)
    this.#gone.abort(new RpcError(name))
    this.#queue = []
    await this.#finished()
  }

  /** The wire is gone: waits are aborted, accepted mutations run to their end. */
  closed(): void {
    if (!this.#gone.signal.aborted) {
      this.#gone.abort(new HearsayError('aborted', 'connection closed'))
    }
    this.#ending = true
    this.#queue = []
    this.#ports.metrics.connections -= 1
    this.#gate.open()
    this.#becomeIdle()
    this.#ports.onClosed()
    this.#background(this.#subscriptions.stop())
  }

  notify(method: string, params: object): void {
    if (this.#gone.signal.aborted) return
    this.#ports.wire.send(
      `{"jsonrpc":"2.0","method":"${method}","params":${JSON.stringify(params)}}`,
    )
  }

  get writable(): boolean {
    return this.#ports.wire.backlog() <= WRITE_BUFFER_BYTES
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#gate.pass(() => this.writable, signal)
  }

  #admit(): void {
    let begun = 0
    for (const value of this.#queue) {
      const slots = Array.isArray(value) ? Math.min(Math.max(value.length, 1), MAX_BATCH) : 1
      if (!this.writable || this.#inFlight + slots > MAX_IN_FLIGHT) break
      begun += 1
      this.#inFlight += slots
      this.#background(this.#serve(value, slots))
    }
    if (begun > 0) this.#queue = this.#queue.slice(begun)
    this.#steer()
  }

  async #serve(value: unknown, slots: number): Promise<void> {
    const answer = await this.#ports.dispatcher.answer(value, this.#caller)
    if (answer !== undefined) this.#send(answer)
    this.#inFlight -= slots
    if (this.#paused) this.#admit()
    if (this.#inFlight === 0 && this.#queue.length === 0) this.#becomeIdle()
  }

  #becomeIdle(): void {
    for (const resolve of this.#idle) resolve()
    this.#idle = []
  }

  async #finished(): Promise<void> {
    this.#ending = true
    this.#steer()
    if (this.#inFlight > 0 || this.#queue.length > 0)
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    await this.#ports.wire.end()
  }

  /** None of these promises rejects unless there is a bug, and a bug belongs into the log. */
  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const name = error instanceof Error ? error.name : typeof error
      this.#ports.log.error('rpc connection failed', { name })
    })
  }

  #send(answer: Answer): void {
    this.#ports.wire.send(answer.text)
    answer.after?.()
  }

  #steer(): void {
    const pause =
      this.#ending || this.#queue.length > 0 || this.#inFlight >= MAX_IN_FLIGHT || !this.writable
    if (pause === this.#paused) return
    this.#paused = pause
    if (pause) this.#ports.wire.pause()
    else this.#ports.wire.resume()
  }
}
