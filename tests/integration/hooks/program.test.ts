import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ProgramEnd, runProgram } from '../../../daemon/hooks/program.ts'
import { systemClock } from '../../../src/base/index.ts'
import { eventually } from '../../support/e2e.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-program-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function run(
  code: string,
  options: { timeoutMs?: number; signal?: AbortSignal; input?: string } = {},
): Promise<ProgramEnd> {
  const file = join(dir, 'program.mjs')
  writeFileSync(file, code)
  const { timeoutMs = 30_000, signal = new AbortController().signal, input = '{}\n' } = options
  const command = [process.execPath, file] as const
  const env = { HEARSAY_HOOK: 'test' }
  return runProgram(
    { clock: systemClock },
    { command: [...command], env, cwd: dir, timeoutMs },
    input,
    signal,
  )
}

const out = () => (existsSync(join(dir, 'out')) ? readFileSync(join(dir, 'out'), 'utf8') : '')
const WRITE =
  "import { appendFileSync } from 'node:fs'\nconst say = (t) => appendFileSync('out', t)\n"

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    // A zombie waits for whoever inherited it and runs no more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('a program', () => {
  it('gets the input on stdin, its folder and no environment but the given one', async () => {
    const end = await run(
      `${WRITE}let t = ''\nfor await (const c of process.stdin) t += c\nsay(t + Object.keys(process.env))`,
      { input: '{"seq":1}\n' },
    )
    expect(end).toEqual({ kind: 'ok' })
    expect(out()).toBe('{"seq":1}\nHEARSAY_HOOK')
  })

  it.each([
    ['process.exit(3)', 'exit 3'],
    ["process.kill(process.pid, 'SIGSEGV')", 'signal SIGSEGV'],
    ['nonsense', 'exit 1'],
  ])('that ends with %s has failed with %s', async (code, error) => {
    expect(await run(code)).toEqual({ kind: 'failed', error })
  })

  it('that does not exist or may not be run has failed with the code of the system', async () => {
    const file = join(dir, 'plain')
    writeFileSync(file, 'text', { mode: 0o600 })
    const start = (path: string) => {
      const options = { command: [path] as [string], env: {}, cwd: dir, timeoutMs: 1_000 }
      return runProgram({ clock: systemClock }, options, '', new AbortController().signal)
    }
    expect(await start(join(dir, 'none'))).toEqual({ kind: 'failed', error: 'ENOENT' })
    expect(await start(file)).toEqual({ kind: 'failed', error: 'EACCES' })
  })

  it('need not read a long input, and may write without end', async () => {
    expect(await run('process.exit(0)', { input: 'x'.repeat(3_000_000) })).toEqual({ kind: 'ok' })
    const loud = "for (let i = 0; i < 300; i++) process.stdout.write('y'.repeat(100_000))"
    expect(await run(loud)).toEqual({ kind: 'ok' })
  })

  it('is ended at its timeout with its children, though they ignore SIGTERM', async () => {
    const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"
    const end = run(
      `${WRITE}import { spawn } from 'node:child_process'
const child = spawn(process.execPath, ['-e', ${JSON.stringify(deaf)}], { stdio: 'ignore' })
process.on('SIGTERM', () => {})
child.on('spawn', () => say(process.pid + ' ' + child.pid))
setInterval(() => {}, 1000)`,
      { timeoutMs: 1_500 },
    )
    expect(await end).toEqual({ kind: 'failed', error: 'timeout' })
    const pids = out().split(' ').map(Number)
    expect(pids).toHaveLength(2)
    await eventually('both are gone', 5_000, async () => !pids.some(isAlive))
  })

  it('may finish when the daemon stops, and is killed when it takes too long', async () => {
    const quick = new AbortController()
    const done = run(`${WRITE}say('up')\nsetTimeout(() => {}, 300)`, { signal: quick.signal })
    await eventually('it runs', 5_000, async () => out() === 'up')
    quick.abort()
    expect(await done).toEqual({ kind: 'ok' })

    const slow = new AbortController()
    const killed = run('setInterval(() => {}, 1000)', { signal: slow.signal })
    slow.abort()
    expect(await killed).toEqual({ kind: 'stopped' })
    expect(await run('process.exit(0)', { signal: slow.signal })).toEqual({ kind: 'stopped' })
  })
})
