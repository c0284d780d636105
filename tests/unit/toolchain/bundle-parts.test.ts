import { existsSync, mkdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { replaceParts } from '../../../scripts/bundle-parts.mjs'
import { tempTree } from '../../support/temp-tree.ts'

const DAY_MS = 86_400_000

const build = (hash: string) => [
  { fileName: 'main.js', code: `import './run-${hash}.js'`, isEntry: true },
  { fileName: `run-${hash}.js`, code: hash, isEntry: false },
]

/** As if all of it had been written at this time. */
function age(root: string, hash: string, ms: number): void {
  for (const name of ['main.js', `run-${hash}.js`]) {
    utimesSync(join(root, name), ms / 1_000, ms / 1_000)
  }
}

describe('the parts of the bundle', () => {
  it('stay for thirty days from when they are replaced, however long ago they were built', () => {
    using tree = tempTree({})
    const { root } = tree
    const now = Date.now()
    replaceParts(root, build('old'), now)
    age(root, 'old', now - 40 * DAY_MS)
    replaceParts(root, build('new'), now)
    expect(readFileSync(join(root, 'main.js'), 'utf8')).toContain('run-new.js')
    expect(existsSync(join(root, 'run-old.js'))).toBe(true)
    replaceParts(root, build('new'), now + 29 * DAY_MS)
    expect(existsSync(join(root, 'run-old.js'))).toBe(true)
    replaceParts(root, build('new'), now + 31 * DAY_MS)
    expect(existsSync(join(root, 'run-old.js'))).toBe(false)
    expect(existsSync(join(root, 'run-new.js'))).toBe(true)
  })

  it('are no more than the last 200 of former builds', () => {
    using tree = tempTree({})
    const { root } = tree
    const now = Date.now()
    for (let i = 0; i <= 210; i++) {
      replaceParts(root, build(`b${i}`), now + i * 1_000)
    }
    const left = Array.from({ length: 211 }, (_, i) => existsSync(join(root, `run-b${i}.js`)))
    expect(left.filter(Boolean)).toHaveLength(201)
    expect(left.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => false))
  })

  it('are those of the former command when a build is cut off', () => {
    using tree = tempTree({})
    const { root } = tree
    replaceParts(root, build('old'), Date.now())
    // Here the next part cannot be written.
    mkdirSync(join(root, 'run-new.js'))
    expect(() => replaceParts(root, build('new'), Date.now())).toThrow('EISDIR')
    expect(readFileSync(join(root, 'main.js'), 'utf8')).toContain('run-old.js')
    expect(readFileSync(join(root, 'run-old.js'), 'utf8')).toBe('old')
  })
})
