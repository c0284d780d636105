import { createHash } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  equalBytes,
  type ErrorCode,
  isHearsayError,
  type Rng,
  silentLogger,
  toHex,
  utf8,
} from '../src/base/index.ts'
import {
  backupKey,
  holdLock,
  readVaultKey,
  restoreBackup,
  systemFiles,
} from '../src/store/index.ts'
import { EXIT, ExitError, reasonOf } from './exit-codes.ts'
import { ensureHome, type Home } from './home.ts'

export interface RestoreRequest {
  readonly file: string
  /** Holds the vault key of the backup; by default the one inside it, else the home's own. */
  readonly keyFile: string | undefined
  /** A database that is there is moved aside; otherwise it is refused. */
  readonly replace: boolean
  /** What the backup said of its file, 64 lower-case hexadecimal digits: any other file is refused. */
  readonly sha256: string | undefined
}

export interface Restored {
  readonly entries: number
  readonly secrets: number
  /** The last event of the backup. */
  readonly seq: number
  /** Where what was there before is now. */
  readonly movedTo: string | null
}

interface Ports {
  readonly clock: Clock
  readonly rng: Rng
}

/** The files of a store beside its key; the watermark goes last, because an opening refuses to begin anew beside it. */
const STORE_FILES = ['clean', 'witness', 'reserve.bin', 'secrets.shelf', 'db', 'watermark'] as const

const READ_BYTES = 262_144

const EXIT_OF_CODE: Partial<Record<ErrorCode, number>> = {
  'not-found': EXIT.notFound,
  'storage-key-mismatch': EXIT.auth,
  'storage-permissions': EXIT.auth,
  'bad-encoding': EXIT.auth,
  'bad-value': EXIT.usage,
}

/**
 * Puts the content of a backup into a home whose daemon is not running; the lock of the database says so, also while
 * the daemon starts or stops and answers nobody. It is built beside and moved into place once it is whole, so a stop at
 * any step leaves the old state, the new one, or a home that refuses to start until this is repeated. The next start
 * begins as a new device. @throws ExitError.
 */
export async function restoreHome(
  ports: Ports,
  home: Home,
  request: RestoreRequest,
): Promise<Restored> {
  ensureHome(home)
  const isEmpty = STORE_FILES.every((name) => !existsSync(join(home.root, name)))
  if (!isEmpty && !request.replace) throw thereIsOne(home)
  const building = join(home.root, `restoring-${toHex(ports.rng.bytes(4))}`)
  let release = async () => {}
  try {
    release = await holdDatabase(home, `${building}.lock`)
    await compare(request)
    const vaultKey = await findKey(home, request)
    const isSameKey = await holds(home.keyFile, vaultKey)
    if (!isSameKey && existsSync(home.keyFile) && !request.replace) {
      throw new ExitError(
        EXIT.conflict,
        `${home.keyFile} is another key than that of the backup`,
        'use another home, or --replace, which moves it aside',
      )
    }
    const result = await restoreBackup(
      { ...ports, log: silentLogger },
      { file: request.file, dir: building, vaultKey },
    )
    if (!isSameKey) await writeKey(join(building, 'vault.key'), vaultKey)
    // A daemon may have been started here meanwhile, and nothing locked it out.
    if (isEmpty && existsSync(join(home.root, 'db'))) throw thereIsOne(home)
    const movedTo = exchange(ports, home, building, isSameKey)
    await systemFiles.syncDirectory(home.root)
    const { entries, secrets, seq } = result
    return { entries, secrets, seq, movedTo }
  } catch (error) {
    throw explained(error, request)
  } finally {
    await release()
    rmSync(building, { recursive: true, force: true })
  }
}

function thereIsOne(home: Home): ExitError {
  return new ExitError(
    EXIT.conflict,
    `there is a database in ${home.root}`,
    'use another home, or --replace, which moves it aside',
  )
}

/**
 * Holds the lock of the database that is there, which may be too damaged to be opened. A daemon whose files are moved
 * away writes on into both, the old ones and the new ones. @throws ExitError 5 while another process has it.
 */
async function holdDatabase(home: Home, folder: string): Promise<() => Promise<void>> {
  mkdirSync(folder, { mode: 0o700 })
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    if (!isLinked(join(home.root, 'db', 'LOCK'), join(folder, 'LOCK'))) {
      remove()
      return async () => {}
    }
    const release = await holdLock(folder)
    return async () => {
      await release()
      remove()
    }
  } catch (error) {
    remove()
    if (!isHearsayError(error, 'storage-locked')) throw error
    throw new ExitError(
      EXIT.notReady,
      `another process has the database in ${home.root} open`,
      'stop the daemon first: hearsay down',
    )
  }
}

