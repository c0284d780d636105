import { HearsayError } from './errors.ts'
import type { Logger } from './logger.ts'

/**
 * Owns background work. `stop` aborts every task and waits for all of them, so nothing runs after a module
 * has stopped. A task that fails for another reason than the abort is logged by name and code.
 */
export class TaskGroup {
  readonly #tasks = new Set<Promise<void>>()
  readonly #controller = new AbortController()
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Starts `task` now. A no-op once the group is stopping. */
  spawn(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return
    const running = (async () => {
      try {
        await task(this.signal)
      } catch (error) {
        if (this.signal.aborted) return
        this.#log.error('background task failed', {
          task: name,
          code: error instanceof HearsayError ? error.code : 'bug',
          ...describe(error),
        })
      }
    })()
    this.#tasks.add(running)
    const forget = (): void => {
      this.#tasks.delete(running)
    }
    running.then(forget, forget)
  }

  /** Aborts all tasks and resolves when the last one has returned. Safe to call twice. */
  async stop(): Promise<void> {
    this.#controller.abort(new HearsayError('aborted', 'stopping'))
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks)
  }
}

/** Messages of other errors are not ours and may hold what somebody sent: their name and place must do. */
function describe(error: unknown): { reason: string; at?: string } {
  if (error instanceof HearsayError) return { reason: error.message }
  if (!(error instanceof Error)) return { reason: 'unknown' }
  const at = error.stack?.match(/[\w-]+\.[cm]?[jt]s:\d+:\d+/)?.[0]
  return at === undefined ? { reason: error.name } : { reason: error.name, at }
}
