import type { FilePort } from './files.ts'
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

  async leave(): Promise<void> {
    await (await this.#files.create(this.#paths.clean)).close()
  }
}

/** Numbers of the tables in LevelDB's directory whose checksums are wrong. */
export async function damagedTables(files: FilePort, database: string): Promise<number[]> {
  const damaged: number[] = []
  for (const { name, bytes } of await files.list(database)) {
    const number = /^(\d+)\.ldb$/.exec(name)?.[1]
    const file = number && (await files.open(`${database}/${name}`))
    if (!file) continue
    try {
      if (!isIntactTable(await file.read(0, bytes))) damaged.push(Number(number))
    } finally {
      await file.close()
    }
  }
  return damaged
}
