import type { FilePort } from './files.ts'
import { liveTables } from './level-manifest.ts'
import { isIntactTable } from './level-table.ts'
import type { HomePaths } from './parts.ts'
import { corrupt } from './storage-error.ts'

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

  /** Verifies the tables if need be. @throws HearsayError `storage-corrupt` {table}. */
  async verify(): Promise<void> {
    if ((await this.#files.status(this.#paths.clean)) !== undefined) return
    const damaged = await damagedTables(this.#files, this.#paths.database)
    if (damaged[0] !== undefined) throw corrupt('a table is damaged', { table: damaged[0] })
  }

  /** From now on the store is in use. */
  take(): Promise<void> {
    return this.#files.remove(this.#paths.clean)
  }

  /** Never fails: without the mark, on a full disk say, the next opening takes longer. */
  async leave(): Promise<void> {
    try {
      await (await this.#files.create(this.#paths.clean)).close()
    } catch {
      // The tables are verified instead.
    }
  }
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
