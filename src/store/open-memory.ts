import type { Store } from './api.ts'
import { assemble } from './assemble.ts'
import { VAULT_KEY_BYTES } from './constants.ts'
import type { Engine } from './engine.ts'
import type { FilePort } from './files.ts'
import { MemoryEngine } from './memory-engine.ts'
import { MemoryFiles } from './memory-files.ts'
import { homePaths, type StorePorts } from './parts.ts'
import { Reserve } from './reserve.ts'

/** What survives the closing of a memory store: hand the same one in to open it again. */
export interface MemoryDisk {
  readonly engine: Engine
  readonly files: FilePort
  readonly vaultKey: Uint8Array
}

export function memoryDisk(): MemoryDisk {
  return {
    engine: new MemoryEngine(),
    files: new MemoryFiles(),
    vaultKey: new Uint8Array(VAULT_KEY_BYTES).fill(7),
  }
}

/** The same store over memory: same code above the engine, for tests and simulations. */
export function openMemoryStore(
  ports: StorePorts,
  options: { readonly disk?: MemoryDisk; readonly restored?: boolean } = {},
): Promise<Store> {
  const disk = options.disk ?? memoryDisk()
  const paths = homePaths('/memory')
  const files = ports.files ?? disk.files
  const reserve = new Reserve({ ...ports, files }, { path: paths.reserve, bytes: 0 })
  return assemble(
    { ...ports, files, engine: disk.engine, reserve },
    { paths, vaultKey: disk.vaultKey, restored: options.restored ?? false },
  )
}
