import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { establishedSockets } from './proc-net.ts'
import type { RelayOptions } from './relay.ts'

const RELAY = fileURLToPath(new URL('./relay-main.ts', import.meta.url))

/** The relay process of one run. */
export class Capture {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #options: RelayOptions

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, options: RelayOptions) {
    this.#child = child
    this.#lines = lines
    this.#options = options
  }

  /** Resolves when all announced addresses are taken. The trace goes to `file`. */
  static async start(file: string, options: RelayOptions): Promise<Capture> {
    const child = spawn(process.execPath, [RELAY, file, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    if ((await lines.next()).value !== 'ready') throw new Error('the relay did not start')
    return new Capture(child, lines, options)
  }

  /** Connections between nodes that do not go through the relay now. */
  bypasses(): string[] {
    const hidden = new Set(
      this.#options.routes.map(({ listening: { host, port } }) => `${host}:${port}`),
    )
    return establishedSockets()
      .filter(({ local }) => hidden.has(local))
      .filter(({ remote }) => !remote.startsWith(`${this.#options.host}:`))
      .map(({ local, remote }) => `${remote} to ${local}`)
  }

  /** Ends the relay; the trace is complete then. Resolves with the connections whose maker was not known. */
  async stop(): Promise<{ readonly strangers: number }> {
    const ended = new Promise<void>((resolve) => this.#child.once('close', () => resolve()))
    this.#child.stdin?.end()
    const { value } = await this.#lines.next()
    await ended
    return JSON.parse(value ?? '{"strangers":0}') as { strangers: number }
  }
}
