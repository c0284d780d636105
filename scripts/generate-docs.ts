/**
 * Writes docs/rpc.md and docs/openrpc.json from the registry of methods.
 * With `--check` it writes nothing and exits 1 if one of them is not up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openRpcDocument, referenceMarkdown } from '../rpc/index.ts'

export const GENERATED: readonly { path: string; text: string }[] = [
  { path: 'docs/rpc.md', text: referenceMarkdown() },
  { path: 'docs/openrpc.json', text: `${JSON.stringify(openRpcDocument(), null, 2)}\n` },
]

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Paths whose file differs from what the registry says. */
export function staleDocs(): string[] {
  return GENERATED.filter(({ path, text }) => readText(path) !== text).map(({ path }) => path)
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(`${ROOT}${path}`, 'utf8')
  } catch {
    return undefined
  }
}

function main(): void {
  const stale = staleDocs()
  if (process.argv.includes('--check')) {
    for (const path of stale) console.error(`${path} is not up to date: npm run docs`)
    process.exitCode = stale.length === 0 ? 0 : 1
    return
  }
  for (const { path, text } of GENERATED) writeFileSync(`${ROOT}${path}`, text)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
