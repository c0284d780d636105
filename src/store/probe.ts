import { isHearsayError, type Rng } from '../base/index.ts'
import { HEAL_FREE_BYTES, PROBE_BYTES } from './constants.ts'
import type { FilePort } from './files.ts'
import type { HomePaths } from './parts.ts'

/**
 * Whether the disk takes writes again: a file of random bytes can be written and synced, and after a full disk
 * there is room for more than the first write. Never fails; closes nothing, so that reading goes on meanwhile.
 */
export async function isWritable(
  ports: { readonly files: FilePort; readonly rng: Rng },
  paths: HomePaths,
  cause: Error | undefined,
): Promise<boolean> {
  const { files, rng } = ports
  try {
    const isFull = isHearsayError(cause, 'storage-full')
    if (isFull && (await files.freeBytes(paths.directory)) < HEAL_FREE_BYTES) return false
    await files.remove(paths.probe)
    const file = await files.create(paths.probe)
    try {
      await file.write(0, rng.bytes(PROBE_BYTES))
      await file.sync()
    } finally {
      await file.close()
    }
    await files.remove(paths.probe)
    return true
  } catch {
    await files.remove(paths.probe).catch(() => undefined)
    return false
  }
}
