import type { ServerResponse } from 'node:http'
import { z } from 'zod'
import { HearsayError } from '../../src/base/index.ts'
import { WRITE_BUFFER_BYTES } from '../constants.ts'
import { ERROR_MAP, type RpcErrorName } from '../errors.ts'
import type { EventView } from '../node-api.ts'
import { RpcError, toldDetails } from '../rpc-error.ts'
import { epoch, eventTypes, seq } from '../schema/shapes.ts'
import { Gate } from '../server/gate.ts'
import type { Outlet } from '../server/subscription.ts'
import { Subscriptions } from '../server/subscriptions.ts'
import type { HttpCall, HttpPorts } from './http-ports.ts'
import { refuse, replyStream } from './http-reply.ts'

const queryShape = z.strictObject({ after: seq.exactOptional(), epoch, types: eventTypes })
const LAST_EVENT_ID = /^([A-Za-z0-9_-]{1,128}):(\d{1,16})$/

/**
 * `GET /events`: the journal as server-sent events, from `Last-Event-ID` (`<epoch>:<seq>`), `?after=` (with `&epoch=`)
 * or the head on. A position that cannot be served is an HTTP error, after which a browser does not retry.
 */
export async function getEvents(ports: HttpPorts, call: HttpCall): Promise<void> {
  const { response, signal } = call
  const outlet = new SseOutlet(response)
  const subscriptions = new Subscriptions({ ...ports, outlet })
  response.on('drain', () => outlet.drained())
  try {
    const { started } = await subscriptions.open({ ...position(call), maxInFlight: 1 })
    replyStream(response, 'text/event-stream')
    response.write(': hearsay\n\n')
    started()
  } catch (error) {
    return refusePosition(response, error)
  }
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const stopping = signal.reason instanceof RpcError && signal.reason.kind === 'SHUTTING_DOWN'
  await subscriptions.stop(stopping ? 'SHUTTING_DOWN' : undefined)
  response.end()
}

/** @throws RpcError INVALID_PARAMS. */
function position({ request, query }: HttpCall): {
  after?: number
  epoch?: string
  types?: readonly string[]
} {
  const after = query.get('after')
  const types = query.get('types')
  const raw = {
    ...Object.fromEntries(query),
    ...(after === null ? {} : { after: /^\d{1,16}$/.test(after) ? Number(after) : after }),
    ...(types === null ? {} : { types: types.split(',') }),
  }
  const parsed = queryShape.safeParse(raw)
  if (!parsed.success) throw new RpcError('INVALID_PARAMS')
  const last = request.headers['last-event-id']
  if (last === undefined) return parsed.data
  const match = LAST_EVENT_ID.exec(String(last))
  if (match === null) throw new RpcError('INVALID_PARAMS')
  return { ...parsed.data, epoch: String(match[1]), after: Number(match[2]) }
}

function refusePosition(response: ServerResponse, error: unknown): void {
  const { name, extra } = told(error)
  const statuses: Partial<Record<typeof name, number>> = {
    INVALID_PARAMS: 400,
    CURSOR_TOO_OLD: 410,
    CURSOR_AHEAD: 409,
    NOT_READY: 503,
    SHUTTING_DOWN: 503,
  }
  refuse(response, { status: statuses[name] ?? 500, error: name }, {}, extra)
}

function told(error: unknown): { name: RpcErrorName; extra: Readonly<Record<string, unknown>> } {
  if (error instanceof RpcError) return { name: error.kind, extra: error.extra }
  if (!(error instanceof HearsayError)) return { name: 'INTERNAL', extra: {} }
  const name = ERROR_MAP[error.code] ?? 'INTERNAL'
  return { name, extra: toldDetails(name, error) }
}

/** Writes notifications in the event stream format; a heartbeat is a comment. */
class SseOutlet implements Outlet {
  readonly #response: ServerResponse
  readonly #gate = new Gate()

  constructor(response: ServerResponse) {
    this.#response = response
  }

  notify(method: string, params: object): void {
    if (this.#response.writableEnded || this.#response.destroyed) return
    const { subscription: _, ...data } = params as { subscription: string }
    if (method === 'event.heartbeat') {
      this.#response.write(': ping\n\n')
      return
    }
    const name = method === 'event' ? '' : `event: ${method.slice('event.'.length)}\n`
    const event = data as Partial<EventView>
    const id = method === 'event' ? `id: ${event.epoch}:${event.seq}\n` : ''
    this.#response.write(`${id}${name}data: ${JSON.stringify(data)}\n\n`)
  }

  get writable(): boolean {
    return this.#response.writableLength <= WRITE_BUFFER_BYTES
  }

  drained(): void {
    this.#gate.open()
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#gate.pass(() => this.writable, signal)
  }
}
