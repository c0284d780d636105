import type { Command } from 'commander'
import type { EventView } from '../../../src/node/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import { RpcFailure } from '../../../rpc/client/index.ts'
import { receivedMessage } from '../../message-event.ts'
import { endingWith, type Rpc, type Subscription } from '../../rpc-port.ts'
import { SILENCE_MS, silentDaemon } from '../../waiting.ts'
import type { Context } from '../context.ts'
import { listAll } from '../listing.ts'
import type { Registry } from '../registry.ts'
import { printable, table } from '../table.ts'

const LISTEN_CONSUMER = 'cli-listen'
/** Stands for an event that the disk has changed, of any type. */
const DAMAGED = 'storage.damaged'
const RESTORED =
  'the database was restored: events after the backup are gone, and messages come again where they were not acknowledged'
const EPOCH_OPTION = [
  '--epoch <id>',
  'of events that you have had (--json shows it): ends with 8 when the database was restored since',
] as const

interface ListenOptions {
  readonly consumer: string
  readonly epoch?: string
  readonly count?: string
}

interface TailOptions {
  readonly consumer?: string
  readonly after?: string
  readonly epoch?: string
  readonly types?: string
  readonly count?: string
  readonly ack: boolean
}

export function register(program: Command, registry: Registry): void {
  program
    .command('listen')
    .description('print messages as they arrive; resumes where it left off, nothing is lost')
    .option('--consumer <name>', 'durable name of this reader', LISTEN_CONSUMER)
    .option(...EPOCH_OPTION)
    .option('--count <n>', 'end after n messages')
    .action(registry.action(listen))
  const events = program.command('events').description('the journal of everything that happens')
  events
    .command('tail')
    .description('print events; with --consumer it resumes after the last acknowledged one')
    .option('--consumer <name>', 'durable consumer; made from the start when it is new')
    .option('--after <seq>', 'without a consumer: start after this event (default: now)')
    .option(...EPOCH_OPTION)
    .option('--types <types>', 'only these types, separated by commas')
    .option('--count <n>', 'end after n events')
    .option('--no-ack', 'leave acknowledging to `events ack`')
    .action(registry.action(tail))
  events
    .command('ack')
    .description('acknowledge all events of a consumer up to seq')
    .argument('<consumer>')
    .argument('<seq>')
    .option(...EPOCH_OPTION)
    .action(registry.action(ack))
  const consumers = events
    .command('consumers')
    .description('durable consumers')
    .action(registry.action(listConsumers))
  consumers
    .command('create')
    .argument('<name>')
    .option('--from <position>', 'now, start or a sequence number', 'now')
    .option(...EPOCH_OPTION)
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
  const { consumer } = options
  const epoch = options.epoch === undefined ? {} : { epoch: options.epoch }
  const limits = limitsOf(context)
  await context.withRpc(async (connection) => {
    const rpc = endingWith(connection, limits.calls)
    await ensureConsumer(context, rpc, { consumer, types: ['message.received'], ...epoch })
    let names = await aliases(rpc)
    await deliver(context, rpc, {
      end: limits.end,
      consumer,
      ...epoch,
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
  const types = options.types === undefined ? {} : { types: options.types.split(',') }
  const epoch = options.epoch === undefined ? {} : { epoch: options.epoch }
  const { consumer } = options
  const limits = limitsOf(context)
  await context.withRpc(async (connection) => {
    const rpc = endingWith(connection, limits.calls)
    if (consumer !== undefined) await ensureConsumer(context, rpc, { consumer, ...types, ...epoch })
    await deliver(context, rpc, {
      end: limits.end,
      ...(consumer === undefined ? types : { consumer }),
      ...(options.after === undefined ? {} : { after: parseSeq(options.after) }),
      ...epoch,
      count: parseCount(options.count),
      ack: consumer !== undefined && options.ack,
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

interface DeliverOptions extends Subscription {
  readonly end: AbortSignal
  readonly count: number
  readonly ack: boolean
  readonly print: (event: EventView) => Promise<string>
}

/** Prints events until the count, the signal or the end of the connection; acknowledges after printing. */
async function deliver(context: Context, rpc: Rpc, options: DeliverOptions): Promise<void> {
  const { count, ack: acknowledges, print, end, ...subscription } = options
  const { consumer } = subscription
  let left = count
  const arriving = rpc.subscribe(subscription, AbortSignal.any([context.signal, end]))
  for await (const event of explained(arriving, subscription)) {
    context.out.data(event, await print(event))
    // On a disk that is full nothing was printed, and what is acknowledged never comes again.
    await context.out.delivered()
    if (acknowledges && consumer !== undefined) {
      await rpc.call('events.ack', { consumer, seq: event.seq, epoch: event.epoch })
    }
    if (event.type !== DAMAGED && --left === 0) return
  }
  context.signal.throwIfAborted()
  if (end.aborted) throw new ExitError(EXIT.unconfirmed, 'the time of --timeout is over')
}

/** The events; of a reader that cannot go on where it was, with the way on. */
async function* explained(
  events: AsyncIterable<EventView>,
  { consumer, epoch }: Pick<Subscription, 'consumer' | 'epoch'>,
) {
  try {
    yield* events
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error
    if (error.kind === 'CURSOR_TOO_OLD' && consumer !== undefined) throw tooOld(consumer, error)
    // Without either, it may as well be a number that was never given out.
    const isOtherEpoch = error.kind === 'CURSOR_AHEAD' && (consumer ?? epoch) !== undefined
    throw isOtherEpoch ? otherEpoch(consumer, error) : error
  }
}

/** The consumer was away for longer than events are kept. */
function tooOld(consumer: string, failure: RpcFailure): ExitError {
  const oldest = Number(failure.data['oldest'])
  return new ExitError(
    EXIT.notFound,
    `events that "${consumer}" has not had are no longer kept; the first that is left is ${oldest}`,
    `hearsay events ack ${consumer} ${oldest - 1} goes on with it; hearsay history has the messages`,
    failure,
  )
}

function otherEpoch(consumer: string | undefined, failure: RpcFailure): ExitError {
  const present = String(failure.data['epoch'])
  return new ExitError(
    EXIT.conflict,
    RESTORED,
    consumer === undefined
      ? `hearsay events tail --after 0 --epoch ${present} begins anew; hearsay history has the messages`
      : `the same without --epoch, or with --epoch ${present}, goes on where the backup left "${consumer}"`,
    failure,
  )
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

/** Makes the consumer unless it is there; says so when the database was restored since its last acknowledgement. */
async function ensureConsumer(
  context: Context,
  rpc: Rpc,
  options: { readonly consumer: string; readonly types?: string[]; readonly epoch?: string },
): Promise<void> {
  const { consumer: name, types, epoch } = options
  const { items } = await rpc.call('events.consumers.list')
  const found = items.find((consumer) => consumer.name === name)
  if (found === undefined) {
    const made = { name, from: 'start' as const, ...(types === undefined ? {} : { types }) }
    await rpc.call('events.consumers.create', made)
  } else if (found.formerEpoch !== undefined && epoch === undefined) {
    context.out.alert(`${context.out.warn} ${RESTORED}`)
  }
}

async function aliases(rpc: Rpc): Promise<Map<string, string>> {
  const contacts = await listAll(rpc, 'contacts.list', {})
  return new Map(contacts.map((contact) => [contact.contactId, contact.alias]))
}

async function ack(
  context: Context,
  consumer: string,
  seq: string,
  { epoch }: { readonly epoch?: string },
): Promise<void> {
  const result = await context.call('events.ack', {
    consumer,
    seq: parseSeq(seq),
    ...(epoch === undefined ? {} : { epoch }),
  })
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
  options: { from: string; epoch?: string; types?: string },
): Promise<void> {
  const { from, epoch, types } = options
  const result = await context.call(
    'events.consumers.create',
    context.keyed({
      name,
      from: from === 'now' || from === 'start' ? from : parseSeq(from),
      ...(epoch === undefined ? {} : { epoch }),
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
