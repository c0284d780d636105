import type { Timer } from '../../src/base/index.ts'
import { EXIT, ExitError } from '../exit-codes.ts'
import { type Home, resolveHome } from '../home.ts'
import type { MethodName, ResultOf } from '../../rpc/client/index.ts'
import { isAbsent, type Target } from '../connect.ts'
import { type CallArguments, endingWith, type Rpc } from '../rpc-port.ts'
import { daemonProcess, findDaemon, refuseForeignSocket } from '../running.ts'
import { SILENCE_MS, type Waiting } from '../waiting.ts'
import { parseDuration } from './duration.ts'
import type { Io } from './io.ts'
import { Output } from './output.ts'

/** `--timeout` may be shorter than SILENCE_MS, and a busy daemon is not a silent one. */
const SILENCE_MIN_MS = 1_000
const GRACE_MS = 1_000

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean
  readonly quiet?: boolean
  readonly home?: string
  readonly socket?: string
  readonly url?: string
  readonly tokenFile?: string
  readonly timeout?: string
  /** commander's form of `--no-color`. */
  readonly color?: boolean
  readonly idempotencyKey?: string
}

/** How a command reaches a daemon; a port, so that tests need none. */
export type Connect = (target: Target) => Promise<Rpc>

/** What one command has at hand. */
export class Context {
  readonly io: Io
  readonly out: Output
  readonly options: GlobalOptions
  readonly signal: AbortSignal
  readonly #connect: Connect
  #ending: AbortSignal | undefined

