import type { Store } from './api.ts'
import { assemble } from './assemble.ts'
import { CommitListeners } from './commit-listeners.ts'
import { VAULT_KEY_BYTES } from './constants.ts'
import type { Engine } from './engine.ts'
import type { FilePort } from './files.ts'
import { MemoryEngine } from './memory-engine.ts'
import { MemoryFiles } from './memory-files.ts'
import { SCHEMA, type Schema } from './migrations.ts'
import { homePaths, type StorePorts } from './parts.ts'
import { Reserve } from './reserve.ts'
import { writeError } from './storage-error.ts'
import { EngineStore } from './store.ts'
import { Vault } from './vault.ts'

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

export interface MemoryStoreOptions {
  readonly disk?: MemoryDisk
  readonly restored?: boolean
  readonly schema?: Schema
}

/** The same store over memory: same code above the engine, for tests and simulations. */
export async function openMemoryStore(
  ports: StorePorts,
  options: MemoryStoreOptions = {},
): Promise<Store> {
  const { engine, vaultKey, ...disk } = options.disk ?? memoryDisk()
  const paths = homePaths('/memory')
  const files = ports.files ?? disk.files
  const reserve = new Reserve({ ...ports, files }, { path: paths.reserve, bytes: 0 })
  const vault = new Vault(ports, { vaultKey })
  const listeners = new CommitListeners(ports)
  const open = async (restored: boolean) => {
    try {
      return await assemble(
        { ...ports, files, engine, reserve, vault, listeners },
        { paths, schema: options.schema ?? SCHEMA, restored },
      )
    } catch (error) {
      throw writeError(error)
    }
  }
  const parts = await open(options.restored ?? false)
  const more = { reopen: () => open(false), vaultKey: async () => vaultKey.slice() }
  const store = new EngineStore({ ...ports, vault, listeners, ...more }, { parts })
  await store.consumers.load()
  return store
}
