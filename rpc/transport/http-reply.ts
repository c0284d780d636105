import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { errorObject } from '../rpc-error.ts'
import { errorText } from '../server/dispatcher.ts'
import type { Refusal } from './tcp-guard.ts'

// No CORS header anywhere: a page of another origin gets nothing to read.
const HEADERS: OutgoingHttpHeaders = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
}

/** A whole body. */
export function reply(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: OutgoingHttpHeaders = {},
): void {
  if (response.headersSent || response.destroyed) return
  response
    .writeHead(status, {
      ...HEADERS,
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      ...headers,
    })
    .end(body)
}

/** Starts a body that goes on; the headers leave at once. */
export function replyStream(response: ServerResponse, type: string): void {
  response.writeHead(200, { ...HEADERS, 'Content-Type': type })
  response.flushHeaders()
}

/** Says no and closes the connection, because the body of the request was not read. */
export function refuse(
  response: ServerResponse,
  refusal: Refusal,
  headers: OutgoingHttpHeaders = {},
  extra: Readonly<Record<string, unknown>> = {},
): void {
  const { status, error } = refusal
  const body = error === undefined ? '' : errorText(errorObject(error, extra))
  const challenge = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}
  const later = status === 429 ? { 'Retry-After': '60' } : {}
  reply(response, status, 'application/json', body, {
    Connection: 'close',
    ...challenge,
    ...later,
    ...headers,
  })
}
