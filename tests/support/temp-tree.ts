import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Writes `files` (path → text) into a fresh temporary folder.
 * Use it with `using`: leaving the scope removes the folder.
 */
export function tempTree(files: Readonly<Record<string, string>>): Disposable & { root: string } {
  const root = mkdtempSync(join(tmpdir(), 'hearsay-tree-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
