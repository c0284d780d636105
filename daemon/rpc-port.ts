import type { MethodName, ParamsOf, ResultOf } from '../rpc/client/index.ts'
import type { EventView } from '../src/node/index.ts'

/** Params of a method, then a signal; params may be left out where the method needs none. */
export type CallArguments<Name extends MethodName> =
  Record<never, never> extends ParamsOf<Name>
    ? [params?: ParamsOf<Name>, signal?: AbortSignal]
    : [params: ParamsOf<Name>, signal?: AbortSignal]

/** What the command line and the testnet need of a connection to a daemon. */
export interface Rpc {
  /** @throws RpcFailure for an error answer, ExitError 3 when the connection breaks. */
  call<Name extends MethodName>(method: Name, ...rest: CallArguments<Name>): Promise<ResultOf<Name>>
  /** `call` for a method whose name comes from the user. */
  request(method: string, params: object, signal?: AbortSignal): Promise<unknown>
  /** Events in order without a gap, until the signal. */
  subscribe(params: Subscription, signal: AbortSignal): AsyncIterable<EventView>
  close(): void
}

export interface Subscription {
  /** A durable consumer, resumed after its last ack. */
  readonly consumer?: string
  /** Without a consumer: start after this sequence number. */
  readonly after?: number
  /** Of the events that were had before: refused when the database has another one. */
  readonly epoch?: string
  readonly types?: string[]
}

/** The same connection; a call without a signal ends with this one. */
export function endingWith(rpc: Rpc, signal: AbortSignal): Rpc {
  return {
    // A pair of optional parameters that depends on the method is more than the compiler follows.
    call: ((method: MethodName, params: object = {}, own: AbortSignal = signal) =>
      rpc.call(method, params as never, own)) as Rpc['call'],
    request: (method, params, own = signal) => rpc.request(method, params, own),
    subscribe: (params, own) => rpc.subscribe(params, own),
    close: () => rpc.close(),
  }
}