/** False where there is no database, or no links can be made: then nobody can be asked. */
function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch {
    return false
  }
}

/** An older backup, or one of another home with this key, is as authentic as the right one. @throws ExitError 7, 12. */
async function compare({ file, sha256 }: RestoreRequest): Promise<void> {
  if (sha256 === undefined) return
  const opened = await systemFiles.open(file)
  if (opened === undefined) throw new ExitError(EXIT.notFound, `${file}: there is no such file`)
  const hash = createHash('sha256')
  try {
    for (let offset = 0; ; ) {
      const part = await opened.read(offset, READ_BYTES)
      if (part.length === 0) break
      hash.update(part)
      offset += part.length
    }
  } finally {
    await opened.close()
  }
  if (hash.digest('hex') === sha256) return
  throw new ExitError(
    EXIT.trust,
    `${file} is not the file with this SHA-256`,
    `it was changed, or is another backup: compare with sha256sum ${file}`,
  )
}

async function findKey(home: Home, { file, keyFile }: RestoreRequest): Promise<Uint8Array> {
  if (keyFile !== undefined) return readKey(keyFile)
  const inside = await backupKey({}, file)
  if (inside !== undefined) return inside
  if (existsSync(home.keyFile)) return readKey(home.keyFile)
  throw new ExitError(
    EXIT.usage,
    'this backup was made without its key',
    'give the vault.key of the home that it came from: --key-file <file>',
  )
}

/** @throws ExitError 4 with the name of the file: there may be two. */
async function readKey(path: string): Promise<Uint8Array> {
  try {
    return await readVaultKey(systemFiles, path)
  } catch (error) {
    if (!isHearsayError(error)) throw error
    if (error.code === 'not-found') {
      throw new ExitError(EXIT.notFound, `${path}: ${error.message}`, undefined, error)
    }
    const isOpen = error.code === 'storage-permissions'
    const fix = isOpen ? `run: chmod 600 ${path}` : 'give another one: --key-file <file>'
    throw new ExitError(EXIT.auth, `${path}: ${error.message}`, fix, error)
  }
}

/** A key that is damaged is not the one of the backup: it may be why there is a restore. */
async function holds(keyFile: string, vaultKey: Uint8Array): Promise<boolean> {
  if (!existsSync(keyFile)) return false
  try {
    return equalBytes(await readVaultKey(systemFiles, keyFile), vaultKey)
  } catch (error) {
    if (!isHearsayError(error, 'bad-encoding')) throw error
    return false
  }
}

async function writeKey(path: string, vaultKey: Uint8Array): Promise<void> {
  const file = await systemFiles.create(path)
  try {
    await file.write(0, utf8(`${toHex(vaultKey)}\n`))
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Moves the old files aside and the new ones in. Returns where the old ones are, null when there were none. */
function exchange(ports: Ports, home: Home, building: string, isSameKey: boolean): string | null {
  const stamp = new Date(ports.clock.now()).toISOString().replaceAll(/[:.]/g, '-')
  const aside = join(home.root, `replaced-${stamp}`)
  let moved = false
  const moveAside = (from: string, name: string) => {
    if (!existsSync(from)) return
    mkdirSync(aside, { recursive: true, mode: 0o700 })
    renameSync(from, join(aside, name))
    moved = true
  }
  const [watermark, ...others] = STORE_FILES.toReversed()
  for (const name of others.toReversed()) moveAside(join(home.root, name), name)
  for (const name of ['secrets.shelf', 'db']) {
    renameSync(join(building, name), join(home.root, name))
  }
  // After the database, which refuses another key: beside the new key alone the old watermark says nothing, and the
  // next start would take the home for a new one.
  if (!isSameKey) {
    moveAside(home.keyFile, 'vault.key')
    renameSync(join(building, 'vault.key'), home.keyFile)
  }
  if (watermark !== undefined) moveAside(join(home.root, watermark), watermark)
  return moved ? aside : null
}

function explained(error: unknown, { file }: RestoreRequest): unknown {
  if (error instanceof ExitError) return error
  if (!isHearsayError(error)) return new ExitError(EXIT.storage, reasonOf(error), undefined, error)
  const code = EXIT_OF_CODE[error.code] ?? EXIT.storage
  const fix =
    error.code === 'storage-key-mismatch'
      ? 'give the vault.key of the home that it came from: --key-file <file>'
      : undefined
  const isKey = error.code === 'storage-permissions' || error.code === 'bad-encoding'
  return new ExitError(code, isKey ? error.message : `${file}: ${error.message}`, fix, error)
}
