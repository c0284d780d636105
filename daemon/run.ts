import { rmSync, writeFileSync } from 'node:fs'
import type { Io } from './cli/io.ts'
import { compose, type Daemon, type Taps } from './compose.ts'
import { type ConfigKeyName, loadConfig } from './config/index.ts'
import { DAEMON_EXIT, reasonOf, systemCode } from './exit-codes.ts'
import type { Home } from './home.ts'
import { type DaemonLog, openLog } from './logging.ts'
import { prepareHome } from './prepare.ts'
import { forgetDaemon, recordDaemon } from './running.ts'
import { explainStart } from './startup-errors.ts'
import { keepHeapSmall } from './small-heap.ts'
import { STOP_DEADLINE_MS } from './stop-deadline.ts'
import { packageVersion } from './version.ts'

export interface RunOptions {
  readonly home: Home
  /** Values of command line flags. */
  readonly flags: Partial<Record<ConfigKeyName, string>>
  /** Stop when stdin ends: a parent that is killed takes its daemons along. */
  readonly stopWithStdin: boolean
}

/** Why a daemon ends. */
type End = { readonly reason: string; readonly exitCode: number }

/**
 * Runs the daemon until it is asked to stop: by a signal, by node.stop, or by the end of stdin.
 * @returns 0 after an orderly stop, 70 after a bug, 74 when the storage failed.
 * @throws ExitError with a code of sysexits.h when it cannot start.
 */
export async function runDaemon(
  ports: { io: Io; signal: AbortSignal; taps?: Taps },
  options: RunOptions,
): Promise<number> {
  const { io } = ports
  const { home } = options
  // Whatever is made from here on is closed to others, sockets and databases too.
  process.umask(0o077)
  await prepareHome(home)
  const reload = () => loadConfig({ file: home.configFile, env: io.env, flags: options.flags })
  const config = reload()
  const log = await openLog({
    level: config.get('log.level'),
    json: !io.stderr.isTTY,
    write: (line) => io.stderr.write(line),
  })
  const bug = catchBugs(log)
  let daemon: Daemon
  try {
    daemon = await compose(log, { home, config, reload, env: io.env }, ports.taps)
  } catch (error) {
    throw explainStart(error, home, config.get('listen'))
  }
  sayWhereItIs(home, log)
  log.info('ready', { version: packageVersion(), pid: process.pid })
  await keepHeapSmall()

  const end = await Promise.race([
    aborted(ports.signal),
    daemon.stopRequested.then((): End => ({ reason: 'node.stop', exitCode: DAEMON_EXIT.ok })),
    daemon.failed.then((error) => failedEnd(error, options, config.get('listen'))),
    bug,
    ...(options.stopWithStdin ? [stdinEnd(io)] : []),
  ])
  log.info('stopping', { reason: end.reason })
  if (options.stopWithStdin) io.stdin.close()
  const clean = await stopInTime(daemon, io, log)
  forgetWhereItIs(home, log)
  log.info('stopped')
  return end.exitCode === DAEMON_EXIT.ok && !clean ? DAEMON_EXIT.bug : end.exitCode
}

/** An error that nobody handled is a bug; the state on disk is safe, the state in memory is not known. */
function catchBugs(log: DaemonLog): Promise<End> {
  return new Promise((resolve) => {
    const onBug = (kind: string) => (error: unknown) => {
      log.error('bug: an error was not handled', {
        kind,
        reason: reasonOf(error),
        stack: error instanceof Error ? error.stack : undefined,
      })
      resolve({ reason: 'bug', exitCode: DAEMON_EXIT.bug })
    }
    process.on('unhandledRejection', onBug('rejection'))
    process.on('uncaughtException', onBug('exception'))
  })
}

function aborted(signal: AbortSignal): Promise<End> {
  const end = { reason: 'signal', exitCode: DAEMON_EXIT.ok }
  return new Promise((resolve) => {
    if (signal.aborted) resolve(end)
    else signal.addEventListener('abort', () => resolve(end), { once: true })
  })
}

function failedEnd(error: Error, options: RunOptions, listen: readonly string[]): End {
  const { exitCode, message } = explainStart(error, options.home, listen)
  return { reason: message, exitCode }
}

async function stdinEnd(io: Io): Promise<End> {
  try {
    for await (const _ of io.stdin) {
      // Its content means nothing.
    }
  } catch {
    // Closed by us, or broken: an end like any other.
  }
  return { reason: 'stdin ended', exitCode: DAEMON_EXIT.ok }
}

async function stopInTime(daemon: Daemon, io: Io, log: DaemonLog): Promise<boolean> {
  const late = new AbortController()
  try {
    return await Promise.race([
      daemon.stop().then(() => true),
      io.clock.sleep(STOP_DEADLINE_MS, late.signal).then(
        () => {
          log.error('the stop took too long')
          return false
        },
        () => true,
      ),
    ])
  } catch (error) {
    log.error('the stop failed', { reason: reasonOf(error) })
    return false
  } finally {
    late.abort()
  }
}

/** For people, and for clients with another environment. */
function sayWhereItIs(home: Home, log: DaemonLog): void {
  const mode = 0o600
  trying(log, 'the pid file cannot be written', () =>
    writeFileSync(home.pidFile, `${process.pid}\n`, { mode }),
  )
  trying(log, 'where this daemon is cannot be written', () => recordDaemon(home))
}

function forgetWhereItIs(home: Home, log: DaemonLog): void {
  trying(log, 'the pid file cannot be removed', () => rmSync(home.pidFile, { force: true }))
  trying(log, 'what says where this daemon was cannot be removed', () => forgetDaemon(home))
}

/** A disk that takes no writes neither keeps a daemon from running nor makes its end a failure. */
function trying(log: DaemonLog, failure: string, step: () => void): void {
  try {
    step()
  } catch (error) {
    log.warn(failure, { reason: systemCode(error) ?? 'unknown' })
  }
}
