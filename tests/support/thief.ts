import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'sodium-native'
import { fromHex, type Rng, systemRng, utf8 } from '../../src/base/index.ts'
import { kdf, keyedHash, LABELS } from '../../src/crypto/index.ts'
import { openStore, type Store, type StorePorts } from '../../src/store/index.ts'
import { SHELF_HALF_BYTES } from '../../src/store/constants.ts'

const NONCE_BYTES = 24
const SECRET_HEADER_BYTES = 13
// Longer than any value that the tests write.
const REACH_BYTES = 48 * 1024

type XorStream = (
  out: Uint8Array,
  text: Uint8Array,
  nonce: Uint8Array,
  ic: number,
  key: Uint8Array,
) => void

// The AEAD's cipher without its authentication: a thief needs neither lengths nor associated data.
const xor = (sodium as unknown as { crypto_stream_xchacha20_xor_ic: XorStream })
  .crypto_stream_xchacha20_xor_ic

/** A store on the disk whose nonces are remembered, so that every value it ever sealed can be looked for. */
export class WatchedHome {
  readonly nonces: Uint8Array[] = []
  readonly dir: string

  constructor(dir: string) {
    this.dir = dir
  }

  static async create(): Promise<WatchedHome> {
    return new WatchedHome(await mkdtemp(join(tmpdir(), 'hearsay-home-')))
  }

  open(ports: StorePorts): Promise<Store> {
    const rng: Rng = {
      bytes: (length) => {
        const bytes = systemRng.bytes(length)
        if (length === NONCE_BYTES) this.nonces.push(bytes.slice())
        return bytes
      },
    }
    return openStore({ ...ports, rng }, { dir: this.dir, reserveBytes: 0 })
  }

  /** Copies the bytes of the home as they are now. */
  async steal(): Promise<StolenHome> {
    const dir = await mkdtemp(join(tmpdir(), 'hearsay-stolen-'))
    await cp(this.dir, dir, { recursive: true })
    return new StolenHome(dir, [...this.nonces])
  }

  remove(): Promise<void> {
    return rm(this.dir, { recursive: true, force: true })
  }
}

/** A byte copy of a home, and all that its keys open. */
export class StolenHome {
  readonly dir: string
  readonly #nonces: readonly Uint8Array[]

  constructor(dir: string, nonces: readonly Uint8Array[]) {
    this.dir = dir
    this.#nonces = nonces
  }

  /** Opens the copy with the program itself. */
  open(ports: StorePorts): Promise<Store> {
    return openStore(ports, { dir: this.dir, reserveBytes: 0 })
  }

  /**
   * Everything in the copy: its raw files, and behind every nonce that was ever used and is still there what
   * the vault key or any key left in the shelf makes of the bytes that follow.
   */
  async contents(): Promise<{ raw: Buffer; opened: Buffer[] }> {
    const names = await readdir(this.dir, { recursive: true, withFileTypes: true })
    const files = names.filter((entry) => entry.isFile())
    const parts = files.map((entry) => readFile(join(entry.parentPath, entry.name)))
    const raw = Buffer.concat(await Promise.all(parts))
    const vaultKey = fromHex((await readFile(join(this.dir, 'vault.key'), 'utf8')).trim())
    const derive = (use: string) => kdf(LABELS.storeMaster, vaultKey, utf8(use), 32)
    const shelf = await readFile(join(this.dir, 'secrets.shelf'))
    const slotKeys: Uint8Array[] = []
    for (let at = 0; at + SHELF_HALF_BYTES <= shelf.length; at += SHELF_HALF_BYTES) {
      const key = shelf.subarray(at + 8, at + 40)
      if (key.some((byte) => byte !== 0)) slotKeys.push(key)
    }
    const secretKeys = slotKeys.map((key) =>
      keyedHash(LABELS.storeShelfValue, derive('shelf'), key),
    )
    const opened: Buffer[] = []
    for (const nonce of this.#nonces) {
      for (let at = raw.indexOf(nonce); at >= 0; at = raw.indexOf(nonce, at + 1)) {
        const sealed = raw.subarray(at + NONCE_BYTES, at + NONCE_BYTES + REACH_BYTES)
        const isSecret = raw[at - SECRET_HEADER_BYTES] === 2
        for (const key of isSecret ? [derive('value'), ...secretKeys] : [derive('value')]) {
          const text = Buffer.alloc(sealed.length)
          xor(text, sealed, nonce, 1, key)
          opened.push(text)
        }
      }
    }
    return { raw, opened }
  }

  remove(): Promise<void> {
    return rm(this.dir, { recursive: true, force: true })
  }
}
