import { concat, equalBytes, type Logger, readU64be, u64be, utf8 } from '../base/index.ts'
import type { FilePort, OpenFile } from './files.ts'
import type { Vault } from './vault.ts'

const MAGIC = utf8('HSMARK01')
const FILE_BYTES = 32

/**
 * The number of the last group commit, kept beside the database and written after it without a sync: a lower
 * bound of what the database must hold. LevelDB drops damaged records of its log silently; a database
 * behind its watermark has lost commits.
 */
export class Watermark {
  readonly #vault: Vault
  readonly #file: OpenFile
  readonly #log: Logger
  #last: Promise<void> = Promise.resolve()

  private constructor(vault: Vault, file: OpenFile, log: Logger) {
    this.#vault = vault
    this.#file = file
    this.#log = log
  }

  static async open(
    ports: { readonly vault: Vault; readonly files: FilePort; readonly log: Logger },
    path: string,
  ): Promise<Watermark> {
    const file = (await ports.files.open(path)) ?? (await ports.files.create(path))
    return new Watermark(ports.vault, file, ports.log)
  }

  /** 0 when the file is new, torn or damaged: the check is then without effect. */
  async read(): Promise<number> {
    const bytes = await this.#file.read(0, FILE_BYTES)
    if (bytes.length !== FILE_BYTES || !equalBytes(bytes, this.#encode(bytes.subarray(8, 16)))) {
      if (bytes.length > 0) this.#log.warn('the watermark is damaged and starts anew')
      return 0
    }
    return readU64be(bytes, 8)
  }

  /** Starts the write; `settled` waits for it. A failure is logged: nothing depends on the file. */
  note(commits: number): void {
    const bytes = this.#encode(u64be(commits))
    const write = async () => {
      try {
        await this.#file.write(0, bytes)
      } catch {
        this.#log.warn('the watermark cannot be written')
      }
    }
    this.#last = this.#last.then(write)
  }

  settled(): Promise<void> {
    return this.#last
  }

  async close(): Promise<void> {
    await this.#last
    await this.#file.close()
  }

  /** magic 8 | commits 8 | check 16. */
  #encode(commits: Uint8Array): Uint8Array {
    return concat(MAGIC, commits, this.#vault.check(MAGIC, commits))
  }
}
