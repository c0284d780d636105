import { type ErrorCode, isHearsayError } from '../src/base/index.ts'
import { DAEMON_EXIT, ExitError, reasonOf, systemCode } from './exit-codes.ts'
import type { Home } from './home.ts'
import { daemonProcess } from './running.ts'

const EXIT_OF_CODE: Partial<Record<ErrorCode, number>> = {
  'storage-locked': DAEMON_EXIT.unavailable,
  'address-in-use': DAEMON_EXIT.unavailable,
  'storage-full': DAEMON_EXIT.ioError,
  'storage-failed': DAEMON_EXIT.ioError,
  'storage-poisoned': DAEMON_EXIT.ioError,
  'storage-corrupt': DAEMON_EXIT.dataCorrupt,
  'storage-permissions': DAEMON_EXIT.permission,
  // Another key, none, or a newer program's database: no restart mends it.
  'storage-key-mismatch': DAEMON_EXIT.config,
  'not-found': DAEMON_EXIT.config,
  'bad-encoding': DAEMON_EXIT.config,
  'storage-version': DAEMON_EXIT.config,
}

const EXIT_OF_SYSTEM: Readonly<Record<string, number>> = {
  EADDRINUSE: DAEMON_EXIT.unavailable,
  EADDRNOTAVAIL: DAEMON_EXIT.config,
  EACCES: DAEMON_EXIT.permission,
  EPERM: DAEMON_EXIT.permission,
  ENOSPC: DAEMON_EXIT.ioError,
  EDQUOT: DAEMON_EXIT.ioError,
  EROFS: DAEMON_EXIT.ioError,
  EIO: DAEMON_EXIT.ioError,
}

/** Turns what stopped a daemon into an exit code, a cause and a fix. */
export function explainStart(error: unknown, home: Home, listen: readonly string[]): ExitError {
  if (error instanceof ExitError) return error
  const system = rootSystemCode(error)
  if (isHearsayError(error)) {
    const code = EXIT_OF_CODE[error.code] ?? EXIT_OF_SYSTEM[system ?? ''] ?? DAEMON_EXIT.bug
    // A full disk has many symptoms: whatever could not be written, the cause below it is what helps.
    const cause = system === 'ENOSPC' || system === 'EDQUOT' ? 'storage-full' : error.code
    return new ExitError(code, ...sentence(cause, error.message, home, listen), error)
  }
  if (system !== undefined && EXIT_OF_SYSTEM[system] !== undefined) {
    const code = SENTENCE_OF_SYSTEM[system] ?? 'storage-failed'
    const text = sentence(code, `${reasonOf(error)}`, home, listen)
    return new ExitError(EXIT_OF_SYSTEM[system], ...text, error)
  }
  return new ExitError(DAEMON_EXIT.bug, `internal error: ${reasonOf(error)}`, 'see the log', error)
}

const SENTENCE_OF_SYSTEM: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: 'address-in-use',
  EADDRNOTAVAIL: 'address-in-use',
  ENOSPC: 'storage-full',
  EDQUOT: 'storage-full',
}

/** The cause and the fix of what a person can mend. */
function sentence(
  code: ErrorCode,
  message: string,
  home: Home,
  listen: readonly string[],
): [string, string | undefined] {
  switch (code) {
    case 'storage-locked': {
      const pid = daemonProcess(home)?.pid
      const who = pid === undefined ? 'another hearsay' : `another hearsay (pid ${pid})`
      return [`${who} is running on ${home.root}`, 'stop it with: hearsay down']
    }
    case 'address-in-use':
      return [
        `cannot listen on ${listen.join(', ')}: the address is in use or is not this machine's`,
        `choose another one: hearsay config set listen /ip4/0.0.0.0/tcp/<port>`,
      ]
    case 'storage-full':
      return [`the disk under ${home.root} is full`, 'free some space and start again']
    case 'storage-permissions':
      return [message, `run: chmod 600 ${home.keyFile}`]
    case 'storage-corrupt':
      return [
        `the database under ${home.root} is damaged: ${message}`,
        'restore a backup: hearsay db restore <file> --replace; if this home is a copy of one that was in use: hearsay db renew',
      ]
    case 'storage-key-mismatch':
      return [
        `${home.keyFile} is not the key of the database under ${home.root}`,
        'put the vault.key back that was made with it; a restored backup needs its own: hearsay db restore <file> --replace --key-file <key>',
      ]
    case 'not-found':
    case 'bad-encoding':
      return [
        `${message}: ${home.keyFile}`,
        'put the vault.key of this database back; without it nobody can open the database',
      ]
    case 'storage-version':
      return [message, 'start it with the version of Hearsay that last ran here, or a newer one']
    default:
      return [message, undefined]
  }
}

/** The system error at the bottom of a chain of causes, among an aggregate's too. */
function rootSystemCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at !== undefined && depth < 8; depth++) {
    const code = systemCode(at)
    if (code !== undefined && EXIT_OF_SYSTEM[code] !== undefined) return code
    const { cause, errors } = at as { cause?: unknown; errors?: readonly unknown[] }
    at = cause ?? errors?.[0]
  }
  return undefined
}
