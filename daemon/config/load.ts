import { readFileSync } from 'node:fs'
import { parse as parseToml, TomlError } from 'smol-toml'
import { DAEMON_EXIT, ExitError, reasonOf, systemCode } from '../exit-codes.ts'
import { type HookConfig, parseHooks } from './hooks.ts'
import {
  BadValue,
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigKeyName,
  type ConfigValue,
  environmentName,
} from './keys.ts'
import { nearest } from './nearest.ts'

export type Origin = 'flag' | 'environment' | 'file' | 'default'

/** The settings in force, each with where it came from. */
export class Config {
  /** In the order of the file; undefined when there is no file, which says nothing of the hooks that there were. */
  readonly hooks: readonly HookConfig[] | undefined
  readonly #values: ReadonlyMap<ConfigKeyName, { value: ConfigValue; origin: Origin }>

  constructor(
    values: ReadonlyMap<ConfigKeyName, { value: ConfigValue; origin: Origin }>,
    hooks: readonly HookConfig[] | undefined,
  ) {
    this.#values = values
    this.hooks = hooks
  }

  get<K extends ConfigKeyName>(key: K): ReturnType<(typeof CONFIG_KEYS)[K]['parse']> {
    const entry = this.#values.get(key)
    return (entry?.value ?? CONFIG_KEYS[key].fallback) as ReturnType<
      (typeof CONFIG_KEYS)[K]['parse']
    >
  }

  origin(key: ConfigKeyName): Origin {
    return this.#values.get(key)?.origin ?? 'default'
  }
}

export interface ConfigSources {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Values of command line flags, as text. */
  readonly flags?: Partial<Record<ConfigKeyName, string>>
}

/**
 * Flags win over HEARSAY_* variables, they over the file, it over the defaults. A missing file is empty.
 * @throws ExitError 78 that names the file, the key and the nearest known key.
 */
export function loadConfig(sources: ConfigSources): Config {
  const values = new Map<ConfigKeyName, { value: ConfigValue; origin: Origin }>()
  const text = readConfigFile(sources.file)
  const file = parseFile(text ?? '', sources.file)
  for (const [key, value] of file.values) {
    values.set(key, { value, origin: 'file' })
  }
  for (const key of CONFIG_KEY_NAMES) {
    const name = environmentName(key)
    const text = sources.env[name]
    if (text !== undefined) {
      values.set(key, { value: check(name, key, text), origin: 'environment' })
    }
    const flag = sources.flags?.[key]
    if (flag !== undefined) {
      values.set(key, { value: check(`--${key}`, key, flag), origin: 'flag' })
    }
  }
  // An empty file is one that is being written.
  return new Config(values, (text ?? '').trim() === '' ? undefined : file.hooks)
}

/** The text of the file; undefined when there is none. @throws ExitError 74, 77. */
export function readConfigFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return undefined
    throw new ExitError(
      code === 'EACCES' ? DAEMON_EXIT.permission : DAEMON_EXIT.ioError,
      `cannot read ${file}: ${code ?? reasonOf(error)}`,
    )
  }
}

/** Checks a whole config text, hooks too, and gives its keys. `where` names it in errors. @throws ExitError 78. */
export function parseConfig(text: string, where: string): Map<ConfigKeyName, ConfigValue> {
  return parseFile(text, where).values
}

function parseFile(
  text: string,
  where: string,
): { values: Map<ConfigKeyName, ConfigValue>; hooks: readonly HookConfig[] } {
  let table: Record<string, unknown>
  try {
    table = parseToml(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const reason = error.message.split('\n')[0]?.replace('Invalid TOML document: ', '') ?? ''
    throw new ExitError(
      DAEMON_EXIT.config,
      `${where} is not valid TOML at line ${error.line}: ${reason}`,
    )
  }
  const values = new Map<ConfigKeyName, ConfigValue>()
  const { hook, ...rest } = table
  for (const [name, value] of flatten(rest)) {
    values.set(...checked(where, name, value))
  }
  return { values, hooks: parseHooks(hook, text, where) }
}

/** @throws ExitError 78 with the nearest known key. */
export function asConfigKey(name: string, where: string): ConfigKeyName {
  const key = CONFIG_KEY_NAMES.find((known) => known === name)
  if (key !== undefined) return key
  const meant = nearest(name, CONFIG_KEY_NAMES)
  throw new ExitError(
    DAEMON_EXIT.config,
    `${where}: unknown key "${name}"`,
    meant === undefined ? 'see: hearsay config example' : `did you mean "${meant}"?`,
  )
}

function checked(where: string, name: string, value: unknown): [ConfigKeyName, ConfigValue] {
  const key = asConfigKey(name, where)
  try {
    return [key, CONFIG_KEYS[key].parse(value)]
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new ExitError(DAEMON_EXIT.config, `${where}: ${key} ${error.message}`)
  }
}

/** Reads the text form of one value. @throws ExitError 78. */
export function check(where: string, key: ConfigKeyName, text: string): ConfigValue {
  try {
    return CONFIG_KEYS[key].fromText(text)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new ExitError(DAEMON_EXIT.config, `${where} ${error.message}`)
  }
}

function* flatten(table: object, prefix = ''): Iterable<[string, unknown]> {
  for (const [name, value] of Object.entries(table)) {
    const nested = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (nested && !(value instanceof Date)) yield* flatten(value, `${prefix}${name}.`)
    else yield [`${prefix}${name}`, value]
  }
}
