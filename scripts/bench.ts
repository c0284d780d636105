/**
 * Runs the benchmarks in tests/bench one after the other, each in its own process: `npm run bench`
 * runs all, `npm run bench -- sphinx` those whose file name contains the word. Exit 1 when one fails.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const words = process.argv.slice(2)
const files = globSync('tests/bench/**/*.bench.ts', { cwd: root })
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort()
if (files.length === 0) {
  console.error('no benchmark in tests/bench has such a name')
  process.exit(2)
}
for (const file of files) {
  console.log(`== ${file}`)
  const { status } = spawnSync(process.execPath, [join(root, file)], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
