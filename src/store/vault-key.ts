import { fromBase64Url, fromHex, HearsayError, type Rng, toHex, utf8 } from '../base/index.ts'
import { randomKey } from '../crypto/index.ts'
import { VAULT_KEY_BYTES } from './constants.ts'
import type { FilePort } from './files.ts'

const GROUP_OR_WORLD = 0o077
const MAX_FILE_BYTES = 256

/**
 * Writes a fresh 32-byte key as one line of hexadecimal, mode 0600, and syncs it. Never overwrites.
 * @throws HearsayError `storage-failed` when the file exists.
 */
export async function createVaultKey(
  ports: { readonly files: FilePort; readonly rng: Rng },
  path: string,
): Promise<void> {
  try {
    const file = await ports.files.create(path)
    try {
      await file.write(0, utf8(`${toHex(randomKey(ports.rng))}\n`))
      await file.sync()
    } finally {
      await file.close()
    }
    await ports.files.syncDirectory(path.replace(/[^/]*$/, '') || '.')
  } catch (cause) {
    throw new HearsayError('storage-failed', 'the key file cannot be created', {}, cause)
  }
}

/**
 * Reads a key file: hexadecimal or base64url of 32 bytes and at most one newline. 32 bytes, owned by the
 * caller.
 * @throws HearsayError `storage-permissions` when group or world have any right to it; `not-found`;
 * `bad-encoding`.
 */
export async function readVaultKey(files: FilePort, path: string): Promise<Uint8Array> {
  const status = await files.status(path)
  const file = status && (await files.open(path))
  if (status === undefined || file === undefined) {
    throw new HearsayError('not-found', 'there is no key file')
  }
  try {
    if ((status.mode & GROUP_OR_WORLD) !== 0) {
      throw new HearsayError('storage-permissions', 'the key file is open to other users', {
        mode: status.mode.toString(8),
      })
    }
    if (status.bytes > MAX_FILE_BYTES) throw badKey()
    return decode(await file.read(0, MAX_FILE_BYTES))
  } finally {
    await file.close()
  }
}

function badKey(): HearsayError {
  return new HearsayError('bad-encoding', 'the key file does not hold one 32-byte key')
}

function decode(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1').replace(/\n$/, '')
  try {
    const key = text.length === 2 * VAULT_KEY_BYTES ? fromHex(text) : fromBase64Url(text)
    if (key.length === VAULT_KEY_BYTES) return key
  } catch {
    // The cause would quote the file.
  }
  throw badKey()
}
