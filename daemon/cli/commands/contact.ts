import type { Command } from 'commander'
import type { ContactView } from '../../../src/node/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import type { Rpc } from '../../rpc-port.ts'
import { followContact, stateText } from '../contact-progress.ts'
import type { Context } from '../context.ts'
import { rpcDuration } from '../duration.ts'
import { listAll } from '../listing.ts'
import type { Registry } from '../registry.ts'
import { printQr } from '../qr.ts'
import { printable, table } from '../table.ts'

const READY_TIMEOUT_MS = 120_000
const MAX_URI_BYTES = 8_192

export function register(program: Command, registry: Registry): void {
  const contact = program.command('contact').description('people you talk to')
  contact
    .command('invite')
    .description('make an invitation for one person; prints its URI and a QR code')
    .option('--label <name>', 'what to call the person here', undefined)
    .option('--ttl <duration>', 'how long it is valid (24h)')
    .option('--wait', 'stay until the person has used it and the keys are exchanged')
    .action(registry.action(invite))
  contact
    .command('add')
    .description('use an invitation and wait until the keys are exchanged')
    .argument('<uri>', 'the invitation, or - for stdin')
    .requiredOption('--as <alias>', 'what to call the person here')
    .option('--no-wait', 'return at once')
    .action(registry.action(add))
  contact.command('list').description('all contacts').action(registry.action(list))
  contact
    .command('show')
    .description('one contact')
    .argument('<contact>')
    .action(registry.action(show))
  contact
    .command('verify')
    .description('compare the safety number with the person, then mark the contact verified')
    .argument('<contact>')
    .argument('[digits...]', 'the number that the person reads out')
    .action(registry.action(verify))
  contact
    .command('rename')
    .argument('<contact>')
    .argument('<alias>')
    .description('change what the person is called here')
    .action(registry.action(rename))
  contact
    .command('remove')
    .argument('<contact>')
    .description('delete the contact with its keys and its history')
    .action(registry.action(remove))
}

interface InviteOptions {
  readonly label?: string
  readonly ttl?: string
  readonly wait?: boolean
}

async function invite(context: Context, options: InviteOptions): Promise<void> {
  const { out } = context
  await context.withRpc(async (rpc) => {
    const view = await rpc.call(
      'contacts.invite',
      context.keyed({
        ...(options.label === undefined ? {} : { label: options.label }),
        ...(options.ttl === undefined ? {} : { ttl: rpcDuration(options.ttl) }),
      }),
    )
    await printQr(context, view.uri)
    out.note(
      'Send this to one person over a channel you trust; whoever uses it first is the contact.\n' +
        `It works once and until ${view.expiresAt}. They run: hearsay contact add - --as <name>   and paste it`,
    )
    out.data(view, view.uri)
    if (options.wait === true) await waitReady(context, rpc, view.contactId)
  })
}

async function add(
  context: Context,
  uri: string,
  options: { as: string; wait: boolean },
): Promise<void> {
  const text =
    uri === '-' ? (await context.readStdin(MAX_URI_BYTES, 'Paste the invitation')).trim() : uri
  await context.withRpc(async (rpc) => {
    const added = await rpc.call('contacts.add', context.keyed({ uri: text, alias: options.as }))
    if (!options.wait) {
      context.out.data(added, added.contactId)
      return
    }
    const view = await waitReady(context, rpc, added.contactId)
    context.out.data(view, view.contactId)
    context.out.note(
      `next: hearsay contact verify ${options.as}   and   hearsay send ${options.as}`,
    )
  })
}

/** @throws ExitError 6 when the keys are not exchanged in time, 12 when the exchange failed. */
async function waitReady(context: Context, rpc: Rpc, contactId: string): Promise<ContactView> {
  const { out } = context
  const view = await followContact(
    { rpc, ...context.waiting },
    {
      contact: contactId,
      timeoutMs: context.timeoutMs(READY_TIMEOUT_MS),
      onChange: (now) => out.progress(stateText(now)),
    },
  )
  if (view.state === 'failed') {
    throw new ExitError(
      EXIT.trust,
      `the key exchange failed: ${view.reason ?? 'unknown reason'}`,
      'ask for a new invitation',
    )
  }
  if (view.state !== 'ready') {
    out.data(view, view.contactId)
    throw new ExitError(
      EXIT.unconfirmed,
      `not ready yet (${stateText(view)}); it goes on in the background`,
      `hearsay contact show ${printable(view.alias)}`,
    )
  }
  out.note(`${out.ok} ready   safety number  ${view.safetyNumber ?? '-'}`)
  return view
}

async function list(context: Context): Promise<void> {
  const items = await context.withRpc((rpc) => listAll(rpc, 'contacts.list', {}))
  const rows = items.map((view) => [
    printable(view.alias),
    stateText(view),
    view.verified ? 'yes' : 'no',
    view.lastHeardAt ?? '-',
    view.contactId,
  ])
  context.out.data({ items }, table(['contact', 'state', 'verified', 'last heard', 'id'], rows))
}

async function show(context: Context, contact: string): Promise<void> {
  context.out.data(...(await lookUp(context, contact)))
}

async function lookUp(context: Context, contact: string): Promise<[ContactView, string]> {
  const view = await context.call('contacts.get', { contact })
  const text = [
    `contact   ${printable(view.alias)}`,
    `state     ${stateText(view)}`,
    `verified  ${view.verified ? 'yes' : 'no'}`,
    `number    ${view.safetyNumber ?? '-'}`,
    `since     ${view.createdAt}`,
    `heard     ${view.lastHeardAt ?? '-'}`,
    `id        ${view.contactId}`,
    '',
  ].join('\n')
  return [view, text]
}

async function verify(context: Context, contact: string, digits: string[]): Promise<void> {
  const { out } = context
  let safetyNumber = digits.join(' ')
  if (digits.length === 0) {
    const [view] = await lookUp(context, contact)
    if (view.safetyNumber === undefined) {
      throw new ExitError(EXIT.notReady, `no safety number yet: ${stateText(view)}`)
    }
    out.data(view, view.safetyNumber)
    if (!(await context.confirm('Does the person see the same number?'))) {
      out.note(`not marked; when it is the same: hearsay contact verify ${contact} <the number>`)
      return
    }
    safetyNumber = view.safetyNumber
  }
  const result = await context.call(
    'contacts.verify',
    context.keyed({ contact, safetyNumber: groupsOfFive(safetyNumber) }),
  )
  if (digits.length > 0) out.data(result, '')
  out.note(`${out.ok} verified`)
}

function groupsOfFive(number: string): string {
  const bare = number.replaceAll(/\D/g, '')
  return (bare.match(/.{1,5}/g) ?? []).join(' ')
}

async function rename(context: Context, contact: string, alias: string): Promise<void> {
  const result = await context.call('contacts.rename', context.keyed({ contact, alias }))
  context.out.note(`${context.out.ok} renamed`)
  context.out.data(result, '')
}

async function remove(context: Context, contact: string): Promise<void> {
  const result = await context.call('contacts.remove', context.keyed({ contact }))
  context.out.note(`${context.out.ok} removed with its keys and messages`)
  context.out.data(result, '')
}
