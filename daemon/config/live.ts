import { renameSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { HearsayError } from '../../src/base/index.ts'
import type { ConfigPort } from '../../rpc/index.ts'
import { ExitError } from '../exit-codes.ts'
import { setInText } from './edit.ts'
import { exampleConfig } from './example.ts'
import type { HookConfig } from './hooks.ts'
import {
  BadValue,
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigKeyName,
  type ConfigValue,
} from './keys.ts'
import { type Config, readConfigFile } from './load.ts'

export interface LiveConfigOptions {
  readonly file: string
  /** What the daemon started with. */
  readonly started: Config
}

export interface LiveConfigPorts {
  /** A live key has a new value. */
  readonly apply: (key: ConfigKeyName, value: ConfigValue) => void
  /** The hooks as the file has them now; undefined without a file. */
  readonly applyHooks: (hooks: readonly HookConfig[] | undefined) => Promise<void>
  /** All settings read anew, by the same rule as at the start. @throws ExitError. */
  readonly load: () => Config
}

/** The settings of a running daemon as the RPC sees them. Live keys are handed on when they change. */
export class LiveConfig implements ConfigPort {
  readonly #ports: LiveConfigPorts
  readonly #options: LiveConfigOptions
  readonly #changed = new Map<ConfigKeyName, ConfigValue>()

  constructor(ports: LiveConfigPorts, options: LiveConfigOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** The values in force or, for keys that need a restart, those the next start will have. */
  async get(key?: string): Promise<Record<string, ConfigValue>> {
    const names = key === undefined ? CONFIG_KEY_NAMES : [known(key)]
    return Object.fromEntries(
      names.map((name) => [name, this.#changed.get(name) ?? this.#options.started.get(name)]),
    )
  }

  async set(
    key: string,
    value: unknown,
    persist: boolean,
  ): Promise<{ applied: 'live' | 'restart-needed' }> {
    const name = known(key)
    const parsed = parse(name, value)
    if (persist) writeConfigFile(this.#options.file, editedText(this.#options.file, name, parsed))
    const live = CONFIG_KEYS[name].reload === 'live'
    if (live) this.#ports.apply(name, parsed)
    if (live || persist) this.#changed.set(name, parsed)
    return { applied: live ? 'live' : 'restart-needed' }
  }

  async reload(): Promise<{ restartNeeded: readonly ConfigKeyName[] }> {
    const { started } = this.#options
    const fresh = this.#load()
    for (const name of CONFIG_KEY_NAMES) {
      const value = fresh.get(name)
      const isNew = !isDeepStrictEqual(value, this.#changed.get(name) ?? started.get(name))
      if (isNew && CONFIG_KEYS[name].reload === 'live') this.#ports.apply(name, value)
      this.#changed.set(name, value)
    }
    await this.#ports.applyHooks(fresh.hooks)
    const restartNeeded = CONFIG_KEY_NAMES.filter(
      (name) =>
        CONFIG_KEYS[name].reload === 'restart' &&
        !isDeepStrictEqual(fresh.get(name), started.get(name)),
    )
    return { restartNeeded }
  }

  #load(): Config {
    try {
      return this.#ports.load()
    } catch (error) {
      if (!(error instanceof ExitError)) throw error
      throw new HearsayError('bad-value', error.message)
    }
  }
}

function known(key: string): ConfigKeyName {
  const name = CONFIG_KEY_NAMES.find((candidate) => candidate === key)
  if (name !== undefined) return name
  throw new HearsayError('not-found', 'no such setting')
}

function parse(key: ConfigKeyName, value: unknown): ConfigValue {
  try {
    return CONFIG_KEYS[key].parse(value)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new HearsayError('bad-value', `the value ${error.message}`)
  }
}

/** The text of the file with one key changed; from the commented example when there is no file. */
export function editedText(file: string, key: ConfigKeyName, value: ConfigValue): string {
  const text = readConfigFile(file)
  return setInText(text === undefined || text === '' ? exampleConfig() : text, key, value)
}

/** Replaces the file in one step: a crash leaves the old or the new one. @throws HearsayError `storage-failed`. */
export function writeConfigFile(file: string, text: string): void {
  const fresh = `${file}.new`
  try {
    writeFileSync(fresh, text, { mode: 0o600, flush: true })
    renameSync(fresh, file)
  } catch (error) {
    throw new HearsayError('storage-failed', 'cannot write config.toml', {}, error)
  }
}
