import { isAbsolute } from 'node:path'
import { DAEMON_EXIT, ExitError } from '../exit-codes.ts'
import { nearest } from './nearest.ts'

/** One `[[hook]]` of config.toml: a program that gets events. */
export interface HookConfig {
  /** 1 to 32 characters; unique. Its place in the journal is kept under it. */
  readonly name: string
  /** Absolute path of the program, then its arguments. No shell reads them. */
  readonly command: readonly [string, ...string[]]
  /** Event types, whole or like `message.*`. */
  readonly events: readonly string[]
  /** How long one run may take. */
  readonly timeoutMs: number
  /** False: it is not run and keeps its place. */
  readonly enabled: boolean
}

/** Each is a process at a time and a reader of the journal. */
export const HOOKS_MAX = 16
const ARGUMENTS_MAX = 64
const TYPES_MAX = 32
const TIMEOUT_MIN_MS = 1_000
const TIMEOUT_MAX_MS = 3_600_000
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/
const TYPE = /^[a-zA-Z]+(\.[a-zA-Z]+)*(\.\*)?$/
const DURATION = /^(\d{1,7})(ms|s|m|h)$/

/** The commented part of `config example`. */
export const HOOK_EXAMPLE = `# A program that gets events, any number of sections. It gets one event at a time, in order, as one line of JSON on
# stdin. Exit 0 acknowledges the event; anything else, or the timeout, and it comes again after 1 s, 2 s … 10 min,
# until it succeeds: by the id of the event the program knows what it has seen. There is no shell, the output is
# discarded, and the environment is PATH, HOME, USER, LOGNAME, TZ, TMPDIR, the locale, the XDG folders, HEARSAY_HOME,
# HEARSAY_SOCKET and HEARSAY_HOOK.
# hearsay status shows how far it is. A hook that is taken out of this file loses its place; to keep it, set
# "enabled" to false. Takes effect at the next start, or at once with: hearsay config reload
# [[hook]]
# name = "notify"
# command = ["/usr/local/bin/on-message", "--verbose"]
# events = ["message.received"]
# timeout = "30s"
# enabled = true`

/** A fault of one hook; the message continues "hook <n>: …". */
class BadHook extends Error {
  readonly key: string
  readonly fix: string

  constructor(key: string, message: string, fix: string) {
    super(message)
    this.key = key
    this.fix = fix
  }
}

type Table = Readonly<Record<string, unknown>>
type Reader = (value: unknown) => unknown

const READERS: Readonly<Record<string, Reader>> = {
  name(value) {
    if (typeof value === 'string' && NAME.test(value)) return value
    throw new BadHook(
      'name',
      'name must be 1 to 32 of a–z, 0–9 and "-"',
      'write for example: name = "notify"',
    )
  },
  command(value) {
    const words = strings(value)
    const [file] = words
    if (file === undefined || words.length > ARGUMENTS_MAX) {
      throw new BadHook(
        'command',
        `command must be a list of 1 to ${ARGUMENTS_MAX} strings`,
        'write the program and its arguments apart: command = ["/path/to/program", "argument"]',
      )
    }
    if (!isAbsolute(file)) {
      throw new BadHook(
        'command',
        `command begins with "${file}", which is not an absolute path`,
        `find it with: command -v ${file.split(/\s/)[0]}`,
      )
    }
    if (words.some((word) => word.includes('\0'))) {
      throw new BadHook('command', 'command holds a zero byte', 'leave it out')
    }
    return words
  },
  events(value) {
    const types = strings(value)
    const bad = types.find((type) => !TYPE.test(type))
    if (types.length > 0 && types.length <= TYPES_MAX && bad === undefined) return types
    throw new BadHook(
      'events',
      bad === undefined
        ? `events must be a list of 1 to ${TYPES_MAX} event types`
        : `events holds "${bad}", which is no event type`,
      'write for example: events = ["message.received"], or "message.*" for all of them',
    )
  },
  timeout(value) {
    const match = typeof value === 'string' ? DURATION.exec(value) : null
    const unit = UNIT_MS[(match?.[2] ?? 'ms') as keyof typeof UNIT_MS]
    const ms = Number(match?.[1] ?? 0) * unit
    if (ms >= TIMEOUT_MIN_MS && ms <= TIMEOUT_MAX_MS) return ms
    throw new BadHook(
      'timeout',
      'timeout must be a time from "1s" to "1h"',
      'write for example: timeout = "30s"',
    )
  },
  enabled(value) {
    if (typeof value === 'boolean') return value
    throw new BadHook('enabled', 'enabled must be true or false', 'write it without quotes')
  },
}

