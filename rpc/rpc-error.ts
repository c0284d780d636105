import { HearsayError, type Rng, toBase64Url } from '../src/base/index.ts'
import { ERROR_MAP, RPC_ERRORS, type RpcErrorKind, type RpcErrorName } from './errors.ts'

export interface Issue {
  /** Dotted path inside params; empty for params as a whole. */
  readonly path: string
  readonly message: string
}

export interface ErrorData {
  readonly name: RpcErrorName
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly issues?: readonly Issue[]
  readonly hint?: string
  readonly ref?: string
  readonly [detail: string]: unknown
}

export interface ErrorObject {
  readonly code: number
  readonly message: string
  readonly data: ErrorData
}

/** An error that rpc itself raises. `extra` may hold the details that the table allows, and issues. */
export class RpcError extends Error {
  readonly kind: RpcErrorName
  readonly extra: Readonly<Record<string, unknown>>

  constructor(kind: RpcErrorName, extra: Readonly<Record<string, unknown>> = {}) {
    super(RPC_ERRORS[kind].message)
    this.name = 'RpcError'
    this.kind = kind
    this.extra = extra
  }
}

/** What a reply may say of an error: table text, allowed details, never a stack, a path or a secret. */
export function errorObject(
  name: RpcErrorName,
  extra: Readonly<Record<string, unknown>> = {},
  message?: string,
): ErrorObject {
  const kind: RpcErrorKind = RPC_ERRORS[name]
  return {
    code: kind.code,
    message: message ?? kind.message,
    data: {
      name,
      retryable: kind.retryable,
      ...(kind.retryAfterMs === undefined ? {} : { retryAfterMs: kind.retryAfterMs }),
      ...(kind.hint === undefined ? {} : { hint: kind.hint }),
      ...extra,
    },
  }
}

/** The public error of anything that was thrown, and whether the log must have it under `ref`. */
export function publicError(error: unknown, rng: Rng): { object: ErrorObject; ref?: string } {
  if (error instanceof RpcError) return { object: errorObject(error.kind, error.extra) }
  if (!(error instanceof HearsayError)) return withRef('INTERNAL', rng)
  const name = ERROR_MAP[error.code] ?? 'INTERNAL'
  const kind: RpcErrorKind = RPC_ERRORS[name]
  const details: Record<string, unknown> = { reason: error.code }
  if (name === 'NETWORK_FILE_INVALID') Object.assign(details, fileFault(error))
  Object.assign(details, toldDetails(name, error))
  if (name === 'INVALID_PARAMS') {
    const { field } = error.details
    const path = typeof field === 'string' ? field : ''
    details['issues'] = [{ path, message: speakable(error) ?? kind.message }]
  }
  if (name === 'STORAGE_FULL' && details['field'] !== undefined) {
    // A place that the caller chose, on whatever disk: the hint for a full home would send its owner to the wrong one.
    const hint = 'make room in that place, or choose another one'
    return { object: errorObject(name, { ...details, hint }, speakable(error)) }
  }
  const logged = name === 'INTERNAL' || error.fault === 'storage' || error.fault === 'bug'
  if (logged) return withRef(name, rng, details)
  return { object: errorObject(name, details, speakable(error)) }
}

/** The details of a library error that the table lets a caller read. */
export function toldDetails(
  name: RpcErrorName,
  { details }: HearsayError,
): Readonly<Record<string, unknown>> {
  const { details: fields = [] }: RpcErrorKind = RPC_ERRORS[name]
  const told: Record<string, unknown> = {}
  for (const field of fields) if (details[field] !== undefined) told[field] = details[field]
  return told
}

/** What is wrong with a network file: `name` and `reason` mean something else in `data`. */
function fileFault({ details }: HearsayError): Record<string, unknown> {
  const { reason, name } = details
  return {
    ...(reason === undefined ? {} : { fault: reason }),
    ...(name === undefined ? {} : { field: name }),
  }
}

function withRef(name: RpcErrorName, rng: Rng, details: Record<string, unknown> = {}) {
  const ref = toBase64Url(rng.bytes(6))
  return { object: errorObject(name, { ...details, ref }), ref }
}

/**
 * The library's own sentence, if a caller may read it. They are constant by contract; a path or a line
 * break in one is a mistake that must not reach a client.
 */
function speakable(error: HearsayError): string | undefined {
  if (error.fault === 'crypto' || error.message === '' || error.message.length > 200)
    return undefined
  return /[/\\\n\r]/.test(error.message) ? undefined : error.message
}
