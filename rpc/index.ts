/**
 * rpc: the public API of the daemon. One registry of methods validates, types the client and writes the
 * reference; a server carries it over a unix socket and, if asked, HTTP and WebSocket. It knows the node by
 * its NodeApi only. The client is entered by `client/index.ts`, which loads none of this.
 */
export { ERROR_MAP, RPC_ERRORS } from './errors.ts'
export type { RpcErrorKind, RpcErrorName } from './errors.ts'
export { openRpcDocument } from './schema/openrpc.ts'
export { referenceMarkdown } from './schema/reference.ts'
export { REGISTRY } from './schema/registry.ts'
export type { MethodName, ParamsOf, ResultOf } from './schema/registry.ts'
export { SCOPES } from './schema/scopes.ts'
export type { Scope } from './schema/scopes.ts'
export type { ConfigPort, RpcPorts, Versions } from './server/ports.ts'
export { RpcServer } from './server/server.ts'
export type { RpcOptions } from './server/server.ts'
export type { TcpOptions } from './transport/tcp.ts'
