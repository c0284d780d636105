import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkBoundaries } from '../../../scripts/check-boundaries.ts'
import { tempTree } from '../../support/temp-tree.ts'

/** A tree that obeys every rule and uses every kind of import that the rules judge. */
const OBEDIENT: Readonly<Record<string, string>> = {
  'src/base/index.ts': `export { ONE } from './one.ts'\n`,
  'src/base/one.ts': `export const ONE = 1\n`,
  'src/base/system-rng.ts': `import { randomBytes } from 'node:crypto'\nexport const r = randomBytes\n`,
  'src/crypto/index.ts': `import { createHash } from 'node:crypto'\nexport const h = createHash\n`,
  'src/stream/index.ts': `export { ONE } from '../base/index.ts'\n`,
  'src/store/index.ts': `import { readFileSync } from 'node:fs'\nexport const read = readFileSync\n`,
  'src/mix/index.ts': `export { route } from './route.ts'\n`,
  'src/mix/route.ts': `export type { Box } from './box.ts'\nexport const route = 1\n`,
  'src/mix/box.ts': `import { ONE } from '../base/index.ts'\nexport type Box = typeof ONE\n`,
  'src/gossip/index.ts': `export const topic = 'x'\n`,
  'src/node/index.ts': `export { route } from '../mix/index.ts'\nexport { topic } from '../gossip/index.ts'\n`,
  'rpc/index.ts': `export { route } from '../src/node/index.ts'\n`,
  'rpc/client/index.ts': `export const client = 1\n`,
  'daemon/main.ts': `import { client } from '../rpc/client/index.ts'\nimport '../rpc/index.ts'\nvoid client\n`,
}

async function violationsWith(planted: Readonly<Record<string, string>>): Promise<string> {
  using tree = tempTree({ ...OBEDIENT, ...planted })
  const { violations } = await checkBoundaries(tree.root)
  return violations.join('\n')
}

describe('the import rule', () => {
  it('accepts a tree that obeys it, and sees all of its files and imports', async () => {
    using tree = tempTree(OBEDIENT)
    const report = await checkBoundaries(tree.root)
    expect(report.violations).toEqual([])
    expect(report.modules).toBe(Object.keys(OBEDIENT).length)
    expect(report.dependencies).toBe(13)
  })

  it.each([
    [
      'an import that points up',
      'src/base/one.ts',
      `import '../node/index.ts'`,
      'imports-point-down: src/base',
    ],
    [
      'a type-only import that points up',
      'src/stream/index.ts',
      `import type { route } from '../mix/index.ts'`,
      'imports-point-down: src/stream',
    ],
    [
      'a dynamic import that points up',
      'src/stream/index.ts',
      `await import('../mix/index.ts')`,
      'imports-point-down: src/stream',
    ],
    [
      'a sibling',
      'src/mix/route.ts',
      `export * from '../gossip/index.ts'`,
      'imports-point-down: src/mix',
    ],
    [
      'a low sibling',
      'src/crypto/aead.ts',
      `import '../wire/index.ts'`,
      'imports-point-down: src/crypto',
    ],
    [
      'a test from production code',
      'src/node/index.ts',
      `import '../../tests/support/fake.ts'`,
      'imports-point-down: src/node',
    ],
    [
      'a folder entered by another file than its index',
      'src/node/index.ts',
      `import '../mix/route.ts'`,
      'enter-by-index: src/mix',
    ],
    [
      'rpc entered by an inner file',
      'daemon/main.ts',
      `import '../rpc/client/http.ts'`,
      'enter-by-index: rpc',
    ],
    ['a cycle', 'src/mix/box.ts', `import './index.ts'`, 'no-cycles'],
    [
      'the disk in a pure folder',
      'src/stream/index.ts',
      `import 'node:fs'`,
      'pure-folders-do-no-io',
    ],
    [
      'the disk in a pure folder, by the old name',
      'src/wire/index.ts',
      `import 'fs/promises'`,
      'pure-folders-do-no-io',
    ],
    [
      'a socket in a pure folder',
      'src/sphinx/index.ts',
      `import { connect } from 'node:net'`,
      'pure-folders-do-no-io',
    ],
    [
      'a timer module in base',
      'src/base/one.ts',
      `import 'node:timers/promises'`,
      'pure-folders-do-no-io',
    ],
    [
      'node:crypto outside src/crypto',
      'src/stream/index.ts',
      `import 'node:crypto'`,
      'randomness-and-hashes-come-from-crypto',
    ],
    [
      'libp2p outside src/net',
      'src/mix/route.ts',
      `import type { Libp2p } from 'libp2p'`,
      'package-at-home: src/net',
    ],
    [
      'a package under a scope outside its home',
      'src/mix/route.ts',
      `import '@noble/curves/ed25519'`,
      'package-at-home: src/crypto',
    ],
    [
      'a folder that no layer names',
      'src/extra/index.ts',
      `import '../base/index.ts'`,
      'known-folder: src/extra/index.ts',
    ],
    ['an import that leads nowhere', 'src/mix/route.ts', `import './gone.ts'`, 'resolvable'],
  ])('reports %s', async (_what, file, line, rule) => {
    const text = `${line}\n${OBEDIENT[file] ?? 'export const planted = 1\n'}`
    const support = {
      'src/wire/index.ts': 'export const wire = 1\n',
      'rpc/client/http.ts': 'export const http = 1\n',
      'tests/support/fake.ts': 'export const fake = 1\n',
    }
    expect(await violationsWith({ ...support, [file]: text })).toContain(rule)
  })

  it('refuses to judge an empty tree', async () => {
    using tree = tempTree({ 'README.md': '' })
    await expect(checkBoundaries(tree.root)).rejects.toThrow('no TypeScript files')
  })
})

describe('this repository', () => {
  it('obeys the import rule', async () => {
    const { modules, dependencies, violations } = await checkBoundaries(
      join(import.meta.dirname, '../../..'),
    )
    expect(violations).toEqual([])
    expect(modules).toBeGreaterThan(20)
    expect(dependencies).toBeGreaterThan(modules)
  })
})
