import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Fixture } from './fixture.ts'
import type { SeedOptions, SeedReport } from './run-seed.ts'

/** Which fixture a seed begins with. */
export interface Cast {
  readonly name: string
  readonly nodes: number
  readonly isAged: boolean
}

export type Task =
  | { readonly kind: 'make'; readonly cast: Cast }
  | { readonly kind: 'take'; readonly name: string; readonly fixture: Fixture }
  | { readonly kind: 'seed'; readonly name: string; readonly options: SeedOptions }

export interface Usage {
  /** Of the seed alone. */
  readonly cpuMs: number
  /** Live after a collection, every now and then. */
  readonly heapBytes: number | undefined
}

export type TaskResult =
  | { readonly kind: 'made'; readonly fixture: Fixture }
  | { readonly kind: 'taken' }
  | { readonly kind: 'report'; readonly report: SeedReport; readonly usage: Usage }
  | { readonly kind: 'error'; readonly error: string }

type Result<K extends TaskResult['kind']> = Extract<TaskResult, { kind: K }>

/** Processes that run seeds. Each has all fixtures; each is made once, by one of them. */
export class Pool {
  readonly #idle: Worker[] = []
  readonly #all: Worker[] = []
  readonly #waiting: ((worker: Worker) => void)[] = []

  static async open(jobs: number, casts: readonly Cast[]): Promise<Pool> {
    const pool = new Pool()
    for (let i = 0; i < jobs; i++) {
      const worker = new Worker()
      pool.#all.push(worker)
      pool.#idle.push(worker)
    }
    // The largest first: it takes the longest.
    const made = casts
      .toSorted((a, b) => b.nodes - a.nodes)
      .map(async (cast) => [cast.name, await pool.#run({ kind: 'make', cast }, 'made')] as const)
    for (const [name, { fixture }] of await Promise.all(made)) {
      const task = { kind: 'take', name, fixture } as const
      await Promise.all(pool.#all.map((worker) => worker.run(task, 'taken')))
    }
    return pool
  }

  seed(name: string, options: SeedOptions): Promise<Result<'report'>> {
    return this.#run({ kind: 'seed', name, options }, 'report')
  }

  close(): void {
    for (const worker of this.#all) worker.end()
  }

  async #run<K extends TaskResult['kind']>(task: Task, kind: K): Promise<Result<K>> {
    const worker =
      this.#idle.pop() ?? (await new Promise<Worker>((take) => this.#waiting.push(take)))
    try {
      return await worker.run(task, kind)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#idle.push(worker)
      else next(worker)
    }
  }
}

/** One process, one task at a time. */
class Worker {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), {
      serialization: 'advanced',
      execArgv: ['--expose-gc', '--max-semi-space-size=64'],
    })
  }

  run<K extends TaskResult['kind']>(task: Task, kind: K): Promise<Result<K>> {
    return new Promise((resolve, reject) => {
      const child = this.#child
      const done = (): void => {
        child.off('message', onMessage)
        child.off('exit', onExit)
      }
      const onMessage = (result: TaskResult): void => {
        done()
        if (result.kind === kind) resolve(result as Result<K>)
        else reject(new Error(result.kind === 'error' ? result.error : `got ${result.kind}`))
      }
      const onExit = (code: number | null, signal: string | null): void => {
        done()
        reject(new Error(`a process ended with ${code ?? signal}`))
      }
      child.on('message', onMessage)
      child.on('exit', onExit)
      child.send(task)
    })
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}
