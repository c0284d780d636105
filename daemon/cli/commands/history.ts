import type { Command } from 'commander'
import { EXIT, ExitError } from '../../exit-codes.ts'
import type { Context } from '../context.ts'
import { listAll } from '../listing.ts'
import type { Registry } from '../registry.ts'
import { printable, table } from '../table.ts'

interface HistoryOptions {
  readonly limit: string
  readonly all?: boolean
}

export function register(program: Command, registry: Registry): void {
  program
    .command('history')
    .description('messages, oldest first')
    .argument('[contact]', 'only with this contact')
    .option('--limit <n>', 'the last n', '50')
    .option('--all', 'all of them')
    .action(registry.action(history))
  program
    .command('show')
    .description('one message with everything that happened to it')
    .argument('<messageId>')
    .action(registry.action(show))
  program
    .command('outbox')
    .description('messages that are not delivered yet: they wait to leave, or for a receipt')
    .action(registry.action(outbox))
  program
    .command('cancel')
    .description('take a message back that has not left yet')
    .argument('<messageId>')
    .action(registry.action(cancel))
}

async function history(
  context: Context,
  contact: string | undefined,
  options: HistoryOptions,
): Promise<void> {
  if (!/^[1-9]\d*$/.test(options.limit)) {
    throw new ExitError(EXIT.usage, `--limit ${options.limit} is not a number of 1 or more`)
  }
  const max = options.all === true ? Number.POSITIVE_INFINITY : Number(options.limit)
  const filter = contact === undefined ? {} : { contact }
  const [items, names] = await context.withRpc(async (rpc) => {
    const found = await listAll(rpc, 'messages.list', { ...filter, order: 'desc' }, max)
    const contacts = await listAll(rpc, 'contacts.list', {})
    return [found.reverse(), new Map(contacts.map((one) => [one.contactId, one.alias]))]
  })
  const lines = items.map((message) => {
    const other = printable(names.get(message.contactId) ?? message.contactId)
    const who = message.direction === 'in' ? other : `→ ${other}`
    const state = message.direction === 'in' ? '' : ` (${message.state})`
    const when = message.receivedAt ?? message.sentAt
    return `${when}  ${who}: ${printable(message.body.text, '\n    ')}${state}\n`
  })
  context.out.data({ items }, lines.join(''))
}

async function show(context: Context, messageId: string): Promise<void> {
  const message = await context.call('messages.get', { messageId })
  const lines = [
    `id         ${message.messageId}`,
    `direction  ${message.direction}`,
    `contact    ${message.contactId}`,
    `state      ${message.state}`,
    ...message.history.map(
      ({ state, at, reason }) => `  ${at}  ${state}${reason === undefined ? '' : `: ${reason}`}`,
    ),
    `text       ${printable(message.body.text, '\n           ')}`,
    '',
  ]
  context.out.data(message, lines.join('\n'))
}

async function outbox(context: Context): Promise<void> {
  const items = await context.withRpc((rpc) => listAll(rpc, 'outbox.list', {}))
  const rows = items.map((message) => [
    message.messageId,
    message.state,
    message.sentAt,
    message.contactId,
  ])
  context.out.data({ items }, table(['message', 'state', 'since', 'contact'], rows))
}

async function cancel(context: Context, messageId: string): Promise<void> {
  const result = await context.call('messages.cancel', context.keyed({ messageId }))
  context.out.note(`${context.out.ok} taken back: no part of it has left`)
  context.out.data(result, '')
}
