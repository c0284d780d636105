import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tempTree } from '../../support/temp-tree.ts'

const ROOT = join(import.meta.dirname, '../../..')

const CLOCKS = `export const values = [Date.now(), Math.random(), AbortSignal.timeout(1)]
setTimeout(() => {}, performance.now())
setInterval(() => {}, 1)
crypto.getRandomValues(new Uint8Array(1))
`

const PROMISES = `async function work(): Promise<void> {}
export function start(kind: 'a' | 'b', value: any): number {
  work()
  void work()
  ;[value].forEach(async () => {})
  switch (kind) {
    case 'a':
      return 1
  }
  return 2
}
`

/** Lints `files` with this repository's configuration; answers `file: rule` for every finding. */
function lint(files: Readonly<Record<string, string>>): string[] {
  using tree = tempTree({
    ...files,
    '.oxlintrc.json': readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8'),
    'tsconfig.json': JSON.stringify({
      compilerOptions: { strict: true, module: 'nodenext', target: 'es2024', types: [] },
    }),
  })
  let output: string
  try {
    output = execFileSync(
      process.execPath,
      [join(ROOT, 'node_modules/oxlint/bin/oxlint'), '--format', 'json'],
      {
        cwd: tree.root,
        encoding: 'utf8',
      },
    )
  } catch (error) {
    output = (error as { stdout: string }).stdout
  }
  const report = JSON.parse(output) as { diagnostics: { code: string; filename: string }[] }
  return report.diagnostics.map(
    ({ code, filename }) => `${filename}: ${code.replace(/.*\((.*)\)/, '$1')}`,
  )
}

describe('the linter', () => {
  it('finds the time, the randomness and the timers of the machine in src', () => {
    const found = lint({ 'src/mix/clocks.ts': CLOCKS })
    expect(found.filter((line) => line.endsWith('no-restricted-properties'))).toHaveLength(4)
    expect(found.filter((line) => line.endsWith('no-restricted-globals'))).toHaveLength(3)
  })

  it.each(['src/base/system-clock.ts', 'daemon/main.ts', 'tests/unit/clock.ts', 'scripts/a.ts'])(
    'allows them in %s',
    (file) => {
      expect(lint({ [file]: CLOCKS })).toEqual([])
    },
  )

  it('finds lost promises, forgotten cases and any, for which it needs the types', () => {
    const rules = lint({ 'src/mix/promises.ts': PROMISES }).map((line) => line.split(': ')[1])
    expect(rules.filter((rule) => rule === 'no-floating-promises')).toHaveLength(2)
    expect(rules).toContain('no-misused-promises')
    expect(rules).toContain('switch-exhaustiveness-check')
    expect(rules).toContain('no-explicit-any')
  })

  it('finds a file that is too long', () => {
    const long = `${'// a line\n'.repeat(501)}export {}\n`
    expect(lint({ 'src/mix/long.ts': long })).toEqual(['src/mix/long.ts: max-lines'])
  })

  it.each([
    ['process in src', 'src/mix/a.ts', 'export const home = process.env'],
    ['process in rpc', 'rpc/a.ts', 'export const home = process.env'],
    [
      'random bytes of node:crypto in src',
      'src/mix/a.ts',
      `export { randomBytes } from 'node:crypto'`,
    ],
    ['sleeping by node:timers in src', 'src/mix/a.ts', `import 'node:timers/promises'`],
  ])('finds %s', (_what, file, text) => {
    expect(lint({ [file]: `${text}\n` }).join()).toMatch(/no-restricted-(globals|imports)/)
  })
})
