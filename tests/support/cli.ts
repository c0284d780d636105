import type { Readable } from 'node:stream'
import type { Clock, Rng } from '../../src/base/index.ts'
import { systemClock, systemRng } from '../../src/base/index.ts'
import { connect } from '../../daemon/connect.ts'
import type { Io, Sink } from '../../daemon/cli/io.ts'
import { run } from '../../daemon/cli/program.ts'

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** In place of `stdin`: it stays open. */
  readonly stdinStream?: Readable
  /** Both outputs pretend to be terminals. */
  readonly tty?: boolean
  readonly rng?: Rng
  readonly clock?: Clock
  /** When what was written is out; at once by default. */
  readonly flushed?: () => Promise<void>
}

export interface CliResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCli {
  /** Sends the signal to the command. */
  signal(name: NodeJS.Signals): void
  /** What it has written so far. */
  readonly seen: { readonly stdout: string; readonly stderr: string }
  readonly result: Promise<CliResult>
}

/** Runs one command line in this process, with everything it writes kept. */
export function startCli(argv: readonly string[], options: CliOptions = {}): RunningCli {
  const seen = { stdout: '', stderr: '' }
  let onSignal: (name: NodeJS.Signals) => void = () => {}
  const sink = (name: 'stdout' | 'stderr'): Sink => ({
    isTTY: options.tty === true,
    columns: options.tty === true ? 80 : 0,
    write: (text) => {
      seen[name] += text
    },
    flushed: () => options.flushed?.() ?? Promise.resolve(),
  })
  const io: Io = {
    stdin: {
      isTTY: options.tty === true && options.stdin === undefined,
      close: () => {
        options.stdinStream?.destroy()
      },
      async *[Symbol.asyncIterator]() {
        if (options.stdinStream !== undefined) yield* options.stdinStream
        if (options.stdin !== undefined) yield Buffer.from(options.stdin)
      },
    },
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env: { HOME: '/nonexistent', ...options.env },
    clock: options.clock ?? systemClock,
    rng: options.rng ?? systemRng,
    onSignal: (fn) => {
      onSignal = fn
    },
  }
  return {
    signal: (name) => onSignal(name),
    seen,
    result: run(argv, io, connect).then((code) => ({ code, ...seen })),
  }
}

export function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(argv, options).result
}
