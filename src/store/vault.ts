import { concat, type Rng, u32be, utf8 } from '../base/index.ts'
import { kdf, keyedHash, LABELS, xaeadOpen, xaeadSeal } from '../crypto/index.ts'
import {
  MAX_KEY_BYTES,
  SHELF_CHECK_BYTES,
  SHELF_GENERATION_BYTES,
  SHELF_KEY_BYTES,
} from './constants.ts'
import { corrupt } from './storage-error.ts'

const NONCE_BYTES = 24
const TAG_BYTES = 16
const PLAIN = 1
const SECRET = 2
const PLAIN_HEADER = Uint8Array.of(PLAIN)
const SECRET_HEADER_BYTES = 1 + 4 + SHELF_GENERATION_BYTES
const KEY_FOR_BYTES = 20

export type FindKey = (slot: number, generation: Uint8Array) => Uint8Array | undefined

/**
 * Every use of the vault key. Seals values with XChaCha20-Poly1305 under random nonces; associated data is
 * the envelope's header followed by the whole key, so a value cannot stand under another key or kind.
 */
export class Vault {
  readonly #rng: Rng
  readonly #valueKey: Uint8Array
  readonly #shelfKey: Uint8Array
  readonly #checkKey: Uint8Array
  readonly #nameKey: Uint8Array
  readonly #backupKey: Uint8Array

  constructor(ports: { readonly rng: Rng }, options: { readonly vaultKey: Uint8Array }) {
    const derive = (use: string) => kdf(LABELS.storeMaster, options.vaultKey, utf8(use), 32)
    this.#rng = ports.rng
    this.#valueKey = derive('value')
    this.#shelfKey = derive('shelf')
    this.#checkKey = derive('check')
    this.#nameKey = derive('name')
    this.#backupKey = derive('backup')
  }

  /** 1 | nonce 24 | sealed. */
  seal(key: Uint8Array, value: Uint8Array): Uint8Array {
    return this.#seal(PLAIN_HEADER, this.#valueKey, key, value)
  }

  /** 2 | slot 4 | generation 8 | nonce 24 | sealed under the vault key and the slot's key together. */
  sealSecret(
    key: Uint8Array,
    value: Uint8Array,
    slot: number,
    generation: Uint8Array,
    slotKey: Uint8Array,
  ): Uint8Array {
    const header = concat(Uint8Array.of(SECRET), u32be(slot), generation)
    const secretKey = keyedHash(LABELS.storeShelfValue, this.#shelfKey, slotKey)
    const envelope = this.#seal(header, secretKey, key, value)
    secretKey.fill(0)
    return envelope
  }

  /** @throws HearsayError `storage-corrupt` unless exactly this was sealed for this key. */
  open(key: Uint8Array, envelope: Uint8Array, findKey?: FindKey): Uint8Array {
    const secret = isSecret(envelope)
    const header = secret ? envelope.subarray(0, SECRET_HEADER_BYTES) : PLAIN_HEADER
    const nonceEnd = header.length + NONCE_BYTES
    const bucket = key[0] ?? 0
    if ((!secret && envelope[0] !== PLAIN) || envelope.length < nonceEnd + TAG_BYTES) {
      throw corrupt('a stored value is damaged', { bucket })
    }
    const slotKey = secret ? findKey?.(slotOf(header), generationOf(header)) : undefined
    if (secret && slotKey === undefined) throw corrupt('the key of a secret is gone', { bucket })
    const sealKey = slotKey
      ? keyedHash(LABELS.storeShelfValue, this.#shelfKey, slotKey)
      : this.#valueKey
    try {
      const nonce = envelope.subarray(header.length, nonceEnd)
      return xaeadOpen(sealKey, nonce, envelope.subarray(nonceEnd), associated(header, key))
    } catch (cause) {
      throw corrupt('a stored value is damaged', { bucket }, cause)
    } finally {
      if (slotKey) sealKey.fill(0)
    }
  }

  /** Tells a wrong vault key from a damaged store; 16 bytes that reveal nothing about the key. */
  keyCheck(): Uint8Array {
    return this.check(utf8('vault'))
  }

  /** A 16-byte MAC for the small files beside the database. */
  check(...parts: readonly Uint8Array[]): Uint8Array {
    return keyedHash(LABELS.storeShelf, this.#checkKey, ...parts).subarray(0, SHELF_CHECK_BYTES)
  }

  /** PRF of names, 20 bytes. */
  name(...parts: readonly Uint8Array[]): Uint8Array {
    return keyedHash(LABELS.storeKey, this.#nameKey, ...parts).slice(0, KEY_FOR_BYTES)
  }

  /** The key of one backup's chunks, 32 bytes: another one for every header. */
  backupKey(header: Uint8Array): Uint8Array {
    return keyedHash(LABELS.storeBackup, this.#backupKey, header)
  }

  freshSlotKey(): Uint8Array {
    return this.#rng.bytes(SHELF_KEY_BYTES)
  }

  /** Random, so that it says nothing about how often a secret changed. */
  freshGeneration(): Uint8Array {
    return this.#rng.bytes(SHELF_GENERATION_BYTES)
  }

  #seal(header: Uint8Array, sealKey: Uint8Array, key: Uint8Array, value: Uint8Array): Uint8Array {
    const nonce = this.#rng.bytes(NONCE_BYTES)
    return concat(header, nonce, xaeadSeal(sealKey, nonce, value, associated(header, key)))
  }
}

// Shared, because a hundred thousand small buffers are work for the collector: sealing and opening are synchronous.
const space = new Uint8Array(SECRET_HEADER_BYTES + 1 + MAX_KEY_BYTES)

/** header | key. Valid until the next call. */
function associated(header: Uint8Array, key: Uint8Array): Uint8Array {
  // Only a database that is not ours has such a key: it does not open, as it should.
  if (header.length + key.length > space.length) return concat(header, key)
  space.set(header)
  space.set(key, header.length)
  return space.subarray(0, header.length + key.length)
}

export function isSecret(envelope: Uint8Array): boolean {
  return envelope[0] === SECRET && envelope.length >= SECRET_HEADER_BYTES
}

function slotOf(header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset).getUint32(1)
}

function generationOf(header: Uint8Array): Uint8Array {
  return header.subarray(5, SECRET_HEADER_BYTES)
}
