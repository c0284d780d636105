import { createHash } from 'node:crypto'
import { concat, equalBytes, HearsayError, readU64be, u32be, u64be, utf8 } from '../base/index.ts'
import { aeadOpen, aeadSeal } from '../crypto/index.ts'
import {
  BACKUP_CHUNK_BYTES,
  BACKUP_CHUNK_MAX_BYTES,
  SHELF_CHECK_BYTES,
  VAULT_KEY_BYTES,
} from './constants.ts'
import type { OpenFile } from './files.ts'
import { corrupt } from './storage-error.ts'
import type { Vault } from './vault.ts'

const MAGIC = utf8('HSBACKUP')
const VERSION = 1
const ID_BYTES = 32
const FIXED_BYTES = MAGIC.length + 2 + 4 + SHELF_CHECK_BYTES + ID_BYTES
const TAG_BYTES = 16
const FRAME_BYTES = 5
const NONE = new Uint8Array(0)

/** What one entry of a backup is: an envelope as stored, a secret in the clear, or the end. */
export const ENTRY = { plain: 1, secret: 2, end: 3 } as const
type Kind = (typeof ENTRY)[keyof typeof ENTRY]

export interface BackupEntry {
  readonly kind: typeof ENTRY.plain | typeof ENTRY.secret
  /** Bucket and key. */
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface BackupHeader {
  /** The header as it stands in the file; the key of the chunks depends on every byte of it. */
  readonly bytes: Uint8Array
  /** Version of the store's layout. */
  readonly schema: number
  /** Tells whether a vault key is the right one. */
  readonly keyCheck: Uint8Array
  /** Present when the backup opens by itself. */
  readonly vaultKey: Uint8Array | undefined
}

/** magic 8 | version 1 | flags 1 (1: with the vault key) | schema 4 | key check 16 | id 32 | vault key 0 or 32. */
export function encodeBackupHeader(
  vault: Vault,
  options: { readonly schema: number; readonly id: Uint8Array; readonly vaultKey?: Uint8Array },
): Uint8Array {
  const { schema, id, vaultKey } = options
  const flags = Uint8Array.of(VERSION, vaultKey === undefined ? 0 : 1)
  return concat(MAGIC, flags, u32be(schema), vault.keyCheck(), id, vaultKey ?? NONE)
}

function damaged(cause?: unknown): HearsayError {
  return corrupt('the backup is damaged or was cut off', {}, cause)
}

/** @throws HearsayError `storage-corrupt` for anything else; `storage-version` for a newer program's. */
export async function readBackupHeader(file: OpenFile): Promise<BackupHeader> {
  const fixed = await file.read(0, FIXED_BYTES)
  const [version, flags] = fixed.subarray(MAGIC.length)
  if (fixed.length !== FIXED_BYTES || !equalBytes(fixed.subarray(0, MAGIC.length), MAGIC)) {
    throw corrupt('this is no backup of Hearsay')
  }
  if (version !== VERSION) {
    throw new HearsayError('storage-version', 'another version of Hearsay wrote this backup')
  }
  if (flags !== 0 && flags !== 1) throw damaged()
  const bytes = await file.read(0, FIXED_BYTES + flags * VAULT_KEY_BYTES)
  if (bytes.length !== FIXED_BYTES + flags * VAULT_KEY_BYTES) throw damaged()
  const schemaAt = MAGIC.length + 2
  return {
    bytes,
    schema: new DataView(bytes.buffer, bytes.byteOffset).getUint32(schemaAt),
    keyCheck: bytes.slice(schemaAt + 4, schemaAt + 4 + SHELF_CHECK_BYTES),
    vaultKey: flags === 1 ? bytes.slice(FIXED_BYTES) : undefined,
  }
}

/** last 1 | zero 3 | number of the chunk 8: chunks cannot be swapped, and a stream without its last one is cut off. */
function nonceOf(isLast: boolean, number: number): Uint8Array {
  return concat(Uint8Array.of(isLast ? 1 : 0, 0, 0, 0), u64be(number))
}

/** Writes entries in sealed chunks: last 1 | length 4 | ChaCha20-Poly1305 of whole entries. */
export class BackupWriter {
  readonly #file: OpenFile
  readonly #key: Uint8Array
  readonly #hash = createHash('sha256')
  readonly #parts: Uint8Array[] = []
  #partBytes = 0
  #offset: number
  #chunks = 0
  #entries = 0

