import { concat, equalBytes, readU64be, u64be, utf8 } from '../base/index.ts'
import type { FilePort } from './files.ts'
import { liveTables } from './level-manifest.ts'
import { isIntactTable } from './level-table.ts'
import type { HomePaths } from './parts.ts'
import { corrupt } from './storage-error.ts'
import type { Vault } from './vault.ts'

const MAGIC = utf8('HSCLEAN1')
const MARK_BYTES = 32

/**
 * A file that exists while the store is closed in good order. Without it the last run was cut off, perhaps by
 * LevelDB itself, which aborts the process on some damage: then the checksums of all tables are verified, so
 * that a damaged home is refused by name and not opened into the next crash.
 */
export class CleanMark {
  readonly #files: FilePort
  readonly #paths: HomePaths

  constructor(ports: { readonly files: FilePort }, paths: HomePaths) {
    this.#files = ports.files
    this.#paths = paths
  }

  /** Verifies the tables if need be, or `always`. @throws HearsayError `storage-corrupt` {table}. */
  async verify(always = false): Promise<void> {
    if (!always && (await this.#files.status(this.#paths.clean)) !== undefined) return
    const damaged = await damagedTables(this.#files, this.#paths.database)
    if (damaged[0] !== undefined) throw corrupt('a table is damaged', { table: damaged[0] })
  }

  /**
   * Group commits at the last clean close, undefined when nobody knows. A database with fewer is older than this
   * file: a copy that was taken while the store was in use was written over the home.
   */
  async commits(vault: Vault): Promise<number | undefined> {
    const mark = await readWhole(this.#files, this.#paths.clean)
    if (mark?.length !== MARK_BYTES) return undefined
    const commits = mark.subarray(8, 16)
    return equalBytes(mark, encodeMark(vault, commits)) ? readU64be(commits, 0) : undefined
  }

  /** From now on the store is in use, also after a power cut: a mark that came back would hide what that damaged. */
  async take(): Promise<void> {
    await this.#files.remove(this.#paths.clean)
    await this.#files.syncDirectory(this.#paths.directory)
  }

  /** Never fails: without the mark, on a full disk say, the next opening takes longer. */
  async leave(vault: Vault, commits: number): Promise<void> {
    try {
      const file = await this.#files.create(this.#paths.clean)
      try {
        await file.write(0, encodeMark(vault, u64be(commits)))
      } finally {
        await file.close()
      }
    } catch {
      // The tables are verified instead.
    }
  }
}

/** magic 8 | commits 8 | check 16. */
function encodeMark(vault: Vault, commits: Uint8Array): Uint8Array {
  return concat(MAGIC, commits, vault.check(MAGIC, commits))
}

/** Numbers of the tables in use whose checksums are wrong. */
export async function damagedTables(files: FilePort, database: string): Promise<number[]> {
  const live = await tablesInUse(files, database)
  const damaged: number[] = []
  for (const { name } of await files.list(database)) {
    const number = Number(/^(\d+)\.ldb$/.exec(name)?.[1])
    if (!live.has(number)) continue
    const table = await readWhole(files, `${database}/${name}`)
    if (table !== undefined && !isIntactTable(table)) damaged.push(number)
  }
  return damaged
}

/** None when there is no readable MANIFEST: LevelDB then refuses to open, or there is nothing yet. */
async function tablesInUse(files: FilePort, database: string): Promise<Set<number>> {
  const current = await readWhole(files, `${database}/CURRENT`)
  const name = current && Buffer.from(current).toString('latin1').trim()
  if (name === undefined || !/^MANIFEST-\d+$/.test(name)) return new Set()
  const manifest = await readWhole(files, `${database}/${name}`)
  try {
    return liveTables(manifest ?? new Uint8Array(0))
  } catch {
    return new Set()
  }
}

async function readWhole(files: FilePort, path: string): Promise<Uint8Array | undefined> {
  const file = await files.open(path)
  try {
    return file && (await file.read(0, await file.size()))
  } finally {
    await file?.close()
  }
}
