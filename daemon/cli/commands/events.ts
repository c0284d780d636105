import type { Command } from 'commander'
import type { EventView } from '../../../src/node/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import { RpcFailure } from '../../../rpc/client/index.ts'
import { receivedMessage } from '../../message-event.ts'
import { endingWith, type Rpc } from '../../rpc-port.ts'
import { SILENCE_MS, silentDaemon } from '../../waiting.ts'
import type { Context } from '../context.ts'
import { listAll } from '../listing.ts'
import type { Registry } from '../registry.ts'
import { printable, table } from '../table.ts'

const LISTEN_CONSUMER = 'cli-listen'
/** Stands for an event that the disk has changed, of any type. */
const DAMAGED = 'storage.damaged'

interface ListenOptions {
  readonly consumer: string
  readonly count?: string
}

interface TailOptions {
  readonly consumer?: string
  readonly after?: string
  readonly types?: string
  readonly count?: string
  readonly ack: boolean
}

export function register(program: Command, registry: Registry): void {
  program
    .command('listen')
    .description('print messages as they arrive; resumes where it left off, nothing is lost')
    .option('--consumer <name>', 'durable name of this reader', LISTEN_CONSUMER)
    .option('--count <n>', 'end after n messages')
    .action(registry.action(listen))
  const events = program.command('events').description('the journal of everything that happens')
  events
    .command('tail')
    .description('print events; with --consumer it resumes after the last acknowledged one')
    .option('--consumer <name>', 'durable consumer; made from the start when it is new')
    .option('--after <seq>', 'without a consumer: start after this event (default: now)')
    .option('--types <types>', 'only these types, separated by commas')
    .option('--count <n>', 'end after n events')
    .option('--no-ack', 'leave acknowledging to `events ack`')
    .action(registry.action(tail))
  events
    .command('ack')
    .description('acknowledge all events of a consumer up to seq')
    .argument('<consumer>')
    .argument('<seq>')
    .action(registry.action(ack))
  const consumers = events
    .command('consumers')
    .description('durable consumers')
    .action(registry.action(listConsumers))
  consumers
    .command('create')
    .argument('<name>')
    .option('--from <position>', 'now, start or a sequence number', 'now')
    .option('--types <types>', 'only these types, separated by commas')
    .description('make a durable consumer')
    .action(registry.action(createConsumer))
  consumers
    .command('delete')
    .argument('<name>')
    .description('delete a durable consumer')
    .action(registry.action(deleteConsumer))
}

async function listen(context: Context, options: ListenOptions): Promise<void> {
  const limits = limitsOf(context)
  await context.withRpc(async (connection) => {
    const rpc = endingWith(connection, limits.calls)
    const types = ['message.received']
    await ensureConsumer(rpc, options.consumer, types)
    let names = await aliases(rpc)
    await deliver(context, rpc, {
      limits,
      consumer: options.consumer,
      count: parseCount(options.count),
      ack: true,
      print: async (event) => {
        if (event.type === DAMAGED) {
          return `${event.time}  event ${event.seq} cannot be read any more: hearsay history has the messages`
        }
        const { contactId: id, text } = receivedMessage(event)
        if (!names.has(id)) names = await aliases(rpc)
        const sender = printable(names.get(id) ?? id)
        return `${event.time}  ${sender}: ${printable(text, '\n    ')}`
      },
    })
  })
}

async function tail(context: Context, options: TailOptions): Promise<void> {
  const types = options.types === undefined ? undefined : options.types.split(',')
  const limits = limitsOf(context)
  await context.withRpc(async (connection) => {
    const rpc = endingWith(connection, limits.calls)
    if (options.consumer !== undefined) await ensureConsumer(rpc, options.consumer, types)
    await deliver(context, rpc, {
      limits,
      ...(options.consumer === undefined ? {} : { consumer: options.consumer }),
      ...(options.after === undefined ? {} : { after: parseSeq(options.after) }),
      ...(types === undefined || options.consumer !== undefined ? {} : { types }),
      count: parseCount(options.count),
      ack: options.consumer !== undefined && options.ack,
      print: (event) =>
        Promise.resolve(
          `${event.seq}  ${event.time}  ${event.type}  ${printable(JSON.stringify(event.data))}`,
        ),
    })
  })
}

interface Limits {
  /** Aborts after `--timeout`. */
  readonly end: AbortSignal
  /** For calls: aborts when what was asked before the end has had time to be answered, or when the command has to end. */
  readonly calls: AbortSignal
}

interface DeliverOptions {
  readonly limits: Limits
  readonly consumer?: string
  readonly after?: number
  readonly types?: string[]
  readonly count: number
  readonly ack: boolean
  readonly print: (event: EventView) => Promise<string>
}

