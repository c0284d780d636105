import { Worker } from 'node:worker_threads'
import {
  type Clock,
  type ErrorCode,
  type ErrorDetails,
  HearsayError,
  type Logger,
  type Timer,
} from '../base/index.ts'
import type { JobName, JobRunner } from '../conversation/index.ts'

interface Answer {
  readonly id: number
  readonly output?: unknown
  readonly error?: { code: ErrorCode; message: string; details: ErrorDetails }
}

interface Waiting {
  resolve(output: unknown): void
  reject(error: Error): void
}

// Old generation of the worker, MiB: ts-mls with X-Wing needs about 20.
const WORKER_HEAP_MIB = 96
const WORKER_YOUNG_MIB = 4
// An idle thread holds 40 MB, and what the collector has not yet freed of the secrets it was given.
const IDLE_MS = 15_000
// A thousand times what the longest job takes on a slow machine.
const JOB_DEADLINE_MS = 60_000

/**
 * Runs conversation jobs in a worker thread, so that 70 ms of post-quantum arithmetic never delay a slot. The
 * thread is started by the first job and ended when there has been none for a while. Secrets are copied to it and
 * back; it keeps none.
 */
export class WorkerJobs implements JobRunner {
  #worker: Worker | undefined
  readonly #log: Logger
  readonly #clock: Clock
  #idle: Timer | undefined
  readonly #waiting = new Map<number, Waiting>()
  #next = 1
  #closed = false

  constructor(ports: { readonly log: Logger; readonly clock: Clock }) {
    this.#log = ports.log
    this.#clock = ports.clock
  }

  readonly introduce: JobRunner['introduce'] = (input) => this.#call('introduce', input)
  readonly acceptClaim: JobRunner['acceptClaim'] = (input) => this.#call('acceptClaim', input)
  readonly acceptOffer: JobRunner['acceptOffer'] = (input) => this.#call('acceptOffer', input)
  readonly acceptFinish: JobRunner['acceptFinish'] = (input) => this.#call('acceptFinish', input)
  readonly refresh: JobRunner['refresh'] = (input) => this.#call('refresh', input)
  readonly followCommit: JobRunner['followCommit'] = (input) => this.#call('followCommit', input)
  readonly followWelcome: JobRunner['followWelcome'] = (input) => this.#call('followWelcome', input)

  #call<Name extends JobName>(
    job: Name,
    input: Parameters<JobRunner[Name]>[0],
  ): Promise<Awaited<ReturnType<JobRunner[Name]>>> {
    if (this.#closed) return Promise.reject(new HearsayError('not-running', 'the node is stopping'))
    const id = this.#next++
    this.#idle?.cancel()
    const worker = this.#start()
    const deadline = this.#clock.setTimer(JOB_DEADLINE_MS, () => {
      // All other contacts wait behind a job that never ends.
      worker.terminate().catch(() => undefined)
    })
    const done = new Promise<Awaited<ReturnType<JobRunner[Name]>>>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
      worker.postMessage({ id, job, input })
    })
    return done.finally(() => deadline.cancel())
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    // The file has the extension of this one: .ts from the sources, .js when built.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./jobs-worker.${extension}`, import.meta.url), {
      resourceLimits: {
        maxOldGenerationSizeMb: WORKER_HEAP_MIB,
        maxYoungGenerationSizeMb: WORKER_YOUNG_MIB,
      },
    })
    worker.on('message', (answer: Answer) => this.#answer(answer))
    // A dead thread is replaced by the next job, and must not take along what the new one has begun.
    const lost = (cause: Error) => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      if (!this.#closed) this.#log.warn('the worker thread ended and is started again when needed')
      this.#failAll(cause)
    }
    worker.on('error', lost)
    worker.on('exit', () => lost(new Error('the worker has ended')))
    worker.on('messageerror', (error) => {
      lost(error)
      worker.terminate().catch(lost)
    })
    worker.unref()
    this.#worker = worker
    return worker
  }

  #answer({ id, output, error }: Answer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(output)
    else waiting?.reject(new HearsayError(error.code, error.message, error.details))
    if (this.#waiting.size === 0) this.#idle = this.#clock.setTimer(IDLE_MS, () => this.#rest())
  }

  /** Ends the idle thread; the next job starts another. */
  #rest(): void {
    const worker = this.#worker
    if (worker === undefined || this.#waiting.size > 0) return
    this.#worker = undefined
    worker.terminate().catch((error: unknown) => {
      this.#log.warn('the worker thread did not end', {
        reason: error instanceof Error ? error.message : 'unknown',
      })
    })
  }

  #failAll(cause: Error): void {
    const failed = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const waiting of failed) {
      waiting.reject(new HearsayError('bug', 'a conversation job was lost', {}, cause))
    }
  }

  async stop(): Promise<void> {
    this.#closed = true
    this.#idle?.cancel()
    await this.#worker?.terminate()
  }
}
