import { basename } from 'node:path'
import { HearsayError, isHearsayError, type Rng } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import { BackupWriter, encodeBackupHeader, ENTRY } from './backup-format.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import type { FilePort, OpenFile } from './files.ts'
import { mapKey } from './physical-key.ts'
import { META_KEYS, readFormat } from './meta.ts'
import type { Parts } from './parts.ts'
import { partOf, removeStaleParts } from './stale-parts.ts'
import { corrupt, isFullDisk } from './storage-error.ts'
import { isSecret } from './vault.ts'

export interface BackupOptions {
  /** The file to make; there must be none. */
  readonly path: string
  /** Puts the vault key inside: the file then opens by itself, and is as secret as the home. */
  readonly withKey?: boolean
}

export interface BackupResult {
  readonly bytes: number
  readonly entries: number
  readonly secrets: number
  /** Entries that do not open: secrets are left out, others are copied as they are. */
  readonly damaged: number
  /** The last event that it holds. */
  readonly seq: number
  /** Of the file as it was written, 64 hexadecimal digits: tells later whether the medium has kept it. */
  readonly sha256: string
  readonly epoch: string
}

export interface BackupPorts {
  readonly rng: Rng
  readonly parts: Parts
  /** Called for a backup with the key. */
  readonly vaultKey: () => Promise<Uint8Array>
  /** Names of the parts that are being written: shared by all backups of one store. */
  readonly writing: Set<string>
}

const ID_BYTES = 32
const PLACES = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'EROFS', 'EEXIST'])
/** Belongs to the files of one home, and is made anew by a restore. */
const LEFT_OUT = new Set<number>([
  SYSTEM_BUCKETS.secretIndex,
  SYSTEM_BUCKETS.marks,
  SYSTEM_BUCKETS.sentinel,
])
const KEPT_META = new Set([mapKey(META_KEYS.epoch), mapKey(META_KEYS.head)])

/** Whether a backup carries the entry of this key. */
export function isCarried(key: Uint8Array): boolean {
  const bucket = key[0] ?? SYSTEM_BUCKETS.meta
  return bucket === SYSTEM_BUCKETS.meta ? KEPT_META.has(mapKey(key)) : !LEFT_OUT.has(bucket)
}

/** See `Store.backup`. The file gets its name once it is whole and synced. */
export async function writeBackup(
  ports: BackupPorts,
  options: BackupOptions,
): Promise<BackupResult> {
  const { writing, parts } = ports
  const { files, vault } = parts
  const { path } = options
  const temporary = partOf(path, ports.rng.bytes(4))
  writing.add(basename(temporary))
  try {
    await refuseExisting(files, path)
    // First: they may hold the room that this one needs.
    await removeStaleParts({ files, vault, writing }, path)
    const file = await files.create(temporary)
    let result: BackupResult
    try {
      result = await fill(ports, options, file)
      await file.sync()
    } finally {
      await file.close()
    }
    // Another one to this path may have been quicker.
    await refuseExisting(files, path)
    await files.rename(temporary, path)
    await files.syncDirectory(path.replace(/[^/]*$/, '') || '.')
    return result
  } catch (error) {
    await files.remove(temporary).catch(() => undefined)
    throw backupError(error)
  } finally {
    writing.delete(basename(temporary))
  }
}

async function refuseExisting(files: FilePort, path: string): Promise<void> {
  if ((await files.status(path)) === undefined) return
  throw new HearsayError('bad-value', 'there is a file of this name already', { field: 'path' })
}

async function fill(
  { rng, parts, vaultKey }: BackupPorts,
  { withKey }: BackupOptions,
  file: OpenFile,
): Promise<BackupResult> {
  const { committer, engine, shelf, vault, epoch } = parts
  // A commit would erase keys that the snapshot needs: they are copied in the same pause.
  const { entries, first, keys, seq } = await committer.between(async () => {
    const iterator = engine.iterate({})[Symbol.asyncIterator]()
    const step = await iterator.next()
    return { entries: iterator, first: step, keys: shelf.copyKeys(), seq: committer.head.seq }
  })
  let key: Uint8Array | undefined
  try {
    if (withKey === true) key = await vaultKey()
    const format = await engine.get(META_KEYS.format)
    if (format === undefined) throw corrupt('the format record is missing')
    const schema = readFormat(vault, format, Number.MAX_SAFE_INTEGER)
    const id = rng.bytes(ID_BYTES)
    const header = encodeBackupHeader(vault, { schema, id, ...(key ? { vaultKey: key } : {}) })
    await file.write(0, header)
    const writer = new BackupWriter({ vault, file }, header)
    const count = { entries: 0, secrets: 0, damaged: 0 }
    for (let step = first; !step.done; step = await entries.next()) {
      const [at, envelope] = step.value
      if (!isCarried(at)) continue
      const value = opened(parts, at, envelope, keys.find)
      if (value === undefined) count.damaged++
      if (!isSecret(envelope)) {
        await writer.add({ kind: ENTRY.plain, key: at, value: envelope })
      } else if (value !== undefined) {
        await writer.add({ kind: ENTRY.secret, key: at, value })
        wipe(value)
        count.secrets++
      } else {
        continue
      }
      count.entries++
    }
    const sha256 = await writer.end()
    return { bytes: writer.bytes, ...count, seq, sha256, epoch }
  } finally {
    keys.wipe()
    if (key !== undefined) wipe(key)
    await entries.return?.()
  }
}

function opened(
  { vault }: Parts,
  key: Uint8Array,
  envelope: Uint8Array,
  find: ReturnType<Parts['shelf']['copyKeys']>['find'],
): Uint8Array | undefined {
  try {
    return vault.open(key, envelope, find)
  } catch (error) {
    if (isHearsayError(error, 'storage-corrupt')) return undefined
    throw error
  }
}

/** The place was the caller's choice: what the system says of a file is about it, and not about the store. */
function backupError(error: unknown): HearsayError {
  if (isHearsayError(error)) return error
  const { code = '' } = error as { code?: string }
  if (!/^E[A-Z0-9]+$/.test(code)) {
    return new HearsayError('storage-failed', 'the backup cannot be written', {}, error)
  }
  const field = 'path'
  if (isFullDisk(error)) {
    // The field tells it from a store whose own disk is full.
    const why = 'there is no room for the backup in this place'
    return new HearsayError('storage-full', why, { field }, error)
  }
  const why = PLACES.has(code)
    ? 'no file can be made in this place'
    : 'the backup cannot be written to this place'
  return new HearsayError('bad-value', why, { field }, error)
}
