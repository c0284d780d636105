import { HearsayError } from '../base/index.ts'
import {
  type BackupEntry,
  type BackupHeader,
  ENTRY,
  readBackup,
  readBackupHeader,
} from './backup-format.ts'
import { isCarried } from './backup.ts'
import { MAX_GROUP_BYTES, MAX_KEY_BYTES, SHELF_GROW_SLOTS } from './constants.ts'
import type { Engine, Operation } from './engine.ts'
import type { OpenFile } from './files.ts'
import { decodeHead, type Head } from './head.ts'
import { headOperation } from './journal-stage.ts'
import { openLevelEngine } from './level-engine.ts'
import { markOperation } from './marks.ts'
import { encodeFormat, META_KEYS } from './meta.ts'
import { SCHEMA } from './migrations.ts'
import { homePaths, type StorePorts } from './parts.ts'
import { mapKey } from './physical-key.ts'
import { Secrets } from './secrets.ts'
import { Shelf } from './shelf.ts'
import { corrupt, writeError } from './storage-error.ts'
import { systemFiles } from './system-files.ts'
import { Vault } from './vault.ts'

export interface RestoreOptions {
  readonly file: string
  /** Directory without a database; created when missing. */
  readonly dir: string
  /** 32 bytes; default: the key inside the backup. Copied. */
  readonly vaultKey?: Uint8Array
}

export interface RestoreResult {
  readonly entries: number
  readonly secrets: number
  /** The last event of the backup. */
  readonly seq: number
}

const HEAD = mapKey(META_KEYS.head)

/** The vault key inside a backup, undefined when it was made without. @throws as `restoreBackup`. */
export async function backupKey(
  ports: Pick<StorePorts, 'files'>,
  path: string,
): Promise<Uint8Array | undefined> {
  return withBackup(ports, path, async (_file, { vaultKey }) => vaultKey)
}

/**
 * Makes the database and the shelf of a home from a backup. The first opening begins a new epoch. A stop or an
 * error in the middle leaves a directory that does not open: its format record is written last.
 * @throws HearsayError `not-found`, `storage-corrupt` for a backup that is not whole, `storage-key-mismatch`,
 * `storage-version`, `bad-value` when there is a database or no key, `storage-full`, `storage-failed`.
 */
export function restoreBackup(ports: StorePorts, options: RestoreOptions): Promise<RestoreResult> {
  const files = ports.files ?? systemFiles
  const paths = homePaths(options.dir)
  return withBackup(ports, options.file, async (file, header) => {
    const vaultKey = options.vaultKey ?? header.vaultKey
    if (vaultKey === undefined) {
      throw new HearsayError('bad-value', 'this backup was made without the key: give it', {
        field: 'keyFile',
      })
    }
    if (header.schema > SCHEMA.version) {
      throw new HearsayError('storage-version', 'a newer version of Hearsay wrote this backup')
    }
    if ((await files.status(`${paths.database}/CURRENT`)) !== undefined) {
      throw new HearsayError('bad-value', 'there is a database already', { field: 'dir' })
    }
    const vault = new Vault(ports, { vaultKey })
    await files.makeDirectory(paths.database)
    const engine = await openLevelEngine(paths.database)
    try {
      const shelf = await Shelf.open({ vault, files }, { path: paths.shelf, create: true })
      try {
        await shelf.recover(new Map())
        return await new Restore({ engine, vault, shelf, file }).run(header)
      } finally {
        await shelf.close()
      }
    } catch (error) {
      throw writeError(error)
    } finally {
      await engine.close()
      await files.syncDirectory(paths.directory)
    }
  })
}

/**
 * Lets the next opening of a home begin a new epoch, and not mind commits that are missing at the end: for a copy
 * that cannot be told from its original, or that was taken while the store was in use. Opens no value.
 * @throws HearsayError `not-found` when there is no database, `storage-locked`, `storage-full`, `storage-failed`.
 */
export async function renewHome(options: { readonly dir: string }): Promise<void> {
  const paths = homePaths(options.dir)
  if ((await systemFiles.status(`${paths.database}/CURRENT`)) === undefined) {
    throw new HearsayError('not-found', 'there is no database')
  }
  const engine = await openLevelEngine(paths.database)
  try {
    await engine.write([{ type: 'put', key: META_KEYS.restore, value: new Uint8Array(1) }])
  } catch (error) {
    throw writeError(error)
  } finally {
    await engine.close()
  }
}

async function withBackup<T>(
  ports: Pick<StorePorts, 'files'>,
  path: string,
  use: (file: OpenFile, header: BackupHeader) => Promise<T>,
): Promise<T> {
  const file = await (ports.files ?? systemFiles).open(path)
  if (file === undefined) throw new HearsayError('not-found', 'there is no such file')
  try {
    return await use(file, await readBackupHeader(file))
  } finally {
    await file.close()
  }
}

class Restore {
  readonly #ports: { engine: Engine; vault: Vault; shelf: Shelf; file: OpenFile }
  readonly #secrets: Secrets
  #operations: Operation[] = []
  #bytes = 0
  #head: Head | undefined

  constructor(ports: { engine: Engine; vault: Vault; shelf: Shelf; file: OpenFile }) {
    this.#ports = ports
    this.#secrets = new Secrets(ports)
  }

  async run(header: BackupHeader): Promise<RestoreResult> {
    const { engine, vault, shelf } = this.#ports
    const count = { entries: 0, secrets: 0 }
    // Until the format record is there, this keeps an opening from taking the database for a new one.
    const mark = { type: 'put' as const, key: META_KEYS.restore, value: new Uint8Array(1) }
    await engine.write([mark])
    let change = shelf.begin()
    const flush = async () => {
      await shelf.stage(change)
      await engine.write(this.#operations)
      await shelf.erase(change)
      change = shelf.begin()
      this.#operations = []
      this.#bytes = 0
    }
    for await (const entry of readBackup(this.#ports, header)) {
      const { kind, key, value } = entry
      count.entries++
      if (kind === ENTRY.secret) {
        count.secrets++
        checkKey(entry)
        this.#operations.push(...this.#secrets.put(change, key, value))
      } else {
        this.#plain(entry)
      }
      this.#bytes += key.length + value.length
      if (this.#bytes >= MAX_GROUP_BYTES || change.fresh.size >= SHELF_GROW_SLOTS) await flush()
    }
    await flush()
    if (this.#head === undefined) throw corrupt('the backup has no head')
    const { commits, seq } = this.#head
    await engine.write([
      headOperation(vault, { ...this.#head, marksFrom: commits }),
      markOperation(commits),
      { type: 'put', key: META_KEYS.format, value: encodeFormat(vault, header.schema) },
    ])
    return { ...count, seq }
  }

  #plain(entry: BackupEntry): void {
    checkKey(entry)
    const { key, value } = entry
    if (mapKey(key) === HEAD) this.#head = decodeHead(this.#ports.vault.open(key, value))
    this.#operations.push({ type: 'put', key, value })
  }
}

/** What only a faulty writer would put there; the chunk itself was authentic. */
function checkKey({ key }: BackupEntry): void {
  if (key.length < 2 || key.length > MAX_KEY_BYTES + 1 || !isCarried(key)) {
    throw corrupt('the backup has an entry that no backup carries')
  }
}
