import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkSpecs } from '../../../scripts/check-specs.ts'
import { tempTree } from '../../support/temp-tree.ts'

const CODE = `export const BOX_BYTES = 2048
export const MAX_RECORD_BYTES = 262_144
export const SUITE = 'x25519'
export const RETRY_MS = [100, 200]
export const MASK = 255n
export function HELP(): void {}
export const lower = 3
`

const TABLE = `# Stream

| name | value | unit | reason |
|---|---|---|---|
| \`BOX_BYTES\` | 2048 | bytes | one size |
| \`MAX_RECORD_BYTES\` | \`262,144\` | bytes | memory of a reader |
| SUITE | 'x25519' | | the default |
| RETRY_MS | [100, 200] | ms | patience |
| MASK | 255 | | low byte |

| other | table |
|---|---|
| NOT_A_CONSTANT | 1 |
`

async function problemsOf(markdown: string, code: string | undefined): Promise<string> {
  using tree = tempTree({
    'src/stream/SPEC.md': markdown,
    ...(code === undefined ? {} : { 'src/stream/constants.ts': code }),
  })
  return (await checkSpecs(tree.root)).problems.join('\n')
}

describe('the comparison of SPEC.md with constants.ts', () => {
  it('accepts a table that agrees, and counts what it compared', async () => {
    using tree = tempTree({ 'src/stream/SPEC.md': TABLE, 'src/stream/constants.ts': CODE })
    expect(await checkSpecs(tree.root)).toEqual({ specs: 1, constants: 5, problems: [] })
  })

  it.each([
    [
      'a value that drifted',
      TABLE.replace('2048', '2047'),
      CODE,
      'BOX_BYTES is 2048 in the code and 2047',
    ],
    [
      'a list that drifted',
      TABLE.replace('[100, 200]', '[100, 300]'),
      CODE,
      'RETRY_MS is [100,200]',
    ],
    ['a digit lost in grouping', TABLE.replace('262,144', '26,2144'), CODE, 'MAX_RECORD_BYTES'],
    [
      'a constant without a row',
      TABLE,
      `${CODE}export const NEW_MS = 1\n`,
      'NEW_MS is exported but not in the table',
    ],
    [
      'a row without a constant',
      TABLE,
      CODE.replace('MASK', 'MASK_2'),
      'MASK is in the table but not exported',
    ],
    ['a row without a reason', TABLE.replace('one size', ''), CODE, 'BOX_BYTES has no reason'],
    [
      'a row written twice',
      TABLE.replace('| MASK |', '| SUITE | 1 | | x |\n| MASK |'),
      CODE,
      'SUITE is in the table twice',
    ],
    [
      'a row with a stray bar',
      TABLE.replace('low byte', 'low | byte'),
      CODE,
      `row 'MASK' has 5 cells`,
    ],
    ['a table without code', TABLE, undefined, 'there is no constants.ts'],
    ['code without a table', '# Stream\n', CODE, 'it has no constants table'],
  ])('reports %s', async (_what, markdown, code, problem) => {
    expect(await problemsOf(markdown, code)).toContain(problem)
  })

  it('finds no difference in this repository', async () => {
    const { problems } = await checkSpecs(join(import.meta.dirname, '../../..'))
    expect(problems).toEqual([])
  })
})
