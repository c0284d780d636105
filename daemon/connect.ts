import { readFileSync } from 'node:fs'
import { type Client, ConnectionFailure, connect as open } from '../rpc/client/index.ts'
import type { EventView } from '../src/node/index.ts'
import { EXIT, ExitError, systemCode } from './exit-codes.ts'
import type { Rpc, Subscription } from './rpc-port.ts'

/** Where a daemon is: its socket, or its HTTP address with the file that holds the token. */
export interface Target {
  readonly socket: string
  readonly url?: string
  readonly tokenFile?: string
}

/** Connects to a daemon. @throws ExitError 3 when none answers, 4 when it must not be used. */
export async function connect(target: Target): Promise<Rpc> {
  const { socket, url, tokenFile } = target
  const where = url ?? socket
  const client = await explained(where, () =>
    open(url === undefined ? { socket } : { url, token: readToken(tokenFile) }),
  )
  return {
    call: (method, ...rest) =>
      explained(where, () => client.request(method, ...asOptions(rest))) as Promise<never>,
    request: (method, params, signal) =>
      explained(where, () => client.request(method, params, signalOption(signal))),
    subscribe: (params, signal) => events(client, where, { params, signal }),
    close: () => client.close(),
  }
}

function asOptions([params, signal]: readonly [object?, AbortSignal?]): [
  object,
  { signal?: AbortSignal },
] {
  return [params ?? {}, signalOption(signal)]
}

function signalOption(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

async function* events(
  client: Client,
  where: string,
  { params, signal }: { params: Subscription; signal: AbortSignal },
): AsyncGenerator<EventView, void, undefined> {
  const opening = explained(where, () => client.subscribe(params))
  const stream = await unlessAborted(opening, signal)
  if (stream === undefined) {
    opening.then((late) => late.close()).catch(() => {})
    return
  }
  const end = () => stream.close()
  signal.addEventListener('abort', end, { once: true })
  try {
    if (signal.aborted) return
    const iterator = stream[Symbol.asyncIterator]()
    for (;;) {
      const next = await explained(where, () => iterator.next())
      if (next.done === true) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', end)
    stream.close()
  }
}

/** The result; undefined when the signal comes before. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const abort = () => resolve(undefined)
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort))
}

/** Runs `use`; a broken connection becomes an error that says what to do. */
async function explained<T>(where: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    if (error instanceof ConnectionFailure) throw unreachable(where, error)
    throw error
  }
}

/** True when nobody is there; false when somebody was and the connection broke. */
export function isAbsent(failure: unknown): boolean {
  const reason = failure instanceof ConnectionFailure ? failure.reason : undefined
  return reason === 'ENOENT' || reason === 'ECONNREFUSED'
}

/** Why no daemon answered at `where`, and how to get one. */
export function unreachable(where: string, failure: ConnectionFailure): ExitError {
  const { reason } = failure
  if (reason === 'EACCES' || reason === 'EPERM') {
    return new ExitError(
      EXIT.auth,
      `not allowed to use ${where}`,
      'it belongs to another user',
      failure,
    )
  }
  if (reason === 'HTTP 401' || reason === 'HTTP 403') {
    return new ExitError(
      EXIT.auth,
      `the daemon at ${where} refused the token`,
      'use the present content of rpc.cookie: --token-file <home>/rpc.cookie',
      failure,
    )
  }
  if (!isAbsent(failure)) {
    return new ExitError(
      EXIT.unreachable,
      `the connection to the daemon at ${where} broke (${reason})`,
      'hearsay status; the log says more',
      failure,
    )
  }
  return new ExitError(
    EXIT.unreachable,
    `no daemon answers at ${where}`,
    'start it with: hearsay up   (or choose another one with --home or HEARSAY_HOME)',
    failure,
  )
}

function readToken(file: string | undefined): string {
  if (file === undefined) throw new ExitError(EXIT.usage, '--url needs --token-file')
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new ExitError(EXIT.auth, `cannot read the token in ${file}: ${systemCode(error)}`)
  }
}
