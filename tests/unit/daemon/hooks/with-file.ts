import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Calls with a config file of this text; it is removed afterwards. */
export function withFile<T>(text: string, use: (file: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'hs-hooks-'))
  try {
    const file = join(dir, 'config.toml')
    writeFileSync(file, text)
    return use(file)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
