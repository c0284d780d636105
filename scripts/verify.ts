/**
 * Runs every static check, all of them even when one fails, and ends with `N passed, N failed`.
 * Exit 0 only when none failed. With names as arguments, runs only those: `npm run verify -- lint`.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

const CHECKS = [
  'lock',
  'types',
  'lint',
  'format:check',
  'boundaries',
  'dead-code',
  'specs',
  'docs:check',
] as const

interface Outcome {
  readonly ok: boolean
  readonly output: string
  readonly seconds: number
}

/** Runs one npm script and collects what it prints. */
function run(script: string): Promise<Outcome> {
  const started = performance.now()
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const chunks: Buffer[] = []
  const child = spawn('npm', ['run', '--silent', script], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const finish = (ok: boolean, note = ''): void =>
    resolve({
      ok,
      output: Buffer.concat(chunks).toString('utf8') + note,
      seconds: (performance.now() - started) / 1000,
    })
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.on('error', (error) => finish(false, error.message))
  child.on('close', (code) => finish(code === 0))
  return promise
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !CHECKS.some((check) => check === name))
if (unknown.length > 0) {
  console.error(`unknown check: ${unknown.join(', ')}; there are: ${CHECKS.join(', ')}`)
  process.exit(2)
}

let failed = 0
const checks = CHECKS.filter((check) => wanted.length === 0 || wanted.includes(check))
for (const check of checks) {
  const { ok, output, seconds } = await run(check)
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${check} (${seconds.toFixed(1)} s)`)
  if (!ok) {
    failed += 1
    console.log(output.trimEnd().replaceAll(/^/gm, '     '))
  }
}
console.log(`${checks.length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
