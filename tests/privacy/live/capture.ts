import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { establishedSockets } from './proc-net.ts'
import type { RelayOptions } from './relay.ts'

const RELAY = fileURLToPath(new URL('./relay-main.ts', import.meta.url))

/** The relay process of one run. */
export class Capture {
  readonly #child: ChildProcess
  readonly #options: RelayOptions

  private constructor(child: ChildProcess, options: RelayOptions) {
    this.#child = child
    this.#options = options
  }

  /** Resolves when all announced addresses are taken. The trace goes to `file`. */
  static async start(file: string, options: RelayOptions): Promise<Capture> {
    const child = spawn(process.execPath, [RELAY, file, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    return new Capture(child, options)
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

  /** Ends the relay; the trace is complete then. */
  async stop(): Promise<void> {
    const ended = once(this.#child, 'close')
    this.#child.stdin?.end()
    await ended
  }
}
