import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger, LogFields } from '../../src/base/index.ts'
import { systemClock, systemRng } from '../../src/base/index.ts'
import type { Clock } from '../../src/base/index.ts'
import { RpcServer, type ConfigPort, type TcpOptions } from '../../rpc/index.ts'
import { FakeNodeApi } from './fake-node-api.ts'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: LogFields
}

/** A logger that keeps its lines. */
export function recordingLogger(lines: LogLine[]): Logger {
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields })
  const log: Logger = {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: () => log,
  }
  return log
}

export const fakeConfig: ConfigPort = {
  get: async (key) => ({ [key ?? 'log.level']: 'info' }),
  set: async () => ({ applied: 'live' }),
  reload: async () => ({ restartNeeded: [] }),
}

export interface Harness extends AsyncDisposable {
  readonly node: FakeNodeApi
  readonly server: RpcServer
  readonly socketPath: string
  readonly cookiePath: string
  readonly log: LogLine[]
}

/** A started server over a FakeNodeApi in a directory of its own. */
export async function startRpc(
  options: { clock?: Clock; tcp?: Partial<TcpOptions>; config?: ConfigPort } = {},
): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'hearsay-rpc-'))
  const socketPath = join(directory, 'rpc.sock')
  const cookiePath = join(directory, 'rpc.cookie')
  const node = new FakeNodeApi()
  const log: LogLine[] = []
  const server = new RpcServer(
    {
      node,
      config: options.config ?? fakeConfig,
      clock: options.clock ?? systemClock,
      rng: systemRng,
      log: recordingLogger(log),
      versions: { daemon: '0.1.0', node: process.versions.node },
    },
    {
      socketPath,
      checkResults: true,
      ...(options.tcp === undefined
        ? {}
        : { tcp: { host: '127.0.0.1', port: 0, cookiePath, ...options.tcp } }),
    },
  )
  await server.start()
  return {
    node,
    server,
    socketPath,
    cookiePath,
    log,
    async [Symbol.asyncDispose]() {
      await server.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export interface Reply {
  readonly jsonrpc: string
  readonly id?: unknown
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown>
  readonly error?: { code: number; message: string; data: Record<string, unknown> }
}

/** A raw line client: writes what it is told, however wrong, and keeps every line that comes back. */
export class LineClient implements Disposable {
  readonly socket: Socket
  readonly lines: string[] = []
  ended = false
  #partial = ''
  readonly #waiting = new Set<() => void>()

  constructor(path: string) {
    this.socket = connect(path)
    this.socket.setEncoding('utf8')
    this.socket.on('data', (chunk: string) => {
      const parts = (this.#partial + chunk).split('\n')
      this.#partial = parts.pop() ?? ''
      this.lines.push(...parts)
      this.#wake()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.ended = true
      this.#wake()
    })
  }

  write(text: string | Uint8Array): void {
    this.socket.write(text)
  }

  request(id: unknown, method: string, params: unknown = {}): void {
    this.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
  }

  /** Resolves when `done` holds for what has arrived, or the socket is closed. */
  async until(done: () => boolean): Promise<void> {
    while (!done() && !this.ended) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  /** The next `count` texts, parsed. */
  async take(count: number): Promise<Reply[]> {
    await this.until(() => this.lines.length >= count)
    return this.lines.splice(0, count).map((line) => JSON.parse(line) as Reply)
  }

  async call(method: string, params: unknown = {}): Promise<Reply> {
    this.request(1, method, params)
    const [reply] = await this.take(1)
    if (reply === undefined) throw new Error('connection closed')
    return reply
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }
}
