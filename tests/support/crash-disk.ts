import type { FilePort, MemoryDisk, OpenFile } from '../../src/store/index.ts'
import type { Engine, Operation } from '../../src/store/engine.ts'
import { MemoryEngine } from '../../src/store/memory-engine.ts'

/** What becomes of writes that were not synced when the machine stops. */
export type Fate = 'lost' | 'kept' | 'torn' | 'mixed'

interface Write {
  offset: number
  bytes: Uint8Array
}
interface CrashFile {
  durable: Uint8Array
  pending: Write[]
}

const STOPPED = 'the machine has stopped'

function apply(content: Uint8Array, { offset, bytes }: Write): Uint8Array {
  const out = new Uint8Array(Math.max(content.length, offset + bytes.length))
  out.set(content)
  out.set(bytes, offset)
  return out
}

/**
 * A disk that stops at the n-th step (a write or sync of a file, or a write of the database, before or after
 * it takes effect) and comes back with what a real one might hold.
 */
export class CrashDisk {
  readonly #files = new Map<string, CrashFile>()
  readonly #engine = new MemoryEngine()
  #stepsLeft = Number.POSITIVE_INFINITY
  #cause = STOPPED
  steps = 0
  /** Of every file. 0: nothing tells a copy. Another one at the next opening makes the home a copy, or put back. */
  inode = 0n

  /** The step after `steps` further ones fails, and every later one. */
  stopAfter(steps: number, cause = STOPPED): void {
    this.#stepsLeft = steps
    this.#cause = cause
    this.steps = 0
  }

  /** What a program reads now, synced or not: the byte copy that a thief takes. */
  visible(path: string): Uint8Array {
    const file = this.#files.get(path)
    if (file === undefined) return new Uint8Array(0)
    return file.pending.reduce(apply, file.durable)
  }

  durable(path: string): Uint8Array {
    return this.#files.get(path)?.durable ?? new Uint8Array(0)
  }

  restart(fate: Fate): void {
    this.#stepsLeft = Number.POSITIVE_INFINITY
    let flip = false
    for (const file of this.#files.values()) {
      for (const write of file.pending) {
        flip = !flip
        const half = { ...write, bytes: write.bytes.subarray(0, write.bytes.length >> 1) }
        if (fate === 'kept' || (fate === 'mixed' && flip)) file.durable = apply(file.durable, write)
        if (fate === 'torn') file.durable = apply(file.durable, half)
      }
      file.pending = []
    }
  }

  get disk(): MemoryDisk {
    return { engine: this.#engineView(), files: this.#filesView(), vaultKey: new Uint8Array(32) }
  }

  #step(): void {
    this.steps++
    if (this.#stepsLeft <= 0) throw new Error(this.#cause)
    this.#stepsLeft--
  }

  #engineView(): Engine {
    const inner = this.#engine
    return {
      get: (key) => inner.get(key),
      keys: (range) => inner.keys(range),
      iterate: (range) => inner.iterate(range),
      pages: (range) => inner.pages(range),
      compact: () => inner.compact(),
      approximateBytes: (gte, lt) => inner.approximateBytes(gte, lt),
      close: async () => {},
      write: async (operations: readonly Operation[]) => {
        this.#step()
        await inner.write(operations)
        this.#step()
      },
    }
  }

  #filesView(): FilePort {
    const handle = (path: string): OpenFile => {
      const file = () => this.#files.get(path) as CrashFile
      return {
        read: async (offset, length) => this.visible(path).slice(offset, offset + length),
        write: async (offset, bytes) => {
          this.#step()
          file().pending.push({ offset, bytes: bytes.slice() })
        },
        sync: async () => {
          this.#step()
          file().durable = this.visible(path)
          file().pending = []
        },
        size: async () => this.visible(path).length,
        close: async () => {},
      }
    }
    return {
      create: async (path) => {
        this.#step()
        this.#files.set(path, { durable: new Uint8Array(0), pending: [] })
        return handle(path)
      },
      open: async (path) => (this.#files.has(path) ? handle(path) : undefined),
      status: async (path) =>
        this.#files.has(path) ? { mode: 0o600, bytes: this.visible(path).length } : undefined,
      identity: async (path) =>
        this.#files.has(path) ? { inode: this.inode, birthNs: this.inode } : undefined,
      rename: async (from, to) => {
        this.#step()
        this.#files.set(to, this.#files.get(from) as CrashFile)
        this.#files.delete(from)
      },
      remove: async (path) => void this.#files.delete(path),
      makeDirectory: async () => {},
      syncDirectory: async () => {},
      freeBytes: async () => 2 ** 40,
      list: async () => [],
    }
  }
}
