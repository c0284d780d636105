import { HearsayError, type Logger, toBase64Url } from '../../src/base/index.ts'
import { MAX_BATCH, MAX_ISSUES, MAX_RESULT_BYTES } from '../constants.ts'
import { HANDLERS } from '../methods/index.ts'
import { type ErrorObject, publicError, RpcError } from '../rpc-error.ts'
import { REGISTRY } from '../schema/registry.ts'
import type { Consumers } from './consumers.ts'
import { idOf, readRequest, type Request, type RequestId } from './envelope.ts'
import { idempotencyOf } from './idempotency.ts'
import type { Handler, MethodContext, SubscriptionHost } from './method.ts'
import type { RpcMetrics } from './metrics.ts'
import type { RpcPorts } from './ports.ts'
import { allows, type Principal } from './principal.ts'
import { unsafeJson } from './safe-json.ts'

/** Whose calls they are and what they can reach; one per connection or HTTP request. */
export interface Caller {
  readonly principal: Principal
  readonly signal: AbortSignal
  readonly subscriptions: SubscriptionHost
}

export interface Answer {
  /** JSON without line breaks. */
  readonly text: string
  /** To be called when the text has been handed to the transport. */
  readonly after?: () => void
}

interface DispatcherPorts extends RpcPorts {
  readonly consumers: Consumers
  readonly metrics: RpcMetrics
}

type AfterReply = () => void | Promise<void>
type AnyHandler = (context: MethodContext, params: unknown) => Promise<unknown>
type Definition = NonNullable<ReturnType<typeof REGISTRY.get>>

/**
 * Turns one parsed JSON text into its answer. Never rejects: whatever goes wrong becomes an error object.
 * A handler is called only with params that fit its schema, by a principal that has its scope.
 */
export class Dispatcher {
  readonly #ports: DispatcherPorts
  readonly #checkResults: boolean

  /** `checkResults` holds results against the schema too; for tests. */
  constructor(ports: DispatcherPorts, options: { readonly checkResults?: boolean } = {}) {
    this.#ports = ports
    this.#checkResults = options.checkResults ?? false
  }

