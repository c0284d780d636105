import type { FileIdentity, FilePort, OpenFile } from './files.ts'

function missingParent(path: string): Error {
  return Object.assign(new Error('no such file'), { code: 'ENOENT', path })
}

/** Files in memory, for simulations: every write counts as durable at once. */
export class MemoryFiles implements FilePort {
  readonly #files = new Map<string, { bytes: Uint8Array }>()

  async create(path: string): Promise<OpenFile> {
    if (this.#files.has(path)) throw Object.assign(new Error('file exists'), { code: 'EEXIST' })
    this.#files.set(path, { bytes: new Uint8Array(0) })
    return this.#handle(path)
  }

  async open(path: string): Promise<OpenFile | undefined> {
    return this.#files.has(path) ? this.#handle(path) : undefined
  }

  async status(path: string): Promise<{ mode: number; bytes: number } | undefined> {
    const file = this.#files.get(path)
    return file && { mode: 0o600, bytes: file.bytes.length }
  }

  /** Files in memory have no copies that could be told from them. */
  async identity(path: string): Promise<FileIdentity | undefined> {
    return this.#files.has(path) ? { inode: 0n, birthNs: 0n } : undefined
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.#files.get(from)
    if (file === undefined) throw missingParent(from)
    this.#files.delete(from)
    this.#files.set(to, file)
  }

  async remove(path: string): Promise<void> {
    this.#files.delete(path)
  }

  async makeDirectory(): Promise<void> {}

  async syncDirectory(): Promise<void> {}

  async freeBytes(): Promise<number> {
    return Number.MAX_SAFE_INTEGER
  }

  async list(path: string): Promise<{ name: string; bytes: number }[]> {
    const found: { name: string; bytes: number }[] = []
    for (const [name, { bytes }] of this.#files) {
      const inside = name.slice(path.length + 1)
      if (name.startsWith(`${path}/`) && !inside.includes('/')) {
        found.push({ name: inside, bytes: bytes.length })
      }
    }
    return found
  }

  #handle(path: string): OpenFile {
    const found = () => {
      const file = this.#files.get(path)
      if (file === undefined) throw missingParent(path)
      return file
    }
    return {
      read: async (offset, length) => found().bytes.slice(offset, offset + length),
      write: async (offset, bytes) => {
        const file = found()
        if (file.bytes.length < offset + bytes.length) {
          const grown = new Uint8Array(offset + bytes.length)
          grown.set(file.bytes)
          file.bytes = grown
        }
        file.bytes.set(bytes, offset)
      },
      sync: async () => {},
      size: async () => found().bytes.length,
      close: async () => {},
    }
  }
}
