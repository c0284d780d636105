import { existsSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EXIT, ExitError } from './exit-codes.ts'
import type { Home } from './home.ts'
import { isAlive, type ProcessRef, refOf } from './processes.ts'

/** In the root of a home while its daemon runs: where that listens, and which process it is. Holds no secret. */
const RECORD = 'running.json'

type Place = Pick<Home, 'root' | 'socket' | 'cookieFile' | 'pidFile' | 'logFile'>
type Running = Place & { readonly process?: ProcessRef }

/** Says that this process is the daemon of the home. @throws the error of the file system. */
export function recordDaemon(home: Home): void {
  const { socket, cookieFile, pidFile, logFile } = home
  const file = join(home.root, RECORD)
  // What an earlier one has left must not stand when the disk has no room for this one.
  rmSync(file, { force: true })
  const ref = refOf(process.pid)
  const place: Place = { root: realpathSync(home.root), socket, cookieFile, pidFile, logFile }
  const record: Running = ref === undefined ? place : { ...place, process: ref }
  writeFileSync(file, `${JSON.stringify(record)}\n`, { mode: 0o600 })
}

export function forgetDaemon({ root }: Home): void {
  rmSync(join(root, RECORD), { force: true })
}

/**
 * The home with the socket, the cookie, the pid file and the log of the daemon that has it. XDG_RUNTIME_DIR says where they are,
 * and a cron job has none: it would find no daemon, and the owner of one that it started could not stop it.
 */
export function findDaemon(home: Home): Home {
  const record = readRecord(home)
  const { socket, process: ref } = record
  // Where this environment looks for it, one that was killed may have left a socket; and in the record, another.
  if (socket === undefined || !existsSync(socket) || (ref && !isSame(ref))) return home
  const { cookieFile, pidFile, logFile } = { ...home, ...record }
  return { ...home, socket, cookieFile, pidFile, logFile }
}

/**
 * The process that has the home: after its socket has gone it hands on what it holds and closes its database. Undefined when
 * it has ended, and where nothing can be known.
 */
export function daemonProcess(home: Pick<Home, 'root'>): ProcessRef | undefined {
  const ref = readRecord(home).process
  return ref && isSame(ref) ? ref : undefined
}

/**
 * To be asked when connected and before anything is said: another user can guess the name of a socket in /tmp, or of a home
 * there, and take its place while no daemon runs. Whoever has the folder of the socket now had it before; the superuser may also
 * talk to the daemon of whoever has the home. @throws ExitError 4.
 */
export function refuseForeignSocket(socket: string, home?: Home): void {
  const own = process.getuid?.()
  if (own === undefined) return
  const folder = dirname(socket)
  const trusted = own === 0 && home !== undefined ? [own, ownerOf(home.root)] : [own]
  const owner = ownerOf(folder)
  if (owner !== undefined && trusted.includes(owner)) return
  throw new ExitError(
    EXIT.auth,
    `${folder} belongs to another user, and so may whatever listens there`,
    'set XDG_RUNTIME_DIR, or choose another HEARSAY_HOME',
  )
}

function ownerOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.uid
}

function isSame(ref: ProcessRef): boolean {
  return typeof ref.startTime === 'string' && isAlive(ref)
}

/** Empty where there is none that can be read. */
function readRecord({ root }: Pick<Home, 'root'>): Partial<Running> {
  try {
    const record = JSON.parse(readFileSync(join(root, RECORD), 'utf8')) as Partial<Running> | null
    // A copy of a home must not lead to the daemon of the original.
    return record?.root === realpathSync(root) ? record : {}
  } catch {
    return {}
  }
}
