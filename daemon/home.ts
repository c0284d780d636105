import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { DAEMON_EXIT, EXIT, ExitError, reasonOf, systemCode } from './exit-codes.ts'

/** Where everything of one daemon lives. All paths are absolute. */
export interface Home {
  /** Holds `db/` and `vault.key`. */
  readonly root: string
  readonly configFile: string
  readonly keyFile: string
  readonly socket: string
  readonly cookieFile: string
  /** For people: which process has the home. The lock is the database's. */
  readonly pidFile: string
  readonly logFile: string
  /** True when one directory holds everything (HEARSAY_HOME or --home), false for the XDG folders. */
  readonly single: boolean
}

export type Environment = Readonly<Record<string, string | undefined>>

// The smallest sun_path among the systems Node runs on is macOS's 104 bytes with its final zero;
// Linux takes 108 with it.
const MAX_SOCKET_PATH_BYTES = process.platform === 'darwin' ? 103 : 107
const LOOSE_BITS = 0o077
const WRITABLE_BITS = 0o022
const STICKY_BIT = 0o1000

/**
 * Finds the home: `given` (--home), else HEARSAY_HOME, else the XDG folders of the user. Touches
 * nothing. @throws ExitError 2 when none can be told.
 */
export function resolveHome(given: string | undefined, env: Environment): Home {
  const single = given ?? (env.HEARSAY_HOME === '' ? undefined : env.HEARSAY_HOME)
  if (single !== undefined) {
    const root = resolve(single)
    return {
      root,
      configFile: join(root, 'config.toml'),
      keyFile: join(root, 'vault.key'),
      socket: shortSocket(join(root, 'rpc.sock'), env),
      cookieFile: join(root, 'rpc.cookie'),
      pidFile: join(root, 'daemon.pid'),
      logFile: join(root, 'log', 'hearsay.log'),
      single: true,
    }
  }
  const user = env.HOME
  if (user === undefined || !isAbsolute(user)) {
    throw new ExitError(
      EXIT.usage,
      'cannot tell where to keep data: HOME is not set',
      'set HEARSAY_HOME',
    )
  }
  const folder = (name: string, fallback: string) => {
    const value = env[name]
    return join(value !== undefined && isAbsolute(value) ? value : join(user, fallback), 'hearsay')
  }
  const root = folder('XDG_DATA_HOME', '.local/share')
  const runtime = env.XDG_RUNTIME_DIR
  const run = runtime !== undefined && isAbsolute(runtime) ? join(runtime, 'hearsay') : root
  return {
    root,
    configFile: join(folder('XDG_CONFIG_HOME', '.config'), 'config.toml'),
    keyFile: join(root, 'vault.key'),
    socket: shortSocket(join(run, 'rpc.sock'), env),
    cookieFile: join(run, 'rpc.cookie'),
    pidFile: join(run, 'daemon.pid'),
    logFile: join(folder('XDG_STATE_HOME', '.local/state'), 'log', 'hearsay.log'),
    single: false,
  }
}

/**
 * A path that the system can bind. A home too deep for a socket gets one in the runtime folder whose
 * name follows from the home's path, so daemon and client agree without asking each other.
 */
function shortSocket(wanted: string, env: Environment): string {
  if (Buffer.byteLength(wanted) <= MAX_SOCKET_PATH_BYTES) return wanted
  const runtime = env.XDG_RUNTIME_DIR
  const base =
    runtime !== undefined && isAbsolute(runtime)
      ? join(runtime, 'hearsay')
      : join('/tmp', `hearsay-${process.getuid?.() ?? 'user'}`)
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 16)
  const short = join(base, `${name}.sock`)
  if (Buffer.byteLength(short) <= MAX_SOCKET_PATH_BYTES) return short
  throw new ExitError(
    DAEMON_EXIT.config,
    `the socket path ${wanted} is longer than ${MAX_SOCKET_PATH_BYTES} bytes, and so is ${short}`,
    'choose a shorter HEARSAY_HOME',
  )
}

/**
 * Makes the folders, each open to the owner alone, and refuses what another user could have planted or
 * can read. @throws ExitError 77, or 74 when a folder cannot be made.
 */
export function ensureHome(home: Home): void {
  const files = [home.configFile, home.socket, home.logFile]
  for (const folder of new Set([home.root, ...files.map((file) => dirname(file))])) {
    makePrivateFolder(folder)
  }
  refuseLooseFile(home.keyFile)
}

function makePrivateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const stat = statSync(folder)
    const uid = process.getuid?.()
    if (uid !== undefined && stat.uid !== uid) {
      throw new ExitError(
        DAEMON_EXIT.permission,
        `${folder} belongs to another user`,
        'choose another folder with HEARSAY_HOME',
      )
    }
    // Whoever can write here can replace the key file. In a sticky folder (/tmp) they cannot.
    if ((stat.mode & WRITABLE_BITS) !== 0 && (stat.mode & STICKY_BIT) === 0) {
      chmodSync(folder, stat.mode & 0o755)
    }
  } catch (error) {
    if (error instanceof ExitError) throw error
    const code = systemCode(error)
    const denied = code === 'EACCES' || code === 'EPERM'
    throw new ExitError(
      denied ? DAEMON_EXIT.permission : DAEMON_EXIT.ioError,
      `cannot make the folder ${folder}: ${code ?? reasonOf(error)}`,
      code === 'ENOSPC' ? 'free some disk space' : 'choose another folder with HEARSAY_HOME',
      error,
    )
  }
}

/**
 * A key file that others can read or write is no secret any more. A missing file is fine.
 * @throws ExitError 77.
 */
export function refuseLooseFile(file: string): void {
  const stat = lstatSync(file, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isFile()) {
    throw new ExitError(DAEMON_EXIT.permission, `${file} is not a regular file`, 'remove it')
  }
  const mode = stat.mode & 0o777
  if ((mode & LOOSE_BITS) === 0) return
  throw new ExitError(
    DAEMON_EXIT.permission,
    `${file} can be read or written by other users (mode ${mode.toString(8).padStart(4, '0')})`,
    `run: chmod 600 ${file}`,
  )
}
