import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { licencesOf } from '../../../scripts/bundle-licences.mjs'
import { tempTree } from '../../support/temp-tree.ts'

describe('the licences beside the bundle', () => {
  it('are those of every package that is in it, once, and of no other', () => {
    using tree = tempTree({
      'src/own.js': '',
      'node_modules/plain/package.json': '{"name":"plain","version":"1.2.3","license":"MIT"}',
      'node_modules/plain/LICENSE': 'Copyright Plain\n',
      'node_modules/plain/lib/a.js': '',
      'node_modules/@some/scoped/package.json': '{"name":"@some/scoped","version":"2.0.0"}',
      'node_modules/@some/scoped/node_modules/inner/package.json':
        '{"name":"inner","version":"3.0.0","license":"ISC"}',
      'node_modules/@some/scoped/node_modules/inner/LICENCE.md': 'Copyright Inner',
      'node_modules/other/package.json': '{"name":"other","version":"9.9.9","license":"MIT"}',
    })
    const at = (path: string): string => join(tree.root, path)
    const text = licencesOf(
      [
        at('src/own.js'),
        at('node_modules/plain/lib/a.js'),
        at('node_modules/plain/lib/b.js'),
        at('node_modules/@some/scoped/index.js'),
        at('node_modules/@some/scoped/node_modules/inner/index.js'),
      ],
      'The Apache Licence',
    )
    expect(text.match(/^plain 1\.2\.3: MIT$/gm)).toHaveLength(1)
    expect(text).toContain('Copyright Plain')
    expect(text).toContain('@some/scoped 2.0.0: see below')
    expect(text).toContain('inner 3.0.0: ISC\n\nCopyright Inner')
    expect(text).not.toContain('other')
    expect(text).not.toContain('The Apache Licence')
  })

  it('end with that of Apache, once, when packages are under it: some bring no text, or a notice', () => {
    using tree = tempTree({
      'node_modules/a/package.json': '{"name":"a","version":"1.0.0","license":"Apache-2.0 OR MIT"}',
      'node_modules/b/package.json': '{"name":"b","version":"1.0.0","license":"Apache-2.0"}',
      'node_modules/c/package.json': '{"name":"c","version":"1.0.0","license":"Apache-2.0"}',
      'node_modules/c/LICENSE': 'A notice',
    })
    const modules = ['a', 'b', 'c'].map((name) => join(tree.root, 'node_modules', name, 'i.js'))
    const text = licencesOf(modules, 'The Apache Licence')
    expect(text.match(/without a text of its own/g)).toHaveLength(2)
    expect(text.match(/The Apache Licence/g)).toHaveLength(1)
    expect(text.trimEnd().endsWith('The Apache Licence')).toBe(true)
  })
})
