import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { NodePorts } from '../../../src/node/index.ts'

const ROOT = join(import.meta.dirname, '../../..')
/** What is shipped on top of the library, and where the library puts a node together. */
const COMPOSITION = ['daemon', 'rpc', 'src/node/node.ts', 'src/node/settings.ts']

function sources(path: string): string[] {
  if (path.endsWith('.ts')) return [path]
  const names = readdirSync(join(ROOT, path), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(path, name))
}

it('a node that ships has no failpoints, and no setting that gives it any', () => {
  const isPort: Extract<keyof NodePorts, 'failpoints'> extends never ? false : true = false
  expect(isPort).toBe(false)
  const files = COMPOSITION.flatMap(sources)
  expect(files.length).toBeGreaterThan(50)
  const found = files.filter((file) => /failpoint/i.test(readFileSync(join(ROOT, file), 'utf8')))
  expect(found).toEqual([])
})
