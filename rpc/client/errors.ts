/** An error that the daemon answered; numbers and names are in docs/rpc.md. */
export class RpcFailure extends Error {
  readonly code: number
  /** For example `CONTACT_NOT_FOUND`. */
  readonly kind: string
  readonly retryable: boolean
  readonly data: Readonly<Record<string, unknown>>

  constructor(error: { code: number; message: string; data?: Readonly<Record<string, unknown>> }) {
    super(error.message)
    this.name = 'RpcFailure'
    this.code = error.code
    this.data = error.data ?? {}
    this.kind = typeof this.data['name'] === 'string' ? this.data['name'] : 'UNKNOWN'
    this.retryable = this.data['retryable'] === true
  }
}

/** The daemon cannot be reached, or the connection broke before the answer came. */
export class ConnectionFailure extends Error {
  /** The system's word for it: ENOENT, ECONNREFUSED, EACCES, or `closed`. */
  readonly reason: string

  constructor(reason: string) {
    super(`no connection to the daemon (${reason})`)
    this.name = 'ConnectionFailure'
    this.reason = reason
  }
}
