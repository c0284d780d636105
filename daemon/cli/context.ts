import { EXIT, ExitError } from '../exit-codes.ts'
import { type Home, resolveHome } from '../home.ts'
import type { MethodName, ResultOf } from '../../rpc/client/index.ts'
import type { Target } from '../connect.ts'
import type { CallArguments, Rpc } from '../rpc-port.ts'
import { parseDuration } from './duration.ts'
import type { Io } from './io.ts'
import { Output } from './output.ts'

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
      socket: socket ?? this.home.socket,
      ...(url === undefined ? {} : { url }),
      ...(tokenFile === undefined ? {} : { tokenFile }),
    }
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

  /** Runs `use` with a connection and closes it. @throws ExitError 3 when no daemon answers. */
  async withRpc<T>(use: (rpc: Rpc) => Promise<T>): Promise<T> {
    const rpc = await this.#connect(this.target)
    try {
      return await use(rpc)
    } finally {
      rpc.close()
    }
  }

  /** A connection to another daemon; the caller closes it. @throws ExitError 3. */
  async connectTo(socket: string): Promise<Rpc> {
    return this.#connect({ socket })
  }

  /** One call on its own connection. */
  async call<Name extends MethodName>(
    method: Name,
    ...rest: CallArguments<Name>
  ): Promise<ResultOf<Name>> {
    return this.withRpc((rpc) => rpc.call(method, ...rest))
  }

  /** True when a daemon answers on the socket. */
  async isRunning(): Promise<boolean> {
    try {
      await this.call('rpc.ping')
      return true
    } catch (error) {
      if (error instanceof ExitError && error.exitCode === EXIT.unreachable) return false
      throw error
    }
  }

  /** Reads stdin to its end as UTF-8. @throws ExitError 2 for other bytes or more than `maxBytes`. */
  async readStdin(maxBytes: number): Promise<string> {
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of this.io.stdin) {
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

  /** Asks a yes-or-no question on the terminal; `false` without asking when there is none. */
  async confirm(question: string): Promise<boolean> {
    if (!this.io.stdin.isTTY || !this.out.interactive) return false
    this.io.stderr.write(`${question} [y/N] `)
    for await (const part of this.io.stdin) {
      return /^y(es)?$/i.test(Buffer.from(part).toString('utf8').trim())
    }
    return false
  }
}
