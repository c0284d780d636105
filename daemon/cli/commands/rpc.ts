import { createConnection, type Socket } from 'node:net'
import type { Command } from 'commander'
import { ConnectionFailure } from '../../../rpc/client/index.ts'
import { unreachable } from '../../connect.ts'
import { EXIT, ExitError, systemCode } from '../../exit-codes.ts'
import { refuseForeignSocket } from '../../running.ts'
import type { Context } from '../context.ts'
import type { Registry } from '../registry.ts'
import { table } from '../table.ts'

const MAX_PARAMS_BYTES = 1_048_576

interface Described {
  readonly name: string
  readonly summary?: string
}

export function register(program: Command, registry: Registry): void {
  const rpc = program.command('rpc').description('the JSON-RPC interface itself')
  rpc
    .command('call')
    .description('call a method; prints its result as JSON')
    .argument('<method>')
    .argument(
      '[params...]',
      'key=value pairs (body.text=hi for nested ones), or - for JSON on stdin',
    )
    .action(registry.action(call))
  rpc.command('methods').description('list the methods').action(registry.action(methods))
  rpc
    .command('schema')
    .description('print the OpenRPC document, or the part about one method')
    .argument('[method]')
    .action(registry.action(schema))
  rpc
    .command('stdio')
    .description(
      'JSON-RPC on stdin and stdout, one message a line, for programs that embed this one',
    )
    .action(registry.action(stdio))
}

async function call(context: Context, method: string, pairs: string[]): Promise<void> {
  const params = pairs[0] === '-' ? await stdinParams(context) : parsePairs(pairs)
  const result = await context.withRpc((rpc) =>
    rpc.request(method, context.keyed(params), context.signal),
  )
  context.out.data(result, JSON.stringify(result, undefined, 2))
}

async function stdinParams(context: Context): Promise<Record<string, unknown>> {
  const text = await context.readStdin(MAX_PARAMS_BYTES, 'Type the params as JSON')
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch {
    // Told below, like any other value that is not an object.
  }
  throw new ExitError(EXIT.usage, 'stdin is not a JSON object', 'for example {"to": "bob"}')
}

/** `a=1 b=text c.d=true` as `{a: 1, b: 'text', c: {d: true}}`; a value that is no JSON is a string. */
export function parsePairs(pairs: readonly string[]): Record<string, unknown> {
  const params: Record<string, unknown> = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at < 1) throw new ExitError(EXIT.usage, `"${pair}" is not key=value`)
    const path = pair.slice(0, at).split('.')
    const last = path.pop() ?? ''
    let node = params
    for (const name of path) {
      const next = Object.hasOwn(node, name) ? node[name] : undefined
      const inner = typeof next === 'object' && next !== null ? next : {}
      define(node, name, inner)
      node = inner as Record<string, unknown>
    }
    define(node, last, parseValue(pair.slice(at + 1)))
  }
  return params
}

/** An own property whatever the name: `__proto__=…` must stay data. */
function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  })
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function discover(context: Context): Promise<{ methods: readonly Described[] }> {
  return (await context.call('rpc.discover')) as unknown as { methods: readonly Described[] }
}

async function methods(context: Context): Promise<void> {
  const document = await discover(context)
  const items = document.methods.map(({ name, summary = '' }) => ({ name, summary }))
  const rows = items.map(({ name, summary }) => [name, summary])
  context.out.data({ items }, table(['method', 'what it does'], rows))
}

async function schema(context: Context, method: string | undefined): Promise<void> {
  const document = await discover(context)
  const part =
    method === undefined ? document : document.methods.find(({ name }) => name === method)
  if (part === undefined) {
    throw new ExitError(EXIT.notFound, `no method "${method}"`, 'hearsay rpc methods')
  }
  context.out.data(part, JSON.stringify(part, undefined, 2))
}

/** Copies bytes between this process and the socket until either side ends. @throws ExitError 3 when the connection breaks. */
async function stdio(context: Context): Promise<void> {
  const { ownHome } = context
  const { socket } = context.target
  const connection = createConnection(socket)
  const fail = (reject: (error: Error) => void) => (error: Error) =>
    reject(unreachable(socket, new ConnectionFailure(systemCode(error) ?? 'closed')))
  await new Promise<void>((resolve, reject) => {
    connection.once('connect', resolve)
    connection.once('error', fail(reject))
  })
  try {
    if (ownHome !== undefined) refuseForeignSocket(socket, ownHome)
  } catch (error) {
    connection.destroy()
    throw error
  }
  const ended = new Promise<void>((resolve, reject) => {
    connection.once('close', () => resolve())
    connection.once('error', fail(reject))
  })
  context.signal.addEventListener('abort', () => connection.destroy())
  // Streaming: a chunk may end inside a character.
  const decoder = new TextDecoder()
  connection.on('data', (bytes) => context.out.raw(decoder.decode(bytes, { stream: true })))
  // Whichever ends first ends it: a program that waits for an answer must see that none will come.
  try {
    await Promise.race([ended, copyIn(context, connection).then(() => ended)])
  } finally {
    context.io.stdin.close()
  }
  context.signal.throwIfAborted()
}

async function copyIn(context: Context, connection: Socket): Promise<void> {
  for await (const part of context.stdin()) {
    if (connection.destroyed) return
    if (connection.write(part)) continue
    await drained(connection)
  }
  connection.end()
}

/** Resolves when the connection takes bytes again, or never will. */
function drained(connection: Socket): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      connection.off('drain', end)
      connection.off('close', end)
      resolve()
    }
    connection.on('drain', end)
    connection.on('close', end)
  })
}
