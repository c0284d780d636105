import type { Command } from 'commander'
import {
  asConfigKey,
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigKeyName,
  type ConfigValue,
  check,
  editedText,
  exampleConfig,
  loadConfig,
  writeConfigFile,
} from '../../config/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import { findDaemon } from '../../running.ts'
import { prepareHome } from '../../prepare.ts'
import type { Context } from '../context.ts'
import type { Registry } from '../registry.ts'
import { table } from '../table.ts'

export function register(program: Command, registry: Registry): void {
  const config = program.command('config').description('settings in config.toml')
  config.command('get').argument('<key>').description('one value').action(registry.action(get))
  config
    .command('set')
    .argument('<key>')
    .argument('<value>', 'lists are separated by commas')
    .description('change config.toml; says whether a restart is needed')
    .action(registry.action(set))
  config
    .command('show')
    .description('every setting in force')
    .option('--origin', 'also where each comes from')
    .action(registry.action(show))
  config
    .command('validate')
    .argument('[file]')
    .description('check a config file; exit 78 when it is bad')
    .action(registry.action(validate))
  config
    .command('example')
    .description('print a config.toml that explains every key')
    .action(registry.action((context) => context.out.raw(exampleConfig())))
  config
    .command('reload')
    .description('let the daemon read config.toml again: hooks and live settings hold at once')
    .action(registry.action(reload))
  config.command('path').description('where the file is').action(registry.action(path))
}

function load(context: Context) {
  return loadConfig({ file: context.home.configFile, env: context.io.env })
}

function get(context: Context, name: string): void {
  const value = load(context).get(asConfigKey(name, 'config get'))
  context.out.data(value, Array.isArray(value) ? value.join('\n') : String(value))
}

async function set(context: Context, name: string, text: string): Promise<void> {
  const { out, home } = context
  const key = asConfigKey(name, 'config set')
  const value = check(`${key} =`, key, text)
  const applied = (await context.isRunning())
    ? await setInDaemon(context, key, value)
    : await setInFile(context, key, value)
  out.note(
    applied === 'live'
      ? `${out.ok} set, in force now`
      : `${out.ok} set, in force at the next start: hearsay down && hearsay up`,
  )
  out.data({ key, value, applied, file: home.configFile }, '')
}

async function setInDaemon(
  context: Context,
  key: ConfigKeyName,
  value: ConfigValue,
): Promise<string> {
  const { applied } = await context.call(
    'config.set',
    context.keyed({ key, value: typeof value === 'object' ? [...value] : value }),
  )
  return applied
}

async function setInFile(
  context: Context,
  key: ConfigKeyName,
  value: ConfigValue,
): Promise<string> {
  const { home } = context
  await prepareHome(home)
  try {
    writeConfigFile(home.configFile, editedText(home.configFile, key, value))
  } catch (error) {
    if (error instanceof ExitError) throw error
    throw new ExitError(EXIT.storage, `cannot write ${home.configFile}`, undefined, error)
  }
  return 'restart-needed'
}

function show(context: Context, options: { origin?: boolean }): void {
  const config = load(context)
  const settings = CONFIG_KEY_NAMES.map((key) => ({
    key,
    value: config.get(key),
    origin: config.origin(key),
    reload: CONFIG_KEYS[key].reload,
  }))
  const rows = settings.map(({ key, value, origin, reload }) => [
    key,
    JSON.stringify(value),
    ...(options.origin === true ? [origin, reload] : []),
  ])
  const head = ['key', 'value', ...(options.origin === true ? ['from', 'change'] : [])]
  context.out.data({ items: settings }, table(head, rows))
}

function validate(context: Context, file: string | undefined): void {
  const target = file ?? context.home.configFile
  loadConfig({ file: target, env: file === undefined ? context.io.env : {} })
  context.out.note(`${context.out.ok} ${target} is valid`)
  context.out.data({ file: target, valid: true }, '')
}

async function reload(context: Context): Promise<void> {
  const { out } = context
  // Here, where a fault can be named with its line.
  load(context)
  const { restartNeeded } = await context.call('config.reload')
  out.note(
    restartNeeded.length === 0
      ? `${out.ok} read, in force now`
      : `${out.ok} read; at the next start also: ${restartNeeded.join(', ')}`,
  )
  out.data({ restartNeeded }, '')
}

function path(context: Context): void {
  const { root, configFile, socket, cookieFile, logFile } = findDaemon(context.home)
  context.out.data(
    { home: root, config: configFile, socket, cookie: cookieFile, log: logFile },
    configFile,
  )
}
