import { HearsayError, isHearsayError } from '../base/index.ts'
import { type CborValue, decodeCbor } from '../wire/index.ts'
import { STORED_BYTES_MAX } from './constants.ts'

/**
 * Decodes what this module stored: an array of as many items as one of `lengths` says, whose types are trusted, because
 * the store authenticates them. @throws HearsayError `storage-corrupt`.
 */
export function decodeStored(bytes: Uint8Array, ...lengths: readonly number[]): unknown[] {
  let items: CborValue | undefined
  let cause: unknown
  try {
    items = decodeCbor(bytes, { maxBytes: STORED_BYTES_MAX })
  } catch (error) {
    if (!isHearsayError(error)) throw error
    cause = error
  }
  if (Array.isArray(items) && lengths.includes(items.length)) return items
  throw new HearsayError('storage-corrupt', 'a stored value does not decode', {}, cause)
}

/** What `read` gives, or undefined for a damaged value: whoever calls can go on without it, and says so. */
export function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!isHearsayError(error, 'storage-corrupt')) throw error
    return undefined
  }
}