/** Prints events until the count, the signal or the end of the connection; acknowledges after printing. */
async function deliver(context: Context, rpc: Rpc, options: DeliverOptions): Promise<void> {
  const { consumer, after, types } = options
  const subscription = {
    ...(consumer === undefined ? {} : { consumer }),
    ...(after === undefined ? {} : { after }),
    ...(types === undefined ? {} : { types }),
  }
  let left = options.count
  const { end } = options.limits
  const arriving = rpc.subscribe(subscription, AbortSignal.any([context.signal, end]))
  for await (const event of explained(arriving, consumer)) {
    context.out.data(event, await options.print(event))
    // On a disk that is full nothing was printed, and what is acknowledged never comes again.
    await context.out.delivered()
    if (options.ack && consumer !== undefined) {
      await rpc.call('events.ack', { consumer, seq: event.seq })
    }
    if (event.type !== DAMAGED && --left === 0) return
  }
  context.signal.throwIfAborted()
  if (end.aborted) throw new ExitError(EXIT.unconfirmed, 'the time of --timeout is over')
}

/** The events; of a consumer that was away for longer than events are kept, with the way on. */
async function* explained(events: AsyncIterable<EventView>, consumer: string | undefined) {
  try {
    yield* events
  } catch (error) {
    const isTooOld = error instanceof RpcFailure && error.kind === 'CURSOR_TOO_OLD'
    if (!isTooOld || consumer === undefined) throw error
    const oldest = Number(error.data['oldest'])
    throw new ExitError(
      EXIT.notFound,
      `events that "${consumer}" has not had are no longer kept; the first that is left is ${oldest}`,
      `hearsay events ack ${consumer} ${oldest - 1} goes on with it; hearsay history has the messages`,
      error,
    )
  }
}

/** Nothing aborts by time without `--timeout`. */
function limitsOf(context: Context): Limits {
  const end = new AbortController()
  const silence = new AbortController()
  const ms = context.timeoutMs(Number.POSITIVE_INFINITY)
  if (ms !== Number.POSITIVE_INFINITY) {
    const { clock } = context.io
    clock.setTimer(ms, () => end.abort(new Error('late')))
    clock.setTimer(ms + SILENCE_MS, () => silence.abort(silentDaemon()))
  }
  return { end: end.signal, calls: AbortSignal.any([context.ending, silence.signal]) }
}

async function ensureConsumer(rpc: Rpc, name: string, types: string[] | undefined): Promise<void> {
  const { items } = await rpc.call('events.consumers.list')
  if (items.some((consumer) => consumer.name === name)) return
  await rpc.call('events.consumers.create', {
    name,
    from: 'start',
    ...(types === undefined ? {} : { types }),
  })
}

async function aliases(rpc: Rpc): Promise<Map<string, string>> {
  const contacts = await listAll(rpc, 'contacts.list', {})
  return new Map(contacts.map((contact) => [contact.contactId, contact.alias]))
}

async function ack(context: Context, consumer: string, seq: string): Promise<void> {
  const result = await context.call('events.ack', { consumer, seq: parseSeq(seq) })
  context.out.data(result, '')
}

async function listConsumers(context: Context): Promise<void> {
  const result = await context.call('events.consumers.list')
  const rows = result.items.map((consumer) => [
    consumer.name,
    consumer.cursor,
    consumer.lag,
    consumer.types?.join(',') ?? 'all',
  ])
  context.out.data(result, table(['consumer', 'cursor', 'lag', 'types'], rows))
}

async function createConsumer(
  context: Context,
  name: string,
  options: { from: string; types?: string },
): Promise<void> {
  const { from, types } = options
  const result = await context.call(
    'events.consumers.create',
    context.keyed({
      name,
      from: from === 'now' || from === 'start' ? from : parseSeq(from),
      ...(types === undefined ? {} : { types: types.split(',') }),
    }),
  )
  context.out.data(result, '')
}

async function deleteConsumer(context: Context, name: string): Promise<void> {
  try {
    context.out.data(await context.call('events.consumers.delete', context.keyed({ name })), '')
  } catch (error) {
    if (error instanceof RpcFailure && error.kind === 'CONSUMER_NOT_FOUND') {
      throw new ExitError(EXIT.notFound, `no consumer "${name}"`, 'hearsay events consumers')
    }
    throw error
  }
}

function parseSeq(text: string): number {
  const seq = Number(text)
  if (!Number.isSafeInteger(seq) || seq < 0) {
    throw new ExitError(EXIT.usage, `"${text}" is not a sequence number`)
  }
  return seq
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  const count = parseSeq(text)
  if (count === 0) throw new ExitError(EXIT.usage, '--count must be 1 or more')
  return count
}
