import type { Logger, Rng } from '../base/index.ts'
import type { FilePort } from './files.ts'

const CHUNK_BYTES = 64 * 1024

/**
 * A file of random bytes that is given up when LevelDB needs room to open on a full disk: it replays its log
 * into a new table before anything can be deleted.
 */
export class Reserve {
  readonly #ports: { readonly files: FilePort; readonly rng: Rng; readonly log: Logger }
  readonly #path: string
  readonly #bytes: number

  constructor(
    ports: { readonly files: FilePort; readonly rng: Rng; readonly log: Logger },
    options: { readonly path: string; readonly bytes: number },
  ) {
    this.#ports = ports
    this.#path = options.path
    this.#bytes = options.bytes
  }

  async exists(): Promise<boolean> {
    return (await this.#ports.files.status(this.#path))?.bytes === this.#bytes
  }

  /** True when there was something to release. */
  async release(): Promise<boolean> {
    const found = (await this.#ports.files.status(this.#path)) !== undefined
    await this.#ports.files.remove(this.#path)
    return found
  }

  /** Creates the file unless it is whole or the disk has less than twice its size left. Never fails. */
  async restore(directory: string): Promise<boolean> {
    const { files, log } = this.#ports
    if (this.#bytes === 0) return false
    try {
      if (await this.exists()) return true
      if ((await files.freeBytes(directory)) < 2 * this.#bytes) return false
      await files.remove(this.#path)
      await this.#fill()
      return true
    } catch {
      log.warn('the reserve file cannot be written')
      await files.remove(this.#path).catch(() => undefined)
      return false
    }
  }

  /** Random bytes: a file system that compresses or leaves out zeros would reserve nothing. */
  async #fill(): Promise<void> {
    const file = await this.#ports.files.create(this.#path)
    try {
      for (let offset = 0; offset < this.#bytes; offset += CHUNK_BYTES) {
        const size = Math.min(CHUNK_BYTES, this.#bytes - offset)
        await file.write(offset, this.#ports.rng.bytes(size))
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }
}
