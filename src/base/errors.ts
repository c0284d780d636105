import { ERROR_CODES, type ErrorCode, type FaultClass } from './error-codes.ts'

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>

/**
 * The one error of the library. `code` tells cases apart, `message` is a constant sentence, `details` are
 * short and JSON-safe. Neither carries a secret, a contact, an address or text that the network supplied.
 */
export class HearsayError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'HearsayError'
    this.code = code
    this.details = details
  }

  get fault(): FaultClass {
    return ERROR_CODES[this.code]
  }
}

export function isHearsayError(error: unknown, code?: ErrorCode): error is HearsayError {
  return error instanceof HearsayError && (code === undefined || error.code === code)
}