  constructor(ports: { io: Io; connect: Connect; signal: AbortSignal }, options: GlobalOptions) {
    this.io = ports.io
    this.#connect = ports.connect
    this.signal = ports.signal
    this.options = options
    const { env, stdout, stderr } = ports.io
    const plain = options.color === false || (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
    this.out = new Output(
      { stdout, stderr },
      {
        json: options.json === true,
        quiet: options.quiet === true,
        color: !plain && stdout.isTTY && stderr.isTTY,
      },
    )
  }

  get home(): Home {
    return resolveHome(this.options.home, this.io.env)
  }

  get target(): Target {
    const { socket, url, tokenFile } = this.options
    return {
      socket: socket ?? findDaemon(this.home).socket,
      ...(url === undefined ? {} : { url }),
      ...(tokenFile === undefined ? {} : { tokenFile }),
    }
  }

  /** The home whose daemon is meant; undefined when an option names a daemon, whose home is not known. */
  get ownHome(): Home | undefined {
    const { url, socket } = this.options
    return url === undefined && socket === undefined ? this.home : undefined
  }

  get waiting(): Waiting {
    return { clock: this.io.clock, signal: this.signal }
  }

  /** Aborts GRACE_MS after `signal`. */
  get ending(): AbortSignal {
    return (this.#ending ??= this.#graceful())
  }

  /** Milliseconds of `--timeout`, else `fallback`. @throws ExitError 2. */
  timeoutMs(fallback: number): number {
    return this.options.timeout === undefined ? fallback : parseDuration(this.options.timeout)
  }

  /** The parameters with the `--idempotency-key` where one was given. */
  keyed<T extends object>(params: T): T & { idempotencyKey?: string } {
    const key = this.options.idempotencyKey
    return key === undefined ? params : { ...params, idempotencyKey: key }
  }

  /**
   * Runs `use` with a connection and closes it. When this command is interrupted, calls have GRACE_MS more: what was done is
   * told, and what was printed acknowledged. @throws ExitError 3 when there is no daemon, 5 when there is one and it does
   * not answer.
   */
  async withRpc<T>(use: (rpc: Rpc) => Promise<T>): Promise<T> {
    const rpc = endingWith(await this.#reach(), this.ending)
    try {
      return await use(rpc)
    } finally {
      rpc.close()
    }
  }

  #graceful(): AbortSignal {
    const end = new AbortController()
    const later = () => {
      this.io.clock.setTimer(GRACE_MS, () => end.abort(this.signal.reason))
    }
    if (this.signal.aborted) later()
    else this.signal.addEventListener('abort', later, { once: true })
    return end.signal
  }

  /** A daemon that answers. Of a process that is stopped the kernel takes connections, and nobody reads them. */
  async #reach(): Promise<Rpc> {
    const { target, ownHome } = this
    const late = new AbortController()
    const ms = Math.min(Math.max(this.timeoutMs(SILENCE_MS), SILENCE_MIN_MS), SILENCE_MS)
    const timer = this.io.clock.setTimer(ms, () => late.abort(new Error('late')))
    const until = AbortSignal.any([this.signal, late.signal])
    const opening = this.#connect(target)
    let rpc: Rpc | undefined
    try {
      rpc = await unlessAborted(opening, until)
      if (ownHome !== undefined) refuseForeignSocket(target.socket, ownHome)
      await rpc.call('rpc.ping', {}, until)
      return rpc
    } catch (error) {
      if (rpc === undefined) opening.then((opened) => opened.close()).catch(() => {})
      else rpc.close()
      this.signal.throwIfAborted()
      if (!late.signal.aborted) throw error
      const pid = ownHome === undefined ? undefined : daemonProcess(ownHome)?.pid
      throw new ExitError(
        EXIT.notReady,
        `the daemon at ${target.url ?? target.socket} does not answer`,
        pid === undefined
          ? 'it is stopped or has too much to do'
          : `it is stopped or has too much to do: kill -CONT ${pid} lets it go on, kill -9 ${pid} ends it, and loses nothing`,
        error,
      )
    } finally {
      timer.cancel()
    }
  }

  /** Says how long it has taken, of work that takes long and does not tell how far it is. */
  async patiently<T>(what: string, work: Promise<T>): Promise<T> {
    const { clock } = this.io
    const began = clock.monotonic()
    const everyMs = this.out.interactive ? 1_000 : 10_000
    const tell = (): Timer => {
      const seconds = Math.round((clock.monotonic() - began) / 1_000)
      this.out.progress(seconds === 0 ? `${what} …` : `${what}, ${seconds} s …`)
      return clock.setTimer(everyMs, () => {
        timer = tell()
      })
    }
    let timer = tell()
    try {
      return await work
    } finally {
      timer.cancel()
    }
  }

  /** A connection to another daemon; the caller closes it. @throws ExitError 3, 4. */
  async connectTo(socket: string): Promise<Rpc> {
    const rpc = await this.#connect({ socket })
    try {
      refuseForeignSocket(socket)
      return rpc
    } catch (error) {
      rpc.close()
      throw error
    }
  }

  /** One call on its own connection. */
  async call<Name extends MethodName>(
    method: Name,
    ...rest: CallArguments<Name>
  ): Promise<ResultOf<Name>> {
    return this.withRpc((rpc) => rpc.call(method, ...rest))
  }

  /** True when a daemon is on the socket, also one that hangs up at once because it stops or has too many clients. */
  async isRunning(): Promise<boolean> {
    try {
      await this.call('rpc.ping')
      return true
    } catch (error) {
      if (!(error instanceof ExitError) || error.exitCode !== EXIT.unreachable) throw error
      return !isAbsent(error.cause)
    }
  }

  /** Reads stdin to its end as UTF-8; `what` is to be done is said on a terminal. @throws ExitError 2 for other bytes or more than `maxBytes`. */
  async readStdin(maxBytes: number, what: string): Promise<string> {
    if (this.io.stdin.isTTY) this.out.note(`${what}; end with Ctrl-D on a new line.`)
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of this.stdin()) {
      length += part.length
      if (length > maxBytes) throw new ExitError(EXIT.usage, `more than ${maxBytes} bytes on stdin`)
      parts.push(part)
    }
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts))
    } catch {
      throw new ExitError(EXIT.usage, 'stdin is not UTF-8 text')
    }
  }

  /** What comes on stdin, until its end. @throws the signal's reason when the command is interrupted. */
  async *stdin(): AsyncGenerator<Uint8Array> {
    const close = () => this.io.stdin.close()
    this.signal.addEventListener('abort', close, { once: true })
    try {
      this.signal.throwIfAborted()
      yield* this.io.stdin
      this.signal.throwIfAborted()
    } catch (error) {
      this.signal.throwIfAborted()
      throw error
    } finally {
      this.signal.removeEventListener('abort', close)
    }
  }

  /** Asks a yes-or-no question on the terminal; `false` without asking when there is none. */
  async confirm(question: string): Promise<boolean> {
    if (!this.io.stdin.isTTY || !this.out.interactive) return false
    this.io.stderr.write(`${question} [y/N] `)
    for await (const part of this.stdin()) {
      return /^y(es)?$/i.test(Buffer.from(part).toString('utf8').trim())
    }
    return false
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort))
}
