import {
  chmod,
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  statfs,
} from 'node:fs/promises'
import { join } from 'node:path'
import type { FilePort, OpenFile } from './files.ts'

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

async function unlessMissing<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** A key file may be read-only (mode 0400, or on a read-only mount); writes to it then fail. */
async function openExisting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return open(path, 'r')
    throw error
  }
}

function wrap(handle: FileHandle): OpenFile {
  return {
    async read(offset, length) {
      const out = new Uint8Array(length)
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await handle.read(out, filled, length - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return out.subarray(0, filled)
    },
    async write(offset, bytes) {
      let written = 0
      while (written < bytes.length) {
        const step = await handle.write(bytes, written, bytes.length - written, offset + written)
        written += step.bytesWritten
      }
    },
    sync: () => handle.datasync(),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  }
}

/** The operating system's files. */
export const systemFiles: FilePort = {
  // The mode is given to open(2), so there is no moment with a wider one; the umask can only narrow it.
  create: async (path) => wrap(await open(path, 'wx+', 0o600)),
  open: (path) => unlessMissing(async () => wrap(await openExisting(path))),
  status: (path) =>
    unlessMissing(async () => {
      const found = await stat(path)
      return { mode: found.mode & 0o777, bytes: found.size }
    }),
  identity: (path) =>
    unlessMissing(async () => {
      const found = await stat(path, { bigint: true })
      return { inode: found.ino, birthNs: found.birthtimeNs }
    }),
  rename,
  remove: (path) => rm(path, { force: true }),
  async makeDirectory(path) {
    const created = await mkdir(path, { recursive: true, mode: 0o700 })
    if (created !== undefined) await chmod(path, 0o700)
  },
  async syncDirectory(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  async freeBytes(path) {
    const found = await statfs(path)
    return found.bavail * found.bsize
  },
  async list(path) {
    const entries = (await unlessMissing(() => readdir(path, { withFileTypes: true }))) ?? []
    const found: { name: string; bytes: number }[] = []
    for (const entry of entries) {
      if (!entry.isFile()) continue
      // A compaction may have removed it since.
      const status = await unlessMissing(() => stat(join(path, entry.name)))
      if (status !== undefined) found.push({ name: entry.name, bytes: status.size })
    }
    return found
  },
}