const FALLBACKS: Table = { events: ['message.received'], timeout: '30s', enabled: true }

/**
 * Checks what config.toml says under `hook`; `text` is the whole file, to name lines of it.
 * @throws ExitError 78 with the line and a fix.
 */
export function parseHooks(value: unknown, text: string, where: string): readonly HookConfig[] {
  if (value === undefined) return []
  const fail = (index: number, fault: BadHook): never => {
    const line = lineOf(text, index, fault.key)
    throw new ExitError(
      DAEMON_EXIT.config,
      `${where} line ${line}: hook ${index + 1}: ${fault.message}`,
      fault.fix,
    )
  }
  if (!Array.isArray(value)) {
    return fail(0, new BadHook('', 'hooks are sections of their own', 'write [[hook]] above it'))
  }
  const hooks: HookConfig[] = []
  for (const [index, table] of value.entries()) {
    try {
      if (index >= HOOKS_MAX) {
        throw new BadHook('', `there are more than ${HOOKS_MAX}`, 'let one program do more')
      }
      hooks.push(parseHook(table, hooks))
    } catch (error) {
      if (!(error instanceof BadHook)) throw error
      fail(index, error)
    }
  }
  return hooks
}

function parseHook(table: unknown, before: readonly HookConfig[]): HookConfig {
  if (typeof table !== 'object' || table === null) {
    throw new BadHook('', 'it is not a section', 'write [[hook]] above its keys')
  }
  const given: Table = { ...table }
  const names = Object.keys(READERS)
  for (const key of Object.keys(given)) {
    if (names.includes(key)) continue
    const meant = nearest(key, names)
    throw new BadHook(
      key,
      `unknown key "${key}"`,
      meant === undefined ? `its keys are ${names.join(', ')}` : `did you mean "${meant}"?`,
    )
  }
  const read = (key: string) => READERS[key]?.(given[key] ?? FALLBACKS[key])
  const name = read('name') as string
  if (before.some((other) => other.name === name)) {
    throw new BadHook('name', `the name "${name}" is taken by a hook above`, 'choose another one')
  }
  return {
    name,
    command: read('command') as HookConfig['command'],
    events: read('events') as string[],
    timeoutMs: read('timeout') as number,
    enabled: read('enabled') as boolean,
  }
}

function strings(value: unknown): string[] {
  const all = Array.isArray(value) && value.every((entry) => typeof entry === 'string')
  return all ? value : []
}

/** The line of `key` in the section number `index`; the section's own line when the key is not in it. */
function lineOf(text: string, index: number, key: string): number {
  const lines = text.split('\n')
  const headers = lines.flatMap((line, at) => (/^\s*\[\[\s*"?hook"?\s*\]\]/.test(line) ? [at] : []))
  const start = headers[index] ?? lines.findIndex((line) => /^\s*\[?\s*hook\b/.test(line))
  for (const [at, line] of lines.entries()) {
    if (at <= start) continue
    if (/^\s*\[\[?\s*["a-z]+[\s\w".]*\]/.test(line)) break
    if (/^\s*"?([^"=\s]+)"?\s*=/.exec(line)?.[1] === key) return at + 1
  }
  return Math.max(start, 0) + 1
}
