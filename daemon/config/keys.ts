/** A value that does not fit its key; the message continues "<key> …". */
export class BadValue extends Error {}

/** One key of config.toml. */
export interface ConfigKey<T> {
  readonly fallback: T
  /** `live`: takes effect at once; `restart`: at the next start of the daemon. */
  readonly reload: 'live' | 'restart'
  /** What it does, for `config example`; one or more lines. */
  readonly doc: string
  /** A value to show in the commented example, as TOML. */
  readonly example: string
  /** Checks a value from TOML. @throws BadValue. */
  readonly parse: (value: unknown) => T
  /** Reads the form used in environment variables and on the command line. @throws BadValue. */
  readonly fromText: (text: string) => T
}

const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const TCP_LISTEN = /^\/(ip4\/[0-9.]+|ip6\/[0-9a-fA-F:]+)\/tcp\/(\d{1,5})(\/ws)?$/
const TCP_ANNOUNCE = /^\/(ip4|ip6|dns|dns4|dns6)\/[^/\s]+\/tcp\/(\d{1,5})(\/ws|\/tls\/ws|\/wss)?$/
const HTTP_ADDRESS = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost):(\d{1,5})$/
const ORIGIN = /^https?:\/\/[^/\s]+$/

function listOf(what: string, pattern: RegExp, sample: string) {
  return (value: unknown): readonly string[] => {
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
      throw new BadValue('must be a list of strings')
    }
    for (const entry of value) {
      const match = pattern.exec(entry)
      if (match === null)
        throw new BadValue(`holds "${entry}", which is not ${what} like ${sample}`)
      if (pattern !== ORIGIN && Number(match[2]) > 65535) {
        throw new BadValue(`holds "${entry}", whose port is above 65535`)
      }
    }
    return value
  }
}

const splitList = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

function listKey(
  parse: (value: unknown) => readonly string[],
  rest: Pick<ConfigKey<readonly string[]>, 'fallback' | 'doc' | 'example'>,
): ConfigKey<readonly string[]> {
  return { ...rest, reload: 'restart', parse, fromText: (text) => parse(splitList(text)) }
}

function parseString<T extends string>(check: (text: string) => T) {
  return (value: unknown): T => {
    if (typeof value !== 'string') throw new BadValue('must be a string')
    return check(value)
  }
}

const REACHABLE = ['auto', 'yes', 'no'] as const

function parseReachable(value: unknown): (typeof REACHABLE)[number] {
  const known = REACHABLE.find((each) => each === value)
  if (known === undefined) throw new BadValue('must be "auto", "yes" or "no"')
  return known
}

function checkHttp(text: string): string {
  if (text === '') return text
  const match = HTTP_ADDRESS.exec(text)
  if (match === null || Number(match[2]) > 65535) {
    throw new BadValue(
      `is "${text}", but must be empty or a loopback address and port like 127.0.0.1:7766`,
    )
  }
  return text
}

const SIZE = /^([1-9]\d{0,6})(MiB|GiB)$/
const UNIT_BYTES = { MiB: 1024 ** 2, GiB: 1024 ** 3 } as const
/** Twenty minutes of the busiest preset. */
const QUOTA_MIN_BYTES = 64 * UNIT_BYTES.MiB
/** Above it the lists that are compared with neighbours take hundreds of megabytes of memory. */
const QUOTA_MAX_BYTES = 16 * UNIT_BYTES.GiB

/** A size as the file has it, `512MiB` or `4GiB`, in bytes; NaN for anything else. */
export function bytesOfSize(text: string): number {
  const match = SIZE.exec(text)
  return Number(match?.[1]) * UNIT_BYTES[(match?.[2] ?? 'MiB') as keyof typeof UNIT_BYTES]
}

function checkQuota(text: string): string {
  const bytes = bytesOfSize(text)
  if (bytes >= QUOTA_MIN_BYTES && bytes <= QUOTA_MAX_BYTES) return text
  throw new BadValue('must be a size from "64MiB" to "16GiB"')
}

