import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryDisk, openMemoryStore, openStore, type StorePorts } from '../../src/store/index.ts'
import { type StoreHome, storePorts } from './store-contract.ts'

export async function levelHome(
  ports: StorePorts = storePorts,
): Promise<StoreHome & { dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'hearsay-store-'))
  return {
    dir,
    open: (options) => openStore(ports, { dir, reserveBytes: 0, ...options }),
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}

export async function memoryHome(): Promise<StoreHome> {
  const disk = memoryDisk()
  return {
    open: (options) => openMemoryStore(storePorts, { disk, ...options }),
    remove: async () => {},
  }
}
