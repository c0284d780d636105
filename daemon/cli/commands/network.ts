import { readFileSync, writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { NetworkView } from '../../../src/node/index.ts'
import { EXIT, ExitError, reasonOf, systemCode } from '../../exit-codes.ts'
import type { ParamsOf } from '../../../rpc/client/index.ts'
import { isLate, waitInSteps } from '../../waiting.ts'
import type { Context } from '../context.ts'
import { formatDuration, rpcDuration } from '../duration.ts'
import type { Registry } from '../registry.ts'
import { printQr } from '../qr.ts'
import { printable } from '../table.ts'

const LINK_TIMEOUT_MS = 30_000
const MAX_SOURCE_BYTES = 65_536

type Creation = ParamsOf<'network.create'>

interface CreateOptions {
  readonly preset?: NonNullable<Creation['preset']>
  readonly admission?: NonNullable<Creation['admission']>
  readonly announce?: string[]
  readonly out?: string
}

export function register(program: Command, registry: Registry): void {
  const network = program.command('network').description('the private network of this node')
  network
    .command('create')
    .description('make a new private network and join it; prints its URI')
    .argument('<name>')
    .addOption(
      new Option('--preset <preset>', 'balanced, when not given').choices([
        'balanced',
        'strong',
        'swift',
        'lab',
      ]),
    )
    .addOption(
      new Option('--admission <rule>', 'open is for tests on one machine').choices([
        'operator',
        'open',
      ]),
    )
    .option('--announce <addresses...>', 'where others reach this node, such as /ip4/…/tcp/…')
    .option('--out <file>', 'also write the network file')
    .action(registry.action(create))
  network
    .command('inspect')
    .description('show what a network file or URI says; changes nothing')
    .argument('<source>', 'file, URI, or - for stdin')
    .action(registry.action(inspect))
  network
    .command('join')
    .description('join a network and wait for the first peer')
    .argument('<source>', 'file, URI, or - for stdin')
    .option('--expect-words <words>', 'refuse unless the network has these words')
    .option('-y, --yes', 'do not ask whether the words are right')
    .action(registry.action(join))
  network
    .command('leave')
    .description('leave the network')
    .option('--wipe', 'also delete its boxes, contacts and messages')
    .action(registry.action(leave))
  network.command('show').description('the joined network').action(registry.action(show))
  network
    .command('invite')
    .description('make an invitation for another node; prints its URI')
    .option('--uses <n>', 'how many nodes may use it')
    .option('--ttl <duration>', 'how long it is valid, such as 48h')
    .action(registry.action(invite))
}

async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const { out } = context
  const { preset, admission, announce } = options
  const [result, { admission: rule }] = await context.withRpc(async (rpc) => {
    const created = await rpc.call(
      'network.create',
      context.keyed({
        name,
        join: true,
        ...(preset === undefined ? {} : { preset }),
        ...(admission === undefined ? {} : { admission }),
        ...(announce === undefined ? {} : { announce: announce.flatMap((a) => a.split(',')) }),
      }),
    )
    return [created, await rpc.call('network.get')]
  })
  if (options.out !== undefined) writeOut(options.out, result.file)
  out.note(
    `${out.ok} network ${name} made and joined\n` +
      `  words  ${result.words}   (tell them to the people you invite, over another channel)\n` +
      (rule === 'open'
        ? '  others join with: hearsay network join -   and paste this URI'
        : '  others need an invitation: hearsay network invite'),
  )
  out.data(result, result.uri)
}

async function inspect(context: Context, source: string): Promise<void> {
  const view = await context.call('network.inspect', await readSource(context, source))
  context.out.data(view, describe(view))
}

interface JoinOptions {
  readonly expectWords?: string
  readonly yes?: boolean
}

