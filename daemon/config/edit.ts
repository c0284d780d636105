import { type ConfigKeyName, type ConfigValue } from './keys.ts'
import { parseConfig } from './load.ts'

/** A value as TOML. */
export function toTomlValue(value: ConfigValue): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return `[${value.map((entry) => JSON.stringify(entry)).join(', ')}]`
}

/**
 * The text with `key` set to `value`; comments and all other keys stay as they are. The result is parsed
 * again, so a form that the line editor does not know gives an error and never a broken file.
 * @throws ExitError 78.
 */
export function setInText(text: string, key: ConfigKeyName, value: ConfigValue): string {
  const dot = key.lastIndexOf('.')
  const section = dot === -1 ? '' : key.slice(0, dot)
  const name = key.slice(dot + 1)
  const line = `${name} = ${toTomlValue(value)}`
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')

  const range = sectionRange(lines, section)
  if (range === undefined) {
    if (section === '') lines.unshift(line)
    else lines.push(...(lines.length > 0 ? [''] : []), `[${section}]`, line)
  } else {
    const at = lines.findIndex(
      (held, index) => index >= range.start && index < range.end && isAssignment(held, name),
    )
    if (at === -1) {
      lines.splice(insertionPoint(lines, range, name), 0, line)
    } else {
      lines.splice(at, assignmentLength(lines, at), line)
    }
  }
  const result = `${lines.join('\n')}\n`
  parseConfig(result, 'the edited file')
  return result
}

interface Range {
  readonly start: number
  readonly end: number
}

const HEADER = /^\s*\[/

/** The lines of a section without its header; the top section ends at the first header. */
function sectionRange(lines: readonly string[], section: string): Range | undefined {
  const isHeader = (line: string) => line.replace(/\s+|#.*$/g, '') === `[${section}]`
  const header = section === '' ? -1 : lines.findIndex(isHeader)
  if (section !== '' && header === -1) return undefined
  const start = header + 1
  const next = lines.findIndex(
    (line, index) => index >= start && isSectionStart(lines, index, line),
  )
  return { start, end: next === -1 ? lines.length : next }
}

/** A line that begins with a bracket is a header unless a list is still open above it. */
function isSectionStart(lines: readonly string[], index: number, line: string): boolean {
  if (!HEADER.test(line) || line.includes('"')) return false
  return lines.slice(0, index).reduce((depth, held) => depth + openBrackets(held), 0) === 0
}

function openBrackets(line: string): number {
  const bare = line.replaceAll(/"(\\.|[^"\\])*"|'[^']*'/g, '').replace(/#.*$/, '')
  return (bare.match(/\[/g)?.length ?? 0) - (bare.match(/\]/g)?.length ?? 0)
}

function isAssignment(line: string, name: string): boolean {
  return new RegExp(`^\\s*"?${name}"?\\s*=`).test(line)
}

function assignmentLength(lines: readonly string[], at: number): number {
  let depth = 0
  for (let index = at; index < lines.length; index++) {
    depth += openBrackets(lines[index] ?? '')
    if (depth <= 0) return index - at + 1
  }
  return lines.length - at
}

/** Under the commented example of the key where there is one, else at the end of the section. */
function insertionPoint(lines: readonly string[], range: Range, name: string): number {
  const example = new RegExp(`^\\s*#\\s*${name}\\s*=`)
  for (let index = range.start; index < range.end; index++) {
    if (example.test(lines[index] ?? '')) return index + 1
  }
  let end = range.end
  while (end > range.start && (lines[end - 1] ?? '').trim() === '') end--
  return end
}