  /** Undefined when there is nothing to answer: notifications only. */
  async answer(value: unknown, caller: Caller): Promise<Answer | undefined> {
    if (!Array.isArray(value)) return this.#one(value, caller)
    // JSON-RPC 2.0 §6: an empty array is one invalid request; any other array is answered by an array.
    if (value.length === 0) return this.refuse(new RpcError('INVALID_REQUEST'))
    if (value.length > MAX_BATCH) {
      const { text } = this.refuse(new RpcError('INVALID_REQUEST', { limit: MAX_BATCH }))
      return { text: `[${text}]` }
    }
    const answers = await Promise.all(value.map((item: unknown) => this.#one(item, caller)))
    const given = answers.filter((answer) => answer !== undefined)
    if (given.length === 0) return undefined
    return {
      text: `[${given.map((answer) => answer.text).join(',')}]`,
      after: () => {
        for (const answer of given) answer.after?.()
      },
    }
  }

  /** The answer to something that is no request. */
  refuse(error: unknown, id: RequestId = null): Answer {
    return { text: this.#errorText(id, error, '') }
  }

  async #one(value: unknown, caller: Caller): Promise<Answer | undefined> {
    let request: Request
    try {
      request = readRequest(value)
    } catch (error) {
      return this.refuse(error, idOf(value))
    }
    const { metrics } = this.#ports
    metrics.calls += 1
    metrics.inFlight += 1
    const after: AfterReply[] = []
    let text: string
    try {
      const result = await this.#run(request, caller, after)
      text = `{"jsonrpc":"2.0","id":${JSON.stringify(request.id)},"result":${JSON.stringify(result)}}`
      if (isTooLong(text)) {
        throw new RpcError('TOO_LARGE', {
          limit: MAX_RESULT_BYTES,
          hint: 'ask for a smaller limit',
        })
      }
    } catch (error) {
      const told = caller.signal.aborted && isAbort(error) ? caller.signal.reason : error
      text = this.#errorText(request.id ?? null, told, request.method)
    } finally {
      metrics.inFlight -= 1
    }
    const run = () => {
      for (const fn of after) this.#follow(fn, request.method)
    }
    if (request.id !== undefined) return after.length === 0 ? { text } : { text, after: run }
    run()
    return undefined
  }

  #follow(fn: AfterReply, method: string): void {
    const { rng, log } = this.#ports
    Promise.resolve()
      .then(fn)
      .catch((error: unknown) => logFailure(log, toBase64Url(rng.bytes(6)), method, error))
  }

  async #run(request: Request, caller: Caller, after: AfterReply[]): Promise<unknown> {
    const definition = REGISTRY.get(request.method)
    if (definition === undefined) throw new RpcError('METHOD_NOT_FOUND')
    if (!allows(caller.principal, definition.scope)) {
      throw new RpcError('FORBIDDEN', { scope: definition.scope })
    }
    const params = checked(definition, request.params)
    const sent = request.params as Record<string, unknown>
    const idempotency = definition.mutation
      ? idempotencyOf(caller.principal.id, definition.name, sent)
      : undefined
    const { node, config, clock, versions, consumers } = this.#ports
    const handler = HANDLERS[definition.name] as Handler<never> as AnyHandler
    const result = await handler(
      {
        node,
        config,
        clock,
        versions,
        consumers,
        // No signal: a mutation that was accepted is finished even if nobody waits for the answer.
        call: idempotency === undefined ? {} : { idempotency },
        signal: caller.signal,
        subscriptions: caller.subscriptions,
        afterReply: (fn) => after.push(fn),
      },
      params,
    )
    if (this.#checkResults) checkResult(definition, result)
    return result
  }

  #errorText(id: RequestId, error: unknown, method: string): string {
    const { rng, log, metrics } = this.#ports
    const { object, ref } = publicError(error, rng)
    metrics.failed(object.data.name)
    if (ref !== undefined) logFailure(log, ref, method, error)
    return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${JSON.stringify(object)}}`
  }
}

/** An error object outside a call, for the body of an HTTP answer. */
export function errorText(error: ErrorObject): string {
  return `{"jsonrpc":"2.0","id":null,"error":${JSON.stringify(error)}}`
}

function checked(definition: Definition, params: unknown): unknown {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new RpcError('INVALID_PARAMS', {
      issues: [{ path: '', message: 'params are named: an object' }],
    })
  }
  const unsafe = unsafeJson(params)
  if (unsafe !== undefined) throw new RpcError('INVALID_PARAMS', { issues: [unsafe] })
  const parsed = definition.params.safeParse(params)
  if (!parsed.success) {
    const issues = parsed.error.issues.slice(0, MAX_ISSUES).map((issue) => ({
      path: issue.path.map(String).join('.').slice(0, 128),
      message: issue.message.slice(0, 200),
    }))
    throw new RpcError('INVALID_PARAMS', { issues })
  }
  const data = parsed.data as Record<string, unknown>
  if (!definition.mutation) return data
  const { idempotencyKey: _, ...rest } = data
  return rest
}

function checkResult(definition: Definition, result: unknown): void {
  const parsed = definition.result.safeParse(JSON.parse(JSON.stringify(result)))
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')
    throw new HearsayError('bug', 'result does not fit its schema', {
      method: definition.name,
      where,
    })
  }
}

/** Counts bytes only where characters alone do not decide: one is three bytes at most. */
function isTooLong(text: string): boolean {
  if (text.length <= MAX_RESULT_BYTES / 3) return false
  return text.length > MAX_RESULT_BYTES || Buffer.byteLength(text) > MAX_RESULT_BYTES
}

function isAbort(error: unknown): boolean {
  if (error instanceof HearsayError) return error.code === 'aborted'
  return error instanceof Error && error.name === 'AbortError'
}

/** Name and frames only: the message of a foreign error may quote what it choked on. */
function logFailure(log: Logger, ref: string, method: string, error: unknown): void {
  const known = error instanceof HearsayError
  const at = error instanceof Error ? (error.stack ?? '') : ''
  log.error('rpc call failed', {
    ref,
    method,
    name: error instanceof Error ? error.name : typeof error,
    code: known ? error.code : undefined,
    reason: known ? error.message : undefined,
    at: at
      .split('\n')
      .filter((line) => line.startsWith('    at '))
      .slice(0, 8)
      .join('\n'),
  })
}