function checkMode(text: string): string {
  // Never writable by others and never readable by everyone.
  if (text !== '0600' && text !== '0640') throw new BadValue('must be "0600" or "0640"')
  return text
}

function checkLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text)
  if (level === undefined) throw new BadValue(`must be one of ${LOG_LEVELS.join(', ')}`)
  return level
}

const origins = listOf('an origin', ORIGIN, 'http://localhost:3000')

/** Every key that config.toml may hold, by its dotted name. */
export const CONFIG_KEYS = {
  listen: listKey(listOf('an address', TCP_LISTEN, '/ip4/0.0.0.0/tcp/7760'), {
    fallback: ['/ip4/0.0.0.0/tcp/0'],
    doc: 'Where other nodes of the network reach this one: /ip4/…/tcp/<port> or …/tcp/<port>/ws.\nPort 0 takes a free port at every start; bootstraps need a fixed one.',
    example: '["/ip4/0.0.0.0/tcp/7760"]',
  }),
  announce: listKey(listOf('an address', TCP_ANNOUNCE, '/dns4/example.org/tcp/7760'), {
    fallback: [],
    doc: 'Addresses to tell others instead of the ones above, for a node behind a port forwarding or with a\npublic address of its provider.',
    example: '["/dns4/example.org/tcp/7760"]',
  }),
  reachable: {
    fallback: 'auto',
    reload: 'restart',
    doc: 'Whether others can dial this node. auto: it asks connected nodes to try. no: it sends and receives,\nbut neither mixes nor keeps for others. yes: it says so without asking.',
    example: '"auto"',
    parse: parseReachable,
    fromText: parseReachable,
  } satisfies ConfigKey<(typeof REACHABLE)[number]>,
  'rpc.http': {
    fallback: '',
    reload: 'restart',
    doc: 'Also serve the RPC over HTTP and WebSocket on this loopback address. Empty: Unix socket only.\nEvery request needs the token in rpc.cookie.',
    example: '"127.0.0.1:7766"',
    parse: parseString(checkHttp),
    fromText: checkHttp,
  } satisfies ConfigKey<string>,
  'rpc.allowed_origins': listKey(origins, {
    fallback: [],
    doc: 'Web pages that may call the HTTP port. Empty: none.',
    example: '["http://localhost:3000"]',
  }),
  'rpc.cookie_mode': {
    fallback: '0600',
    reload: 'restart',
    doc: 'File mode of rpc.cookie. "0640" lets the group of the file use the HTTP port.',
    example: '"0600"',
    parse: parseString(checkMode),
    fromText: checkMode,
  } satisfies ConfigKey<string>,
  'mailbox.quota': {
    fallback: '4GiB',
    reload: 'live',
    doc: 'What boxes of the network may take on the disk, about: "512MiB" or "4GiB". Where the disk has no room for\nthat, less is taken; 320 MiB stay free. With less than boxes need, those farthest from this node go first.',
    example: '"4GiB"',
    parse: parseString(checkQuota),
    fromText: checkQuota,
  } satisfies ConfigKey<string>,
  'log.level': {
    fallback: 'info',
    reload: 'live',
    doc: 'error, warn, info or debug. No level logs contacts, texts or who sent what.',
    example: '"info"',
    parse: parseString(checkLevel),
    fromText: checkLevel,
  } satisfies ConfigKey<LogLevel>,
} as const

export type ConfigKeyName = keyof typeof CONFIG_KEYS
export type ConfigValue = string | readonly string[]

export const CONFIG_KEY_NAMES = Object.keys(CONFIG_KEYS) as readonly ConfigKeyName[]

/** The environment variable of a key: `rpc.allowed_origins` is HEARSAY_RPC_ALLOWED_ORIGINS. */
export function environmentName(key: ConfigKeyName): string {
  return `HEARSAY_${key.replaceAll('.', '_').toUpperCase()}`
}
