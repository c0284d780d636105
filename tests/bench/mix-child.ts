import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

/** What a child does on request: plain data in, plain data out. */
// oxlint-disable-next-line no-explicit-any -- each handler knows the shape of its own input.
export type Handlers = Record<string, (input: any) => unknown>

interface Call {
  readonly id: number
  readonly name: string
  readonly input: unknown
}

interface Answer {
  readonly id: number
  readonly output?: unknown
  readonly error?: string
}

export interface ChildOptions {
  /** The only core that it may use; any where the system does not allow to choose. */
  readonly core?: number
  readonly args?: readonly string[]
}

/** A process of a benchmark, so that what is measured shares neither heap nor event loop with what measures. */
export class Child<Known extends Handlers> {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 1

  private constructor(child: ChildProcess) {
    this.#process = child
    child.on('message', ({ id, output, error }: Answer) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(output)
      else waiting?.reject(new Error(error))
    })
    child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`a child ended: ${code}`))
      this.#waiting.clear()
    })
  }

  /** Runs `file`, which calls `serve` with handlers of the type `Known`. */
  static start<Known extends Handlers>(file: string, options: ChildOptions = {}): Child<Known> {
    const node = [
      process.execPath,
      ...(options.args ?? []),
      fileURLToPath(new URL(file, import.meta.url)),
    ]
    const pinned = options.core !== undefined && canPin()
    const [command = '', ...args] = pinned ? ['taskset', '-c', `${options.core}`, ...node] : node
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    return new Child<Known>(child)
  }

  async call<Name extends keyof Known & string>(
    name: Name,
    input: Parameters<Known[Name]>[0],
  ): Promise<Awaited<ReturnType<Known[Name]>>> {
    const id = this.#next++
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#process.send({ id, name, input } satisfies Call)
    return (await waiting.promise) as Awaited<ReturnType<Known[Name]>>
  }

  /** Ends the process; what it held is gone. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.disconnect()
    await exited
  }
}

/** Whether processes can be kept on one core each: Linux with taskset, and two cores. */
export function canPin(): boolean {
  return process.platform === 'linux' && availableParallelism() >= 2
}

/** In a child: answers calls until the parent is gone. */
export function serve(handlers: Handlers): void {
  const answer = async ({ id, name, input }: Call): Promise<Answer> => {
    try {
      return { id, output: await handlers[name]?.(input) }
    } catch (error) {
      return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
  }
  process.on('message', (call: Call) => {
    answer(call).then(
      (said) => process.send?.(said),
      () => process.exit(1),
    )
  })
  process.on('disconnect', () => process.exit(0))
}

/** CPU of this process in all threads since `before`, milliseconds. */
export function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

export function rssMb(): number {
  return process.memoryUsage.rss() / 1024 / 1024
}

/** Of values in any order; `share` 0.5 is the median. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

export function rounded(value: number, digits = 2): number {
  return Math.round(value * 10 ** digits) / 10 ** digits
}
