import { concat, equalBytes, HearsayError, toBase64Url, u32be, utf8 } from '../base/index.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import { SHELF_CHECK_BYTES } from './constants.ts'
import { physicalKey } from './physical-key.ts'
import { corrupt } from './storage-error.ts'
import type { Vault } from './vault.ts'

const metaKey = (name: string) => physicalKey(SYSTEM_BUCKETS.meta, utf8(name))

export const META_KEYS = {
  /** In the clear: read before the key is known to be right. */
  format: metaKey('format'),
  epoch: metaKey('epoch'),
  head: metaKey('head'),
  /** The identities of the file that no copy of the home keeps. */
  witness: metaKey('witness'),
  /** Present until a home that was made from a backup is opened. */
  restore: metaKey('restore'),
} as const

export const EPOCH_BYTES = 16
const MAGIC = utf8('HSSTORE1')

/** magic 8 | schema 4 | key check 16. */
export function encodeFormat(vault: Vault, schema: number): Uint8Array {
  return concat(MAGIC, u32be(schema), vault.keyCheck())
}

/**
 * The schema version of a store that this key opens.
 * @throws HearsayError `storage-corrupt`; `storage-version` when it is newer than this program;
 * `storage-key-mismatch` for another key's store.
 */
export function readFormat(vault: Vault, bytes: Uint8Array, supported: number): number {
  const checkAt = MAGIC.length + 4
  if (bytes.length !== checkAt + SHELF_CHECK_BYTES || !equalBytes(bytes.subarray(0, 8), MAGIC)) {
    throw corrupt('the format record is damaged')
  }
  const schema = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length)
  if (schema > supported) {
    throw new HearsayError('storage-version', 'a newer version of Hearsay wrote this store', {
      found: schema,
      supported,
    })
  }
  if (!equalBytes(bytes.subarray(checkAt), vault.keyCheck())) {
    throw new HearsayError('storage-key-mismatch', 'this key does not open the store')
  }
  return schema
}

/** @throws HearsayError `storage-corrupt`. */
export function readEpoch(bytes: Uint8Array): string {
  if (bytes.length !== EPOCH_BYTES) throw corrupt('the epoch record is damaged')
  return toBase64Url(bytes)
}
