import { fstatSync, writeSync } from 'node:fs'
import { type Clock, type Rng, systemClock, systemRng } from '../../src/base/index.ts'
import { DAEMON_EXIT } from '../exit-codes.ts'

/** Where text goes. `columns` is 0 when it is not a terminal. */
export interface Sink {
  readonly isTTY: boolean
  readonly columns: number
  write(text: string): void
  /** Resolves when the operating system has taken all that was written; never when it does not, which ends the process. */
  flushed(): Promise<void>
}

export interface Source extends AsyncIterable<Uint8Array> {
  readonly isTTY: boolean
  /** Stops reading: an open pipe would keep the process alive. */
  close(): void
}

/** Everything the command line takes from its surroundings, so that a test can give it others. */
export interface Io {
  readonly stdin: Source
  readonly stdout: Sink
  readonly stderr: Sink
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly rng: Rng
  /** Calls `fn` at the first SIGINT, SIGTERM or SIGHUP. The second one ends the process at once. */
  onSignal(fn: (signal: NodeJS.Signals) => void): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** What a shell reports for a process that a signal ended: 128 plus the signal's number. */
export const SIGNAL_EXIT: Readonly<Record<string, number>> = {
  SIGINT: 130,
  SIGTERM: 143,
  SIGHUP: 129,
}

function sink(stream: NodeJS.WriteStream, options: { carriesData: boolean }): Sink {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A daemon whose log nobody takes, or whose disk is full, loses lines of it, and goes on: it must not end unseen.
    if (!options.carriesData) return
    // A reader that has seen enough (`| head`) closes the pipe: that ends us, it is no failure.
    process.exit(error.code === 'EPIPE' ? 0 : DAEMON_EXIT.ioError)
  })
  let last = Promise.resolve()
  return {
    get isTTY() {
      return stream.isTTY === true
    },
    get columns() {
      return stream.columns ?? 0
    },
    write: (text) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      last = promise
      stream.write(text, (error) => {
        if (!error) resolve()
      })
    },
    flushed: () => last,
  }
}

/** A file takes a part of a text when the disk fills up, and Node's stream then counts it as written. */
function fileSink(fd: number): Sink {
  return {
    isTTY: false,
    columns: 0,
    write: (text) => {
      const bytes = Buffer.from(text)
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
      } catch {
        process.exit(DAEMON_EXIT.ioError)
      }
    },
    flushed: () => Promise.resolve(),
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile()
  } catch {
    return false
  }
}

/** The surroundings of the real process. */
export function processIo(): Io {
  return {
    stdin: {
      get isTTY() {
        return process.stdin.isTTY === true
      },
      close: () => {
        process.stdin.destroy()
      },
      [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator](),
    },
    stdout: isFile(1) ? fileSink(1) : sink(process.stdout, { carriesData: true }),
    stderr: sink(process.stderr, { carriesData: false }),
    env: process.env,
    clock: systemClock,
    rng: systemRng,
    onSignal(fn) {
      let seen = false
      for (const signal of SIGNALS) {
        process.on(signal, () => {
          if (seen) process.exit(SIGNAL_EXIT[signal] ?? 1)
          seen = true
          fn(signal)
        })
      }
    },
  }
}
