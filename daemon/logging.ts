import { createHmac, randomBytes } from 'node:crypto'
import type { DestinationStream, Logger as PinoLogger } from 'pino'
import type { LogFields, Logger } from '../src/base/index.ts'
import type { LogLevel } from './config/index.ts'

export interface LogOptions {
  readonly level: LogLevel
  /** One JSON object per line, for files and service managers; false: lines for a person. */
  readonly json: boolean
  readonly write: (line: string) => void
}

/** A logger whose level can be changed while it runs. */
export interface DaemonLog extends Logger {
  setLevel(level: LogLevel): void
}

/** Fields that name another node. They are replaced, so that two boots' logs cannot be joined. */
const PEER_FIELDS = new Set(['peer', 'peerId', 'nodeId', 'from', 'remotePeer', 'courier', 'keeper'])
/** Fields that must never be logged; a module that tries has a bug, and the log does not show it. */
const SECRET_FIELDS = new Set([
  'token',
  'cookie',
  'key',
  'secret',
  'uri',
  'text',
  'body',
  'alias',
  'contact',
  'contactId',
  'messageId',
  'address',
  'safetyNumber',
])
const FINGERPRINT_HEX_DIGITS = 8

/**
 * Logs constant messages with fields. Peer ids become fingerprints under a key that lives as long as the
 * process; fields that could hold a secret or a contact are dropped. pino is loaded here, so that the
 * command line does not pay for it.
 */
export async function openLog(options: LogOptions): Promise<DaemonLog> {
  const { pino } = await import('pino')
  const destination: DestinationStream = {
    write: options.json ? options.write : (line) => options.write(forPeople(line)),
  }
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  const bootKey = randomBytes(32)
  const all: PinoLogger[] = [root]
  const wrap = (log: PinoLogger): Logger => ({
    error: (message, fields) => log.error(clean(bootKey, fields), message),
    warn: (message, fields) => log.warn(clean(bootKey, fields), message),
    info: (message, fields) => log.info(clean(bootKey, fields), message),
    debug: (message, fields) => log.debug(clean(bootKey, fields), message),
    child(module) {
      const child = log.child({ module })
      all.push(child)
      return wrap(child)
    },
  })
  return {
    ...wrap(root),
    setLevel(level) {
      // pino copies the level into a child when it is made.
      for (const log of all) log.level = level
    },
  }
}

function clean(bootKey: Uint8Array, fields: LogFields = {}): LogFields {
  const out: Record<string, string | number | boolean | undefined> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (SECRET_FIELDS.has(name)) continue
    out[name] = PEER_FIELDS.has(name) ? fingerprint(bootKey, String(value)) : value
  }
  return out
}

function fingerprint(bootKey: Uint8Array, id: string): string {
  const mac = createHmac('sha256', bootKey).update(id).digest('hex')
  return `~${mac.slice(0, FINGERPRINT_HEX_DIGITS)}`
}

/** `12:00:01 info  net: link up peer=~1a2b3c4d` */
function forPeople(line: string): string {
  const { level, time, module, msg, ...fields } = JSON.parse(line) as Record<
    string,
    string | number | boolean
  >
  const clock = String(time).slice(11, 19)
  const where = module === undefined ? '' : `${module}: `
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`)
  return `${clock} ${String(level).padEnd(5)} ${where}${msg}${rest.join('')}\n`
}
