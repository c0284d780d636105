import { Client } from './client.ts'
import { unixConnector } from './unix-channel.ts'
import { webConnector } from './web-channel.ts'

/**
 * client: typed access to a daemon. It loads neither zod nor anything of the server, so that a command line
 * starts quickly; the types come from the registry.
 */
export { MAX_WAIT_MS } from '../constants.ts'
export { Client } from './client.ts'
export type { CallOptions } from './client.ts'
export { ConnectionFailure, RpcFailure } from './errors.ts'
export { EventStream } from './event-stream.ts'
export type { Event, SubscribeParams } from './event-stream.ts'
export type { MethodName, ParamsOf, ResultOf } from '../schema/registry.ts'

/** A unix socket, or the HTTP port with the token of the cookie file. */
export type Endpoint =
  | { readonly socket: string }
  | { readonly url: string; readonly token: string }

/** Connects to a daemon. @throws ConnectionFailure. */
export function connect(endpoint: Endpoint): Promise<Client> {
  return Client.open(
    'socket' in endpoint
      ? unixConnector(endpoint.socket)
      : webConnector(endpoint.url, endpoint.token),
  )
}
