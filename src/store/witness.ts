import { concat, equalBytes, type Logger } from '../base/index.ts'
import type { Engine } from './engine.ts'
import type { FileIdentity, FilePort } from './files.ts'
import { META_KEYS } from './meta.ts'
import type { Vault } from './vault.ts'

const IDENTITY_BYTES = 16
/** Stands for "there was no such file". */
const ABSENT = new Uint8Array(IDENTITY_BYTES)

export interface WitnessPorts {
  readonly engine: Engine
  readonly vault: Vault
  readonly files: FilePort
  readonly log: Logger
}

/** Of a home. `parts.ts` imports this file, so its `HomePaths` cannot stand here. */
interface WitnessPaths {
  readonly directory: string
  readonly shelf: string
  readonly witness: string
}

/**
 * Tells a home from its copy. The database names a small file by inode and time of birth, which no copy keeps;
 * moving the directory keeps both. The file is another one after every opening, and every few minutes of running,
 * so that an older copy put over the home, file by file, is noticed too: that keeps the inodes and brings back an older database.
 */
export class Witness {
  readonly #ports: WitnessPorts
  readonly #paths: WitnessPaths
  #isTold = false

  constructor(ports: WitnessPorts, paths: WitnessPaths) {
    this.#ports = ports
    this.#paths = paths
  }

  /** Whether the database names another file than the one that is here. @throws HearsayError `storage-corrupt`. */
  async isCopied(): Promise<boolean> {
    const { engine, vault } = this.#ports
    const envelope = await engine.get(META_KEYS.witness)
    if (envelope === undefined || !(await this.#isSupported())) return false
    const named = vault.open(META_KEYS.witness, envelope)
    const found = await this.#found()
    for (let at = 0; at < named.length; at += IDENTITY_BYTES) {
      if (equalBytes(named.subarray(at, at + IDENTITY_BYTES), found)) return false
    }
    return true
  }

  /**
   * Puts a new file in the place of the old one. Until that is done the database names both, so a stop at any
   * step leaves a home that knows itself. Where no file can be made, the old one goes on.
   * @throws what the engine throws: nothing may be written to the database after that.
   */
  async renew(): Promise<void> {
    const { engine, vault, files, log } = this.#ports
    const { witness, directory } = this.#paths
    const isSupported = await this.#isSupported().catch(() => undefined)
    if (isSupported !== true) {
      if (isSupported === false && !this.#isTold) {
        log.info('this file system does not tell a home from its copy')
        this.#isTold = true
      }
      return
    }
    const fresh = `${witness}.new`
    const names = await this.#make(fresh)
    if (names === undefined) return
    const value = vault.seal(META_KEYS.witness, names)
    // A failure here is not forgiven: LevelDB may acknowledge writes after a failed one, and lose them.
    await engine.write([{ type: 'put', key: META_KEYS.witness, value }])
    try {
      await files.rename(fresh, witness)
      await files.syncDirectory(directory)
    } catch {
      await this.#giveUp(fresh)
    }
  }

  /** Makes the new file. Resolves with what names it and the old one; undefined when it cannot be made. */
  async #make(fresh: string): Promise<Uint8Array | undefined> {
    const { files } = this.#ports
    try {
      await files.remove(fresh)
      await (await files.create(fresh)).close()
      const made = await files.identity(fresh)
      return made && concat(await this.#found(), encode(made))
    } catch {
      await this.#giveUp(fresh)
      return undefined
    }
  }

  async #giveUp(fresh: string): Promise<void> {
    const { files, log } = this.#ports
    log.warn('the witness of this home cannot be renewed')
    await files.remove(fresh).catch(() => undefined)
  }

  async #isSupported(): Promise<boolean> {
    const found = await this.#ports.files.identity(this.#paths.shelf)
    return found !== undefined && found.inode > 0n && found.birthNs > 0n
  }

  async #found(): Promise<Uint8Array> {
    const found = await this.#ports.files.identity(this.#paths.witness)
    return found === undefined ? ABSENT : encode(found)
  }
}

/** inode 8 | time of birth in nanoseconds 8. */
function encode({ inode, birthNs }: FileIdentity): Uint8Array {
  const out = Buffer.alloc(IDENTITY_BYTES)
  out.writeBigUInt64BE(BigInt.asUintN(64, inode), 0)
  out.writeBigUInt64BE(BigInt.asUintN(64, birthNs), 8)
  return new Uint8Array(out)
}
