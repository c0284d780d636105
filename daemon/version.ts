import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version in the package.json above this file, whether it runs from dist/ or from source. */
export function packageVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(
        readFileSync(join(folder, 'package.json'), 'utf8'),
      ) as Record<string, unknown>
      if (name === 'hearsay') return String(version)
    } catch {
      // No package.json here: one folder up.
    }
    if (folder === dirname(folder)) return 'unknown'
  }
}
