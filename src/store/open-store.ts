import { HearsayError, isHearsayError } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import type { Store } from './api.ts'
import { assemble } from './assemble.ts'
import { CleanMark } from './clean-mark.ts'
import { CommitListeners } from './commit-listeners.ts'
import { FULL_DISK_BYTES, RESERVE_BYTES, VAULT_KEY_BYTES } from './constants.ts'
import type { FilePort } from './files.ts'
import { openLevelEngine } from './level-engine.ts'
import { SCHEMA } from './migrations.ts'
import { type HomePaths, homePaths, type StorePorts } from './parts.ts'
import { Reserve } from './reserve.ts'
import { writeError } from './storage-error.ts'
import { EngineStore } from './store.ts'
import { systemFiles } from './system-files.ts'
import { createVaultKey, readVaultKey } from './vault-key.ts'
import { Vault } from './vault.ts'

export interface StoreOptions {
  /** Directory of the store, created with mode 0700. One process may have it open. */
  readonly dir: string
  /** Default: `vault.key` in `dir`. Created when neither it nor a database exists. */
  readonly keyFile?: string
  /** 32 bytes instead of a key file. Copied. */
  readonly vaultKey?: Uint8Array
  /** Default `RESERVE_BYTES`; 0 keeps no reserve. */
  readonly reserveBytes?: number
  /** The home was copied back from a backup: new epoch, missing commits are accepted. */
  readonly restored?: boolean
  /** Verifies the checksums of all tables first, also when the store was closed in good order. */
  readonly verify?: boolean
}

/**
 * Opens or creates the store of a home.
 * @throws HearsayError `storage-permissions` for a key file that others may read, `storage-key-mismatch`,
 * `storage-locked` while another opener has it, `storage-full` when not even the reserve makes room,
 * `storage-version` for a store of a newer program, `storage-corrupt` for damage (also for a database that
 * has lost commits, and for a missing shelf), `storage-failed`.
 */
export async function openStore(ports: StorePorts, options: StoreOptions): Promise<Store> {
  const files = ports.files ?? systemFiles
  const paths = homePaths(options.dir)
  await files.makeDirectory(paths.directory)
  const reading = { ...ports, files }
  const vaultKey = await findVaultKey(reading, paths, options)
  const vault = new Vault(ports, { vaultKey })
  wipe(vaultKey)
  const listeners = new CommitListeners(ports)
  const bytes = options.reserveBytes ?? RESERVE_BYTES
  const reserve = new Reserve(reading, { path: paths.reserve, bytes })
  const openParts = async (restored: boolean) => {
    await new CleanMark({ files }, paths).verify(options.verify)
    // By itself LevelDB makes it as open as the umask lets it.
    await files.makeDirectory(paths.database)
    const engine = await openLevelEngine(paths.database)
    return assemble(
      { ...reading, engine, reserve, vault, listeners },
      { paths, schema: SCHEMA, restored },
    )
  }
  const open = async (restored: boolean) => {
    const parts = await openWithReserve(files, paths, reserve, () => openParts(restored))
    await reserve.restore(paths.directory)
    return parts
  }
  const parts = await open(options.restored ?? false)
  const again = {
    reopen: () => open(false),
    vaultKey: () => findVaultKey(reading, paths, options),
  }
  const store = new EngineStore({ ...ports, vault, listeners, ...again }, { parts })
  try {
    await store.consumers.load()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

/** A full disk fails in LevelDB, the shelf or the head alike; the reserve is worth one more attempt. */
async function openWithReserve<T>(
  files: FilePort,
  paths: HomePaths,
  reserve: Reserve,
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open()
  } catch (error) {
    if (!(await isForWantOfSpace(error, files, paths)) || !(await reserve.release())) {
      throw writeError(error)
    }
  }
  try {
    return await open()
  } catch (error) {
    throw writeError(error)
  }
}

async function isForWantOfSpace(
  error: unknown,
  files: FilePort,
  paths: HomePaths,
): Promise<boolean> {
  if (isHearsayError(error, 'storage-full')) return true
  if (isHearsayError(error) && error.code !== 'storage-failed') return false
  return (await files.freeBytes(paths.directory)) < FULL_DISK_BYTES
}

async function findVaultKey(
  ports: StorePorts & { readonly files: FilePort },
  paths: HomePaths,
  options: StoreOptions,
): Promise<Uint8Array> {
  if (options.vaultKey !== undefined) return checkedCopy(options.vaultKey)
  const path = options.keyFile ?? `${paths.directory}/vault.key`
  const { files } = ports
  const isNew = (await files.status(`${paths.database}/CURRENT`)) === undefined
  // A new key beside an old database would only hide that the old one is lost.
  if (isNew) await makeVaultKey(ports, path)
  return readVaultKey(files, path)
}

async function makeVaultKey(
  ports: StorePorts & { readonly files: FilePort },
  path: string,
): Promise<void> {
  const found = await ports.files.status(path)
  // Empty: the machine stopped while it was being created. Nothing can have been sealed under it.
  if (found?.bytes === 0) await ports.files.remove(path)
  if (found === undefined || found.bytes === 0) await createVaultKey(ports, path)
}

export function checkedCopy(vaultKey: Uint8Array): Uint8Array {
  if (vaultKey.length !== VAULT_KEY_BYTES) {
    throw new HearsayError('bad-length', 'the vault key is 32 bytes', { length: vaultKey.length })
  }
  return vaultKey.slice()
}
