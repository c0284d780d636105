import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../src/base/index.ts'
import { EXIT, ExitError } from './exit-codes.ts'
import type { Environment, Home } from './home.ts'
import { prepareHome } from './prepare.ts'
import { MALLOC_SETTINGS, V8_FLAGS } from './start-settings.ts'

const POLL_MS = 25
const MAX_LOG_BYTES = 8 * 1024 * 1024
const LAST_WORDS_BYTES = 4096

export interface BackgroundOptions {
  readonly home: Home
  readonly timeoutMs: number
  /** Resolves to true when the daemon answers and is ready, to false or an error when not yet. */
  readonly isReady: () => Promise<boolean>
}

export type BackgroundResult =
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'already' }
  /** It ended before it was ready; `said` is what it wrote for a person. */
  | { readonly kind: 'failed'; readonly exitCode: number; readonly said: string }

/** How to start this very program again: the file that runs now, with the Node that runs it. */
export function selfCommand(): { readonly file: string; readonly args: readonly string[] } {
  // main.js beside this file in dist/, main.ts when it runs from source.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return {
    file: process.execPath,
    args: [...V8_FLAGS, fileURLToPath(new URL(`./main.${extension}`, import.meta.url))],
  }
}

/**
 * Starts `hearsay run` in its own session, so that it outlives the terminal, with its output in the log
 * file. Resolves when it is ready or has ended. @throws ExitError 5 when it is neither in time.
 */
export async function startInBackground(
  ports: { clock: Clock; env: Environment; signal: AbortSignal },
  options: BackgroundOptions,
): Promise<BackgroundResult> {
  const { home } = options
  if (await isThere(options)) return { kind: 'already' }
  await prepareHome(home)
  rotate(home.logFile)
  const from = statSync(home.logFile, { throwIfNoEntry: false })?.size ?? 0
  const child = spawnDaemon(home, ports.env)
  let exitCode: number | undefined
  child.once('error', () => {
    exitCode = EXIT.rpcError
  })
  child.once('exit', (code) => {
    exitCode = code ?? EXIT.rpcError
  })
  child.unref()

  const deadline = ports.clock.monotonic() + options.timeoutMs
  for (;;) {
    if (exitCode !== undefined) {
      return { kind: 'failed', exitCode, said: lastWords(home.logFile, from) }
    }
    if (await ready(options)) return { kind: 'started', pid: child.pid ?? 0 }
    if (ports.clock.monotonic() > deadline) {
      throw new ExitError(
        EXIT.notReady,
        'the daemon was started, but is not ready in time',
        `look into ${home.logFile}, or wait longer with --timeout`,
      )
    }
    await ports.clock.sleep(POLL_MS, ports.signal)
  }
}

/** As `ready`, before anything was started: one that is there and silent must not get a second one beside it. */
async function isThere(options: BackgroundOptions): Promise<boolean> {
  try {
    return await options.isReady()
  } catch (error) {
    if (error instanceof ExitError && error.exitCode === EXIT.notReady) throw error
    return false
  }
}

async function ready(options: BackgroundOptions): Promise<boolean> {
  try {
    return await options.isReady()
  } catch {
    return false
  }
}

function spawnDaemon(home: Home, env: Environment): ChildProcess {
  const log = openSync(home.logFile, 'a', 0o600)
  try {
    const { file, args } = selfCommand()
    const homeArgs = home.single ? ['--home', home.root] : []
    return spawn(file, [...args, 'run', ...homeArgs], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...MALLOC_SETTINGS, ...env },
      // Not the caller's folder: a daemon must not keep a file system busy.
      cwd: home.root,
    })
  } finally {
    closeSync(log)
  }
}

/** Keeps one older log beside a new one, so that a daemon started for years does not fill the disk. */
function rotate(logFile: string): void {
  const stat = statSync(logFile, { throwIfNoEntry: false })
  if (stat !== undefined && stat.size > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.1`)
}

/** What the daemon wrote for a person since byte `from`: the lines of the log that are not JSON. */
function lastWords(logFile: string, from: number): string {
  const text = readFileSync(logFile).subarray(from).subarray(-LAST_WORDS_BYTES).toString('utf8')
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
    .join('\n')
}
