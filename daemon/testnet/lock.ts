import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { EXIT, ExitError, systemCode } from '../exit-codes.ts'

/**
 * Runs `work` with the exclusive lock of `dir`, held while a command changes a testnet: a bound socket, which the operating system takes back when the process
 * ends, however it ends. A lock file that is merely there would outlive a crash. On Linux the socket has an
 * abstract name and leaves nothing on disk; elsewhere it is a file that is replaced when nobody answers.
 * @throws ExitError 8 when another process has it.
 */
export async function withTestnetLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const name = lockName(dir)
  if (!name.startsWith('\0') && !(await answers(name))) rmSync(name, { force: true })
  const server = createServer((socket) => socket.destroy())
  try {
    await bind(server, name)
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE') throw error
    throw new ExitError(
      EXIT.conflict,
      `another hearsay command is using the testnet in ${dir}`,
      'wait for it or stop it (Ctrl-C), or use another --dir',
    )
  }
  try {
    return await work()
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

function lockName(dir: string): string {
  if (process.platform !== 'linux') return join(dir, 'lock.sock')
  const id = createHash('sha256').update(realpathSync(dir)).digest('hex').slice(0, 32)
  return `\0hearsay-testnet-${process.getuid?.() ?? ''}-${id}`
}

function bind(server: Server, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(name, resolve)
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}
