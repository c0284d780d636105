import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MALLOC_SETTINGS, V8_FLAGS } from '../../../daemon/start-settings.ts'
import { tempTree } from '../../support/temp-tree.ts'

const LAUNCHER = join(import.meta.dirname, '../../../hearsay')
const MAIN = `console.log(JSON.stringify([process.pid, ...process.argv.slice(2)]))\n`
const oldNode = (version: string): string => `#!/bin/sh\necho ${version}\n`

interface Setup {
  /** Files of the checkout besides the launcher. */
  readonly files?: Readonly<Record<string, string>>
  /** A `node` script in the first folder of PATH. */
  readonly pathNode?: string
  /** Put this process's Node where the optional package has it. */
  readonly bundled?: boolean
}

/** Runs a copy of the launcher by `via` with `args`, from the file system's root. */
function launch(setup: Setup, args: readonly string[] = [], via: 'path' | 'links' = 'path') {
  const { files = { 'dist/bundle/main.js': MAIN }, pathNode, bundled = false } = setup
  using tree = tempTree({
    'package.json': '{"type":"module"}',
    'bin/.keep': '',
    ...files,
    ...(pathNode === undefined ? {} : { 'bin/node': pathNode }),
  })
  const at = (path: string): string => join(tree.root, path)
  copyFileSync(LAUNCHER, at('hearsay'))
  if (pathNode !== undefined) chmodSync(at('bin/node'), 0o755)
  if (bundled) {
    const home = at(`node_modules/node-linux-${process.arch}/bin/node`)
    mkdirSync(dirname(home), { recursive: true })
    symlinkSync(process.execPath, home)
  }
  symlinkSync('../hearsay', at('bin/relative'))
  symlinkSync(at('bin/relative'), at('bin/hearsay'))
  return spawnSync(at(via === 'path' ? 'hearsay' : 'bin/hearsay'), args, {
    cwd: '/',
    encoding: 'utf8',
    env: toolPath(at('bin')),
  })
}

/** PATH with the plain tools that the launcher needs, and without any Node but the planted one. */
function toolPath(bin: string): { PATH: string } {
  for (const tool of ['dirname', 'readlink', 'uname']) {
    const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
    symlinkSync(found, join(bin, tool))
  }
  return { PATH: bin }
}

describe.runIf(process.platform === 'linux')('the launcher', () => {
  it('runs the Node of the optional package though an older one is first in PATH', () => {
    const { stdout, status } = launch({ bundled: true, pathNode: oldNode('v20.20.2') }, ['version'])
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toContain('version')
  })

  it('starts with the flags and settings with which a daemon starts others', () => {
    const launcher = readFileSync(LAUNCHER, 'utf8')
    expect(launcher).toContain(`exec "$node" ${V8_FLAGS.join(' ')} "$main"`)
    for (const [name, value] of Object.entries(MALLOC_SETTINGS)) {
      expect(launcher).toContain(`export ${name}="\${${name}:-${value}}"`)
    }
  })

  it('is replaced by the daemon: the pid that was started is the pid that runs', () => {
    const { pid, stdout } = launch({ bundled: true })
    expect(JSON.parse(stdout)).toEqual([pid])
  })

  it('passes arguments on unchanged, also through a chain of symbolic links', () => {
    const args = ['send', 'two words', '', '$HOME', '*', '--', '-x']
    const { stdout } = launch({ bundled: true }, args, 'links')
    expect((JSON.parse(stdout) as unknown[]).slice(1)).toEqual(args)
  })

  it('takes the Node in PATH when it is new enough and none is bundled', () => {
    const pathNode = `#!/bin/sh\n[ "$1" = --version ] && echo v24.7.0 || exec ${process.execPath} "$@"\n`
    const { stdout, status } = launch({ pathNode }, ['status'])
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toContain('status')
  })

  it.each([
    ['an old one', oldNode('v20.20.2')],
    ['one without ML-KEM', oldNode('v24.6.0')],
    ['a broken one', '#!/bin/sh\nexit 1\n'],
    ['one that speaks nonsense', oldNode('hello')],
    ['none', undefined],
  ])('asks for Node 24 and exits 78 when PATH has %s', (_what, pathNode) => {
    const { stderr, stdout, status } = launch(pathNode === undefined ? {} : { pathNode })
    expect(status).toBe(78)
    expect(stdout).toBe('')
    expect(stderr).toContain('hearsay needs Node 24.7 or newer')
  })

  it('says how to build when nothing was built, and exits 78', () => {
    const { stderr, status } = launch({ bundled: true, files: {} })
    expect(status).toBe(78)
    expect(stderr).toContain("run 'npm run build'")
  })
})
