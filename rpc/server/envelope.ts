import { RpcError } from '../rpc-error.ts'

export type RequestId = string | number | null

export interface Request {
  /** Undefined for a notification, which is never answered. */
  readonly id: RequestId | undefined
  readonly method: string
  readonly params: unknown
}

const MEMBERS = new Set(['jsonrpc', 'method', 'params', 'id'])
const MAX_ID_CHARS = 128

/** One request object of JSON-RPC 2.0, strict. @throws RpcError INVALID_REQUEST. */
export function readRequest(value: unknown): Request {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RpcError('INVALID_REQUEST')
  }
  for (const name of Object.keys(value)) {
    if (!MEMBERS.has(name)) throw new RpcError('INVALID_REQUEST')
  }
  const { jsonrpc, method, params, id } = value as Record<string, unknown>
  const named = Object.hasOwn(value, 'id')
  if (jsonrpc !== '2.0' || typeof method !== 'string' || (named && !isId(id))) {
    throw new RpcError('INVALID_REQUEST')
  }
  return { id: named ? (id as RequestId) : undefined, method, params: params ?? absent(value) }
}

/** The id to answer an invalid request with: its own if it has a valid one, else null. */
export function idOf(value: unknown): RequestId {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const { id } = value as Record<string, unknown>
  return Object.hasOwn(value, 'id') && isId(id) ? id : null
}

function isId(id: unknown): id is RequestId {
  if (id === null) return true
  if (typeof id === 'string') return id.length <= MAX_ID_CHARS
  // An integer beyond 2^53 would come back as another number.
  return typeof id === 'number' && Number.isFinite(id) && Math.abs(id) <= Number.MAX_SAFE_INTEGER
}

/** Params that are left out are an empty object; `null` stays what it is and is refused later. */
function absent(value: object): unknown {
  return Object.hasOwn(value, 'params') ? null : {}
}
