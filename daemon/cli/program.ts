import { Command, CommanderError } from 'commander'
import { DAEMON_EXIT, EXIT } from '../exit-codes.ts'
import { type CatalogueEntry, COMMANDS } from './catalogue.ts'
import { type Connect, Context, type GlobalOptions } from './context.ts'
import { exitCodeOf, explain } from './failures.ts'
import { type Io, SIGNAL_EXIT } from './io.ts'
import type { Registry } from './registry.ts'

/** Global options whose next word is their value. */
const VALUE_OPTIONS = [
  '--home',
  '--timeout',
  '--socket',
  '--url',
  '--token-file',
  '--idempotency-key',
]

const FOOTER = `
Exit codes: 0 ok, 1 error of the daemon, 2 usage, 3 daemon not reachable, 4 not allowed, 5 not ready,
6 accepted but not confirmed in time, 7 not found, 8 conflict, 9 quota, 10 storage, 11 network, 12 trust.
Everything lives under HEARSAY_HOME (or --home); without it, under the XDG folders of the user.`

/**
 * Runs one command line to its end. Never throws.
 * @returns the exit code.
 */
export async function run(argv: readonly string[], io: Io, connect: Connect): Promise<number> {
  const aborter = new AbortController()
  let caught: string | undefined
  io.onSignal((signal) => {
    caught = signal
    aborter.abort(new Error('interrupted'))
  })
  let exitCode = 0
  const program = makeProgram(io)
  const registry: Registry = {
    loadAll: async () => {
      for (const entry of COMMANDS) await add(program, registry, entry)
    },
    action:
      (body) =>
      async (...args) => {
        const command = args.at(-1) as Command
        const context = new Context(
          { io, connect, signal: aborter.signal },
          program.opts<GlobalOptions>(),
        )
        try {
          exitCode = (await body(context, ...(args.slice(0, -1) as never))) ?? EXIT.ok
        } catch (error) {
          if (caught !== undefined) {
            exitCode = SIGNAL_EXIT[caught] ?? 1
            return
          }
          explain(context.out, error)
          exitCode = exitCodeOf(error)
          if (command.name() === 'run' && exitCode === EXIT.usage) exitCode = DAEMON_EXIT.usage
        }
      },
  }
  const words = protectPassThrough(argv)
  try {
    await registerNeeded(program, registry, words)
    await program.parseAsync([...words], { from: 'user' })
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return EXIT.ok
    return argv[0] === 'run' ? DAEMON_EXIT.usage : EXIT.usage
  }
}

function makeProgram(io: Io): Command {
  return new Command('hearsay')
    .description('A private messaging node. Frontends and scripts talk to it over JSON-RPC.')
    .option('--home <dir>', 'keep everything of the daemon in this folder (HEARSAY_HOME)')
    .option('--json', 'print JSON on stdout, one value or one per line')
    .option('-q, --quiet', 'no progress and no hints on stderr')
    .option('--no-color', 'no colours (also NO_COLOR)')
    .option('--timeout <duration>', 'how long to wait, such as 30s or 5m')
    .option('--socket <path>', 'Unix socket of the daemon')
    .option('--url <url>', 'HTTP address of the daemon instead of the socket')
    .option('--token-file <file>', 'file with the token for --url')
    .option('--idempotency-key <key>', 'repeat a change safely: same key, same effect, once')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) => write(text.replace(/^error: /, 'hearsay: ')),
    })
    .showSuggestionAfterError()
    .addHelpText('after', FOOTER)
}

/** Loads the module of the command that was asked for; all of them for help and for unknown words. */
async function registerNeeded(
  program: Command,
  registry: Registry,
  argv: readonly string[],
): Promise<void> {
  const word = argv.find(
    (arg, index) => !arg.startsWith('-') && !VALUE_OPTIONS.includes(argv[index - 1] ?? ''),
  )
  const wanted = COMMANDS.filter((entry) => word !== undefined && entry.names.includes(word))
  const helpFirst = argv[0] === 'help' || argv[0] === '--help' || argv[0] === '-h'
  const entries = wanted.length === 0 || helpFirst ? COMMANDS : wanted
  for (const entry of entries) await add(program, registry, entry)
}

async function add(program: Command, registry: Registry, entry: CatalogueEntry): Promise<void> {
  if (program.commands.some((known) => entry.names.includes(known.name()))) return
  const { register } = await entry.load()
  register(program, registry)
}

/** What follows the node's number in `testnet exec <i> …` belongs to the command that runs there. */
function protectPassThrough(argv: readonly string[]): readonly string[] {
  const at = argv.findIndex((word, index) => word === 'exec' && argv[index - 1] === 'testnet')
  if (at === -1) return argv
  const node = argv.findIndex((word, index) => index > at && /^\d+$/.test(word))
  if (node === -1 || argv[node + 1] === '--') return argv
  return [...argv.slice(0, node + 1), '--', ...argv.slice(node + 1)]
}
