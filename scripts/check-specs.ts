/**
 * Compares the constants table of every SPEC.md with the constants.ts beside it.
 *
 * Guarantee: exit 0 only when, in each folder of src/ and rpc/ that has both, the rows of
 * `| name | value | unit | reason |` and the exported UPPER_SNAKE constants are the same names with
 * the same values, and every row states a reason.
 */
import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const HEADER = ['name', 'value', 'unit', 'reason']
const CONSTANT_NAME = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/

export interface SpecReport {
  /** SPEC.md files that have a constants table. */
  readonly specs: number
  /** Constants compared. */
  readonly constants: number
  /** One sentence per difference; empty means that text and code agree. */
  readonly problems: readonly string[]
}

interface Row {
  readonly value: string
  readonly reason: string
}

/** The cells of a Markdown table line; undefined for any other line. `\|` is a literal bar. */
function cellsOf(line: string): string[] | undefined {
  const text = line.trim()
  if (!text.startsWith('|') || !text.endsWith('|')) return undefined
  return text
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))
}

const unquoted = (cell: string): string => cell.replace(/^`(.*)`$/, '$1').trim()

/** Rows of all constants tables of one document, by name; undefined when it has none. */
export function constantsTable(markdown: string, problems: string[]): Map<string, Row> | undefined {
  const rows = new Map<string, Row>()
  let tables = 0
  let inside = false
  for (const line of markdown.split('\n')) {
    const cells = cellsOf(line)
    if (cells === undefined) {
      inside = false
    } else if (HEADER.every((title, column) => cells[column]?.toLowerCase() === title)) {
      inside = true
      tables += 1
    } else if (inside && !cells.every((cell) => /^:?-+:?$/.test(cell))) {
      const [name = '', value = '', , reason = ''] = cells.map(unquoted)
      if (cells.length !== HEADER.length) problems.push(`row '${name}' has ${cells.length} cells`)
      if (rows.has(name)) problems.push(`${name} is in the table twice`)
      rows.set(name, { value, reason })
    }
  }
  return tables === 0 ? undefined : rows
}

/** A constant as the table writes it: numbers in decimal, bytes in hex, lists and objects as JSON. */
function written(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'object') return JSON.stringify(value)
  return `${value as string | number | bigint | boolean}`
}

/** Equal as text; digits may be grouped (`262_144`, `262,144`, `262 144`) and text may be quoted. */
function agrees(cell: string, value: unknown): boolean {
  const code = written(value)
  if (cell === code) return true
  if (typeof value === 'number' || typeof value === 'bigint') {
    return /^-?\d{1,3}([_,\s]\d{3})+$/.test(cell) && cell.replaceAll(/[_,\s]/g, '') === code
  }
  if (typeof value === 'string') return cell.replace(/^(['"])(.*)\1$/, '$2') === code
  return cell.replaceAll(/\s/g, '') === code.replaceAll(/\s/g, '')
}

/** Differences between one table and one module's exports. */
export function compareConstants(rows: ReadonlyMap<string, Row>, exported: object): string[] {
  const problems: string[] = []
  const constants = new Map(
    Object.entries(exported).filter(
      ([name, value]) => CONSTANT_NAME.test(name) && typeof value !== 'function',
    ),
  )
  for (const [name, value] of constants) {
    const row = rows.get(name)
    if (row === undefined) problems.push(`${name} is exported but not in the table`)
    else if (!agrees(row.value, value)) {
      problems.push(`${name} is ${written(value)} in the code and ${row.value} in the table`)
    } else if (row.reason === '') problems.push(`${name} has no reason`)
  }
  for (const name of rows.keys()) {
    if (!constants.has(name)) problems.push(`${name} is in the table but not exported`)
  }
  return problems
}

/** Checks every SPEC.md below `root`/src and `root`/rpc. */
export async function checkSpecs(root: string): Promise<SpecReport> {
  const problems: string[] = []
  let specs = 0
  let constants = 0
  for (const file of globSync(['src/**/SPEC.md', 'rpc/**/SPEC.md'], { cwd: root }).sort()) {
    const found: string[] = []
    const rows = constantsTable(await readFile(join(root, file), 'utf8'), found)
    const code = join(root, dirname(file), 'constants.ts')
    if (rows !== undefined && existsSync(code)) {
      specs += 1
      constants += rows.size
      const exported: object = await import(pathToFileURL(code).href)
      found.push(...compareConstants(rows, exported))
    } else if (rows !== undefined)
      found.push('it has a constants table, but there is no constants.ts')
    else if (existsSync(code)) found.push('there is a constants.ts, but it has no constants table')
    problems.push(...found.map((problem) => `${file}: ${problem}`))
  }
  return { specs, constants, problems }
}

if (import.meta.main) {
  const { specs, constants, problems } = await checkSpecs(join(import.meta.dirname, '..'))
  for (const problem of problems) console.error(problem)
  console.log(`${specs} specifications, ${constants} constants, ${problems.length} differences`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
