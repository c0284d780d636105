import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  type ErrorCode,
  isHearsayError,
  type Rng,
  silentLogger,
  toHex,
  utf8,
} from '../src/base/index.ts'
import { backupKey, readVaultKey, restoreBackup, systemFiles } from '../src/store/index.ts'
import { EXIT, ExitError, reasonOf } from './exit-codes.ts'
import { ensureHome, type Home } from './home.ts'

export interface RestoreRequest {
  readonly file: string
  /** Holds the vault key of the backup; by default the one inside it, else the home's own. */
  readonly keyFile: string | undefined
  /** A database that is there is moved aside; otherwise it is refused. */
  readonly replace: boolean
}

export interface Restored {
  readonly entries: number
  readonly secrets: number
  readonly headSeq: number
  /** Where what was there before is now. */
  readonly movedTo: string | null
}

interface Ports {
  readonly clock: Clock
  readonly rng: Rng
}

/** The files of a store beside its key; the watermark goes last, because an opening refuses to begin anew beside it. */
const STORE_FILES = ['clean', 'witness', 'reserve.bin', 'secrets.shelf', 'db', 'watermark'] as const

const EXIT_OF_CODE: Partial<Record<ErrorCode, number>> = {
  'not-found': EXIT.notFound,
  'storage-key-mismatch': EXIT.auth,
  'storage-permissions': EXIT.auth,
  'bad-encoding': EXIT.auth,
  'bad-value': EXIT.usage,
}

/**
 * Puts the content of a backup into a home whose daemon is not running. It is built beside and moved into place
 * once it is whole, so a stop at any step leaves the old state, or a home that refuses to start until this is
 * repeated. The next start begins as a new device. @throws ExitError.
 */
export async function restoreHome(
  ports: Ports,
  home: Home,
  request: RestoreRequest,
): Promise<Restored> {
  ensureHome(home)
  const found = STORE_FILES.filter((name) => existsSync(join(home.root, name)))
  if (found.length > 0 && !request.replace) {
    throw new ExitError(
      EXIT.conflict,
      `there is a database in ${home.root}`,
      'use another home, or --replace, which moves it aside',
    )
  }
  const building = join(home.root, `restoring-${toHex(ports.rng.bytes(4))}`)
  try {
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
    const movedTo = exchange(ports, home, building, isSameKey)
    await systemFiles.syncDirectory(home.root)
    const { entries, secrets, headSeq } = result
    return { entries, secrets, headSeq, movedTo }
  } catch (error) {
    throw explained(error, request)
  } finally {
    rmSync(building, { recursive: true, force: true })
  }
}

async function findKey(home: Home, { file, keyFile }: RestoreRequest): Promise<Uint8Array> {
  if (keyFile !== undefined) return readVaultKey(systemFiles, keyFile)
  const inside = await backupKey({}, file)
  if (inside !== undefined) return inside
  if (existsSync(home.keyFile)) return readVaultKey(systemFiles, home.keyFile)
  throw new ExitError(
    EXIT.usage,
    'this backup was made without its key',
    'give the vault.key of the home that it came from: --key-file <file>',
  )
}

async function holds(keyFile: string, vaultKey: Uint8Array): Promise<boolean> {
  if (!existsSync(keyFile)) return false
  return toHex(await readVaultKey(systemFiles, keyFile)) === toHex(vaultKey)
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
  if (!isSameKey) {
    moveAside(home.keyFile, 'vault.key')
    renameSync(join(building, 'vault.key'), home.keyFile)
  }
  for (const name of ['secrets.shelf', 'db']) {
    renameSync(join(building, name), join(home.root, name))
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
