import { basename, dirname, join } from 'node:path'
import { equalBytes, toHex } from '../base/index.ts'
import { readBackupHeader } from './backup-format.ts'
import type { FilePort } from './files.ts'
import type { Vault } from './vault.ts'

/** The name of a backup while it is written: its own, 8 hexadecimal digits, and this. */
const SUFFIX = '.part'
const RANDOM = /^[0-9a-f]{8}$/

/** Where a backup is written until it is whole; `random` 4 bytes, new for each. */
export function partOf(path: string, random: Uint8Array): string {
  return `${path}.${toHex(random)}${SUFFIX}`
}

export interface StalePartsPorts {
  readonly files: FilePort
  readonly vault: Vault
  /** Names of the parts that this store is writing now. */
  readonly writing: ReadonlySet<string>
}

/**
 * Removes what backups to `path` left when their process was killed. Only what their header says this home began: what
 * others write beside it under such a name, or what has no whole header, stays. Never fails: the place may not be there,
 * and the backup says so itself.
 */
export async function removeStaleParts(ports: StalePartsPorts, path: string): Promise<void> {
  const { files, writing } = ports
  const directory = dirname(path)
  for (const { name } of await files.list(directory).catch(() => [])) {
    if (!isPartOf(basename(path), name) || writing.has(name)) continue
    const part = join(directory, name)
    // One that cannot be removed is in nobody's way: each has a name of its own.
    if (await isOwn(ports, part)) await files.remove(part).catch(() => undefined)
  }
}

function isPartOf(target: string, name: string): boolean {
  if (!name.startsWith(`${target}.`) || !name.endsWith(SUFFIX)) return false
  return RANDOM.test(name.slice(target.length + 1, -SUFFIX.length))
}

async function isOwn({ files, vault }: StalePartsPorts, path: string): Promise<boolean> {
  try {
    const file = await files.open(path)
    if (file === undefined) return false
    try {
      const { keyCheck } = await readBackupHeader(file)
      return equalBytes(keyCheck, vault.keyCheck())
    } finally {
      await file.close()
    }
  } catch {
    return false
  }
}
