import { type Command, Option } from 'commander'
import { startInBackground } from '../../background.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import { prepareHome } from '../../prepare.ts'
import { daemonProcess, findDaemon } from '../../running.ts'
import type { Context } from '../context.ts'
import { formatDuration, parseDuration } from '../duration.ts'
import type { Registry } from '../registry.ts'

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 30_000
const POLL_MS = 50

export function register(program: Command, registry: Registry): void {
  program
    .command('init')
    .description('make the home folder and a commented config.toml; no network contact')
    .action(registry.action(init))
  program
    .command('up')
    .description('start the daemon in the background and wait until it is ready')
    .action(registry.action(up))
  program
    .command('down')
    .description('stop the daemon')
    .option('--drain <duration>', 'first let queued messages leave, at most this long')
    .action(registry.action(down))
  program
    .command('run')
    .description('run the daemon in the foreground, as a service manager does')
    .option('--listen <addresses>', 'addresses for other nodes, separated by commas')
    .option('--log-level <level>', 'error, warn, info or debug')
    .addOption(new Option('--stop-with-stdin', 'stop when stdin ends').hideHelp())
    .action(registry.action(runForeground))
}

async function init(context: Context): Promise<void> {
  const { home, out } = context
  const { created } = await prepareHome(home)
  out.note(
    `${out.ok} ${created ? 'made' : 'kept'} ${home.configFile}\n` +
      `${out.ok} data goes to ${home.root}\n` +
      'next: hearsay up',
  )
  out.data({ home: home.root, config: home.configFile, created }, '')
}

async function up(context: Context): Promise<number> {
  const { out, home } = context
  const started = context.io.clock.monotonic()
  out.progress('starting …')
  const result = await startInBackground(
    { clock: context.io.clock, env: context.io.env, signal: context.signal },
    {
      home,
      timeoutMs: context.timeoutMs(START_TIMEOUT_MS),
      isReady: () =>
        context.withRpc(async (rpc) => {
          const { state } = await rpc.call('node.status')
          return state === 'running' || state === 'readonly'
        }),
    },
  )
  if (result.kind === 'failed') {
    if (result.said !== '') out.alert(result.said)
    else out.alert(`hearsay: the daemon ended with exit code ${result.exitCode}`)
    out.note(`log: ${home.logFile}`)
    return result.exitCode
  }
  const { socket, logFile } = findDaemon(home)
  const took = formatDuration(context.io.clock.monotonic() - started)
  out.note(
    result.kind === 'already'
      ? `${out.ok} already running`
      : `${out.ok} daemon ready in ${took}\n  log     ${logFile}`,
  )
  out.note(`  socket  ${socket}`)
  out.data({ socket, log: logFile, started: result.kind === 'started' }, '')
  return EXIT.ok
}

async function down(context: Context, options: { drain?: string }): Promise<void> {
  const { out, io, ownHome } = context
  const drainMs = options.drain === undefined ? undefined : parseDuration(options.drain)
  const closing = () => (ownHome === undefined ? undefined : daemonProcess(ownHome))
  let isListening = await context.isRunning()
  // One that is stopping already has no socket any more.
  if (!isListening && closing() === undefined) {
    out.note('not running')
    out.data({ stopped: false }, '')
    return
  }
  out.progress('stopping …')
  let hungUp = isListening ? await askToStop(context, drainMs) : undefined
  const deadline = io.clock.monotonic() + context.timeoutMs(STOP_TIMEOUT_MS) + (drainMs ?? 0)
  // Not before its database is closed: whoever starts it again at once must not be refused.
  while (isListening || closing() !== undefined) {
    if (io.clock.monotonic() > deadline) throw hungUp ?? notStopped(isListening, closing()?.pid)
    await io.clock.sleep(POLL_MS, context.signal)
    isListening = await context.isRunning()
    if (isListening && hungUp !== undefined) hungUp = await askToStop(context, drainMs)
  }
  out.note(`${out.ok} stopped`)
  out.data({ stopped: true }, '')
}

function notStopped(isListening: boolean, pid: number | undefined): ExitError {
  const fix =
    isListening || pid === undefined
      ? 'see the log'
      : `it has no socket: when it is not stopping, kill -TERM ${pid} stops it`
  return new ExitError(EXIT.notReady, 'the daemon has not stopped in time', fix)
}

/** @returns the failure when it hung up: it is stopping because somebody else asked it to, or has too many clients. */
async function askToStop(
  context: Context,
  drainMs: number | undefined,
): Promise<ExitError | undefined> {
  try {
    await context.call('node.stop', drainMs === undefined ? {} : { drainMs })
    return undefined
  } catch (error) {
    if (error instanceof ExitError && error.exitCode === EXIT.unreachable) return error
    throw error
  }
}

interface RunOptions {
  readonly listen?: string
  readonly logLevel?: string
  readonly stopWithStdin?: boolean
}

async function runForeground(context: Context, options: RunOptions): Promise<number> {
  // Imported here: the node and everything below it is loaded by this command alone.
  const { runDaemon } = await import('../../run.ts')
  return runDaemon(
    { io: context.io, signal: context.signal },
    {
      home: context.home,
      flags: {
        ...(options.listen === undefined ? {} : { listen: options.listen }),
        ...(options.logLevel === undefined ? {} : { 'log.level': options.logLevel }),
      },
      stopWithStdin: options.stopWithStdin === true,
    },
  )
}
