import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('net-process.ts', import.meta.url))

export interface NetProcessOptions {
  /** Byte of which the node's seed is made. */
  readonly key: number
  readonly listen: readonly string[]
  readonly announce?: readonly string[]
  readonly bootstraps: readonly string[]
}

export interface NetView {
  readonly nodeId: string
  readonly addresses: string[]
  readonly reachability: string
  readonly hindrance: string | null
  readonly connected: string[]
  /** Frames heard, by peer. */
  readonly frames: Readonly<Record<string, number>>
}

/** A net that runs in a process of its own, behind `command`: in another network namespace. */
export class NetHost {
  readonly #child: ChildProcess
  readonly #lines: Interface

  constructor(command: readonly [string, ...string[]], options: NetProcessOptions) {
    const [first, ...rest] = command
    const words = [...rest, process.execPath, SCRIPT, JSON.stringify(options)]
    this.#child = spawn(first, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.#child.stdout === null) throw new Error('no output')
    this.#lines = createInterface({ input: this.#child.stdout })
  }

  async view(): Promise<NetView> {
    return (await this.#ask('view', '')) as NetView
  }

  /** False when the link did not take the frame. */
  async send(peer: string): Promise<boolean> {
    return (await this.#ask('send', peer)) as boolean
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await gone
  }

  /** One question at a time. */
  async #ask(question: string, peer: string): Promise<unknown> {
    const ended = new AbortController()
    const answer = once(this.#lines, 'line', { signal: ended.signal }) as Promise<[string]>
    const exit = once(this.#child, 'exit', { signal: ended.signal }).then(() => {
      throw new Error('the process has ended')
    })
    this.#child.stdin?.write(`${JSON.stringify({ question, peer })}\n`)
    try {
      const [line] = (await Promise.race([answer, exit])) as [string]
      return JSON.parse(line) as unknown
    } finally {
      ended.abort()
      await Promise.allSettled([answer, exit])
    }
  }
}