  constructor(ports: { readonly vault: Vault; readonly file: OpenFile }, header: Uint8Array) {
    this.#file = ports.file
    this.#key = ports.vault.backupKey(header)
    this.#offset = header.length
    this.#hash.update(header)
  }

  /** Bytes of the file so far. */
  get bytes(): number {
    return this.#offset
  }

  /** The value is copied. */
  async add({ kind, key, value }: BackupEntry): Promise<void> {
    this.#entries++
    this.#push(kind, key, value)
    if (this.#partBytes >= BACKUP_CHUNK_BYTES) await this.#flush(false)
  }

  /** Without this the file is no backup. Resolves with the SHA-256 of all that was written, 64 hexadecimal digits. */
  async end(): Promise<string> {
    this.#push(ENTRY.end, NONE, u64be(this.#entries))
    await this.#flush(true)
    return this.#hash.digest('hex')
  }

  /** kind 1 | key length 2 | value length 4 | key | value. */
  #push(kind: Kind, key: Uint8Array, value: Uint8Array): void {
    const lengths = Uint8Array.of(kind, key.length >>> 8, key.length & 0xff)
    const part = concat(lengths, u32be(value.length), key, value)
    this.#parts.push(part)
    this.#partBytes += part.length
  }

  async #flush(isLast: boolean): Promise<void> {
    const content = concat(...this.#parts)
    for (const part of this.#parts) part.fill(0)
    this.#parts.length = 0
    this.#partBytes = 0
    const sealed = aeadSeal(this.#key, nonceOf(isLast, this.#chunks++), content, NONE)
    content.fill(0)
    const frame = concat(Uint8Array.of(isLast ? 1 : 0), u32be(sealed.length), sealed)
    await this.#file.write(this.#offset, frame)
    this.#hash.update(frame)
    this.#offset += frame.length
  }
}

/**
 * The entries of a backup, each from a chunk that was authenticated before. Ends after the last one only.
 * @throws HearsayError `storage-corrupt` for every changed, missing or added byte; `storage-key-mismatch`.
 */
export async function* readBackup(
  ports: { readonly vault: Vault; readonly file: OpenFile },
  header: BackupHeader,
): AsyncGenerator<BackupEntry> {
  const { vault, file } = ports
  if (!equalBytes(header.keyCheck, vault.keyCheck())) {
    throw new HearsayError('storage-key-mismatch', 'this key does not open the backup')
  }
  const key = vault.backupKey(header.bytes)
  let offset = header.bytes.length
  let entries = 0
  for (let number = 0; ; number++) {
    const frame = await file.read(offset, FRAME_BYTES)
    if (frame.length !== FRAME_BYTES) throw damaged()
    const length = new DataView(frame.buffer, frame.byteOffset).getUint32(1)
    if (length < TAG_BYTES || length > BACKUP_CHUNK_MAX_BYTES) throw damaged()
    const sealed = await file.read(offset + FRAME_BYTES, length)
    offset += FRAME_BYTES + length
    const isLast = frame[0] === 1
    if (sealed.length !== length || (frame[0] !== 0 && !isLast)) throw damaged()
    for (const entry of entriesOf(openChunk(key, nonceOf(isLast, number), sealed))) {
      if (entry.kind !== ENTRY.end) {
        entries++
        yield { ...entry, kind: entry.kind }
      } else if (!isLast || entry.value.length !== 8 || readU64be(entry.value, 0) !== entries) {
        throw damaged()
      }
    }
    if (!isLast) continue
    if ((await file.size()) !== offset) throw damaged()
    return
  }
}

function openChunk(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array {
  try {
    return aeadOpen(key, nonce, sealed, NONE)
  } catch (cause) {
    throw damaged(cause)
  }
}

function* entriesOf(
  content: Uint8Array,
): Generator<{ readonly kind: Kind; readonly key: Uint8Array; readonly value: Uint8Array }> {
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  for (let at = 0; at < content.length; ) {
    if (at + 7 > content.length) throw damaged()
    const kind = content[at]
    const keyEnd = at + 7 + view.getUint16(at + 1)
    const end = keyEnd + view.getUint32(at + 3)
    if (end > content.length) throw damaged()
    if (kind !== ENTRY.plain && kind !== ENTRY.secret && kind !== ENTRY.end) throw damaged()
    yield { kind, key: content.slice(at + 7, keyEnd), value: content.slice(keyEnd, end) }
    at = end
  }
}