async function join(context: Context, source: string, options: JoinOptions): Promise<void> {
  const { out } = context
  const given = await readSource(context, source)
  const ask = options.yes !== true && options.expectWords === undefined && source !== '-'
  await context.withRpc(async (rpc) => {
    const view = await rpc.call('network.inspect', given)
    out.note(describe(view))
    if (ask && context.io.stdin.isTTY && out.interactive) {
      const right = await context.confirm('Are these the words you were told?')
      if (!right) throw new ExitError(EXIT.trust, 'not joined: the words were not confirmed')
    }
    const expected = options.expectWords === undefined ? {} : { expectWords: options.expectWords }
    const joined = await rpc.call('network.join', context.keyed({ ...given, ...expected }))
    out.progress('joined, looking for peers …')
    const timeoutMs = context.timeoutMs(LINK_TIMEOUT_MS)
    try {
      const { peers } = await waitInSteps(context.waiting, timeoutMs, (ms, signal) =>
        rpc.call('node.wait', { for: 'linked', timeoutMs: ms }, signal),
      )
      out.note(`${out.ok} joined and linked, ${peers} ${peers === 1 ? 'peer' : 'peers'}`)
      out.data({ ...joined, state: 'linked' }, '')
    } catch (error) {
      if (!isLate(error)) throw error
      if (error.kind === 'CLOCK_SKEW') {
        throw new ExitError(
          EXIT.network,
          `joined, but not linked: ${error.message}`,
          'set the clock: timedatectl set-ntp true; the node then goes on by itself',
          error,
        )
      }
      throw new ExitError(
        EXIT.network,
        `joined, but no peer answered within ${formatDuration(timeoutMs)}; the node goes on trying`,
        `check that one of these is up and reachable: ${view.bootstraps.join(', ')}; hearsay doctor`,
      )
    }
  })
}

async function leave(context: Context, options: { wipe?: boolean }): Promise<void> {
  const { out, io } = context
  if (options.wipe === true && io.stdin.isTTY && out.interactive) {
    const sure = await context.confirm('Delete all contacts and messages of this network?')
    if (!sure) throw new ExitError(EXIT.usage, 'nothing was changed')
  }
  const result = await context.call(
    'network.leave',
    context.keyed(options.wipe === true ? { wipe: true } : {}),
  )
  out.note(`${out.ok} left the network`)
  out.data(result, '')
}

async function show(context: Context): Promise<void> {
  const view = await context.call('network.get')
  context.out.data(view, `${describe(view)}uri        ${view.uri}\n`)
}

async function invite(context: Context, options: { uses?: string; ttl?: string }): Promise<void> {
  const { uses, ttl } = options
  if (uses !== undefined && !/^[1-9]\d*$/.test(uses)) {
    throw new ExitError(EXIT.usage, `--uses ${uses} is not a number of 1 or more`)
  }
  const result = await context.call(
    'network.invite',
    context.keyed({
      ...(uses === undefined ? {} : { uses: Number(uses) }),
      ...(ttl === undefined ? {} : { ttl: rpcDuration(ttl) }),
    }),
  )
  await printQr(context, result.uri)
  context.out.note(`valid until ${result.expiresAt}`)
  context.out.data(result, result.uri)
}

type Source = { readonly uri: string } | { readonly file: string }

/** The text of a URI, a file or stdin. */
async function readSource(context: Context, source: string): Promise<Source> {
  if (source === '-') return asSource(await context.readStdin(MAX_SOURCE_BYTES, 'Paste the URI'))
  if (source.startsWith('hearsay:')) return asSource(source)
  try {
    return asSource(readFileSync(source, 'utf8'))
  } catch (error) {
    const code = systemCode(error)
    throw new ExitError(
      code === 'ENOENT' ? EXIT.notFound : EXIT.usage,
      `cannot read the network file ${source}: ${code ?? reasonOf(error)}`,
    )
  }
}

/** A file may hold a URI alone: people save what they were sent. */
function asSource(text: string): Source {
  const bare = text.trim()
  return bare.startsWith('hearsay:') ? { uri: bare } : { file: text }
}

function writeOut(file: string, text: string): void {
  try {
    // The file holds the network's key: whoever reads it can connect.
    writeFileSync(file, text, { mode: 0o600 })
  } catch (error) {
    throw new ExitError(
      EXIT.storage,
      `cannot write ${file}: ${systemCode(error) ?? reasonOf(error)}`,
    )
  }
}

function describe(view: NetworkView): string {
  return [
    `name       ${printable(view.name)}`,
    `words      ${view.words}`,
    `preset     ${view.preset}, admission ${view.admission}`,
    `created    ${view.createdAt}${view.expiresAt === undefined ? '' : `, expires ${view.expiresAt}`}`,
    ...view.bootstraps.map((address, i) => `${i === 0 ? 'bootstrap' : '         '}  ${address}`),
    '',
  ].join('\n')
}
