import type { Clock } from '../../src/base/index.ts'
import type { CallContext, NodeApi } from '../node-api.ts'
import type { HandlerParams, MethodName, ResultOf } from '../schema/registry.ts'
import type { Consumers } from './consumers.ts'
import type { ConfigPort, Versions } from './ports.ts'

type ReadonlyDeep<T> = T extends (infer Item)[]
  ? readonly ReadonlyDeep<Item>[]
  : T extends object
    ? string extends keyof T
      ? T
      : { readonly [K in keyof T]: ReadonlyDeep<T[K]> }
    : T

export interface SubscribeRequest {
  readonly consumer?: string
  readonly after?: number
  readonly epoch?: string
  readonly types?: readonly string[]
  readonly maxInFlight: number
}

export interface Subscribed {
  readonly subscription: string
  readonly epoch: string
  readonly head: number
  readonly oldest: number
  readonly resumedFrom: number
}

/** The subscriptions of one connection. */
export interface SubscriptionHost {
  /** Nothing is pushed before `started` is called: the reply goes first. */
  open(request: SubscribeRequest): Promise<{ result: Subscribed; started: () => void }>
  /** @throws RpcError NOT_FOUND. */
  close(subscription: string): void
}

/** What a handler may use. Mutations pass `call` on; waits pass `signal` on. */
export interface MethodContext {
  readonly node: NodeApi
  readonly config: ConfigPort
  readonly clock: Clock
  readonly versions: Versions
  readonly call: CallContext
  /** Aborts when the connection closes or the server stops. */
  readonly signal: AbortSignal
  readonly subscriptions: SubscriptionHost
  readonly consumers: Consumers
  /** Runs `fn` when the reply has been handed to the transport. A failure goes to the log. */
  readonly afterReply: (fn: () => void | Promise<void>) => void
}

export type Handler<Name extends MethodName> = (
  context: MethodContext,
  params: HandlerParams<Name>,
) => Promise<ReadonlyDeep<ResultOf<Name>>>
