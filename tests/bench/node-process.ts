import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** A `store-node.ts` in a process of its own. */
export class NodeProcess implements AsyncDisposable {
  readonly home: string
  readonly socket: string
  readonly #child: ChildProcess

  private constructor(home: string, child: ChildProcess) {
    this.home = home
    this.socket = join(home, 'rpc.sock')
    this.#child = child
  }

  static async start(home: string): Promise<NodeProcess> {
    const child = fork(join(import.meta.dirname, 'store-node.ts'), [home])
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the node ended with ${code}`)
      }),
    ])
    return new NodeProcess(home, child)
  }

  async rssMb(): Promise<number> {
    const { rss } = (await this.#ask('rss')) as { rss: number }
    return rss / 2 ** 20
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || !this.#child.connected) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }

  async #ask(question: string): Promise<unknown> {
    const answer = once(this.#child, 'message')
    this.#child.send(question)
    const [message] = (await answer) as [unknown]
    return message
  }
}
