import { isDeepStrictEqual } from 'node:util'
import { type Clock, isHearsayError, type Logger, TaskGroup } from '../../src/base/index.ts'
import type { ConsumerView, HookProgress, NodeApi } from '../../src/node/index.ts'
import type { HookConfig } from '../config/index.ts'
import { HOOK_PREFIX, Hook } from './hook.ts'
import { runProgram } from './program.ts'

export interface HooksPorts {
  readonly clock: Clock
  readonly log: Logger
  readonly events: NodeApi['events']
}

export interface HooksOptions {
  /** What every program may see of the environment; see `hookEnvironment`. */
  readonly env: Readonly<Record<string, string>>
  /** Where programs are started. */
  readonly cwd: string
}

interface Running {
  readonly hook: Hook
  readonly tasks: TaskGroup
}

/** The hooks of config.toml, each on its own: a slow or failing one delays no other. */
export class Hooks {
  readonly #ports: HooksPorts
  readonly #options: HooksOptions
  readonly #running = new Map<string, Running>()
  #lane: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(ports: HooksPorts, options: HooksOptions) {
    this.#ports = ports
    this.#options = options
  }

  /**
   * Makes these the hooks in force: stops what is gone or different, starts what is new, keeps the rest running.
   * The place of a hook that is gone is deleted: nobody would ever move it, and it would hold back retention. Not when
   * `configs` is undefined, because there is no file: whoever replaces one removes it for a moment. Resolves when every new hook has its place in the journal.
   */
  apply(configs: readonly HookConfig[] | undefined): Promise<void> {
    const done = this.#lane.then(() => this.#apply(configs))
    this.#lane = done.catch(() => undefined)
    return done
  }

  /** In the order of the configuration. */
  status(head: number): readonly HookProgress[] {
    return [...this.#running.values()].map(({ hook }) => hook.status(head))
  }

  /** Programs may finish for a few seconds; then they are killed and get their event again. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#lane
    await Promise.all([...this.#running.values()].map(({ tasks }) => tasks.stop()))
    this.#running.clear()
  }

  async #apply(asked: readonly HookConfig[] | undefined): Promise<void> {
    if (this.#stopped) return
    const configs = asked ?? []
    const before = new Map(this.#running)
    this.#running.clear()
    const kept = (config: HookConfig) => {
      const running = before.get(config.name)
      return running !== undefined && isDeepStrictEqual(running.hook.config, config)
    }
    const same = new Set(configs.filter(kept).map(({ name }) => name))
    const gone = [...before].filter(([name]) => !same.has(name))
    await Promise.all(gone.map(([, { tasks }]) => tasks.stop()))
    const others = await this.#others(new Set(configs.map(({ name }) => name)))
    if (asked !== undefined) await this.#forget(others)
    else if (others.length > 0) {
      const places = others.length
      this.#ports.log.warn('no config.toml: no hook runs, and their places are kept', { places })
    }
    for (const config of configs) {
      const running = same.has(config.name) ? before.get(config.name) : undefined
      this.#running.set(config.name, running ?? (await this.#start(config)))
    }
  }

  async #start(config: HookConfig): Promise<Running> {
    const { clock, log, events } = this.#ports
    const { command, timeoutMs, name } = config
    const env = { ...this.#options.env, HEARSAY_HOOK: name }
    const options = { command, timeoutMs, env, cwd: this.#options.cwd }
    const run = (input: string, signal: AbortSignal) =>
      runProgram({ clock }, options, input, signal)
    const hook = new Hook({ clock, log, events, run }, config)
    const tasks = new TaskGroup(log)
    try {
      await hook.open()
    } catch (error) {
      if (!isHearsayError(error)) throw error
      // Messages must flow all the same: the hook tries again, and its status says so.
      log.warn('a hook has no place in the journal yet', { hook: name, code: error.code })
    }
    tasks.spawn('hook', (signal) => hook.run(signal))
    return { hook, tasks }
  }

  /** Places of hooks that have none of these names. */
  async #others(names: ReadonlySet<string>): Promise<readonly ConsumerView[]> {
    const { items } = await this.#ports.events.consumers.list()
    return items.filter(
      ({ name }) => name.startsWith(HOOK_PREFIX) && !names.has(name.slice(HOOK_PREFIX.length)),
    )
  }

  async #forget(places: readonly ConsumerView[]): Promise<void> {
    const { events, log } = this.#ports
    for (const { name, lag } of places) {
      const hook = name.slice(HOOK_PREFIX.length)
      try {
        await events.consumers.delete({ name }, {})
        log.info('a hook is gone from config.toml: its place is deleted', { hook, behind: lag })
      } catch (error) {
        if (!isHearsayError(error)) throw error
        // A disk that takes no writes: the next start tries again.
        log.warn('the place of a former hook cannot be deleted', { code: error.code })
      }
    }
  }
}
