import { type ChildProcess, spawn } from 'node:child_process'
import type { Clock } from '../../src/base/index.ts'
import { systemCode } from '../exit-codes.ts'

export interface ProgramOptions {
  /** Absolute path, then arguments; no shell. */
  readonly command: readonly [string, ...string[]]
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly timeoutMs: number
}

/**
 * `ok`: exit code 0. `failed`: anything else, with its class: `exit 3`, `signal SIGSEGV`, `timeout`, or the code of
 * the system when it could not be started. `stopped`: the signal came first.
 */
export type ProgramEnd =
  | { readonly kind: 'ok' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: string }

/** How long a program may go on after the daemon was asked to stop: most are done by then. */
const FINISH_MS = 3_000
/** Between SIGTERM and SIGKILL. Both together stay well below the daemon's own deadline for a stop. */
const TERM_MS = 2_000

/**
 * Runs a program once with `input` on its stdin, and resolves when it is over; never rejects. It has a session and
 * a process group of its own; at its timeout the whole group gets SIGTERM and then SIGKILL. Its output goes
 * nowhere: it may hold texts, and a pipe that nobody reads would stop it. What it leaves running after exit
 * 0 is its own affair.
 */
export async function runProgram(
  ports: { readonly clock: Clock },
  options: ProgramOptions,
  input: string,
  signal: AbortSignal,
): Promise<ProgramEnd> {
  if (signal.aborted) return { kind: 'stopped' }
  const { clock } = ports
  const child = start(options)
  if (child === undefined) return { kind: 'failed', error: 'cannot start' }
  const ended = endOf(child)
  // A program that does not read its stdin is free not to.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)

  const over = new AbortController()
  const wait = async (ms: number, until: AbortSignal[]): Promise<undefined> => {
    await clock.sleep(ms, AbortSignal.any([over.signal, ...until])).catch(() => undefined)
  }
  try {
    const timely = await Promise.race([ended, wait(options.timeoutMs, [signal])])
    if (timely !== undefined) return timely
    if (!signal.aborted) {
      await kill(child, ended, (ms) => wait(ms, []))
      return { kind: 'failed', error: 'timeout' }
    }
    const late = await Promise.race([ended, wait(FINISH_MS, [])])
    if (late !== undefined) return late
    await kill(child, ended, (ms) => wait(ms, []))
    return { kind: 'stopped' }
  } finally {
    over.abort()
  }
}

function start({ command, env, cwd }: ProgramOptions): ChildProcess | undefined {
  const [file, ...args] = command
  try {
    return spawn(file, args, { env, cwd, detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  } catch {
    // Arguments that no system takes; all else comes as an event.
    return undefined
  }
}

function endOf(child: ChildProcess): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve({ kind: 'failed', error: systemCode(error) ?? 'cannot start' })
    })
    child.once('exit', (code, by) => {
      if (code === 0) resolve({ kind: 'ok' })
      else resolve({ kind: 'failed', error: code === null ? `signal ${by}` : `exit ${code}` })
    })
  })
}

async function kill(
  child: ChildProcess,
  ended: Promise<ProgramEnd>,
  wait: (ms: number) => Promise<undefined>,
): Promise<void> {
  signalGroup(child, 'SIGTERM')
  await Promise.race([ended, wait(TERM_MS)])
  // Also when the program has ended: its children may not have.
  signalGroup(child, 'SIGKILL')
  await ended
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody is left in the group.
  }
}
