import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { MAX_REQUEST_BYTES } from '../constants.ts'
import { RpcError } from '../rpc-error.ts'
import type { SubscriptionHost } from '../server/method.ts'
import { isJsonContent } from './host-guard.ts'
import type { HttpCall, HttpPorts } from './http-ports.ts'
import { refuse, reply } from './http-reply.ts'

/** A POST has nowhere to push to. */
const NO_SUBSCRIPTIONS: SubscriptionHost = {
  open: () => Promise.reject(noPush()),
  close: () => {
    throw noPush()
  },
}

function noPush(): RpcError {
  return new RpcError('INVALID_REQUEST', { hint: 'subscribe on the unix socket, /ws or /events' })
}

/** `POST /rpc`: one JSON-RPC text in, one out; 204 when it held notifications only. */
export async function postRpc(ports: HttpPorts, call: HttpCall): Promise<void> {
  const { request, response, principal, signal } = call
  if (!isJsonContent(request.headers['content-type'])) return refuse(response, { status: 415 })
  const body = await readBody(request)
  if (body === undefined) {
    return refuse(response, { status: 413, error: 'TOO_LARGE' }, {}, { limit: MAX_REQUEST_BYTES })
  }
  const value = parse(body)
  const answer =
    value === undefined
      ? ports.dispatcher.refuse(new RpcError('PARSE_ERROR'))
      : await ports.dispatcher.answer(value, {
          principal,
          signal,
          subscriptions: NO_SUBSCRIPTIONS,
        })
  if (answer === undefined) return void response.writeHead(204).end()
  reply(response, 200, 'application/json', answer.text)
  answer.after?.()
}

/** Undefined for a body over the limit. @throws when the client goes away. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) return undefined
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_REQUEST_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parse(body: Buffer): unknown {
  if (!isUtf8(body)) return undefined
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
