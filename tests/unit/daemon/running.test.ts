import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ExitError } from '../../../daemon/exit-codes.ts'
import { resolveHome } from '../../../daemon/home.ts'
import {
  daemonProcess,
  findDaemon,
  forgetDaemon,
  recordDaemon,
  refuseForeignSocket,
} from '../../../daemon/running.ts'
import { refOf } from '../../../daemon/testnet/index.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-run-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(dir, { recursive: true, force: true })
})

const xdg = (runtime?: string) =>
  resolveHome(undefined, {
    HOME: dir,
    ...(runtime === undefined ? {} : { XDG_RUNTIME_DIR: runtime }),
  })

/** A home whose daemon was started with an XDG_RUNTIME_DIR, and the same one without. */
function twoEnvironments() {
  const [started, other] = [xdg(join(dir, 'run')), xdg()]
  mkdirSync(dirname(started.socket), { recursive: true })
  mkdirSync(started.root, { recursive: true })
  return { started, other }
}

describe('findDaemon', () => {
  it('leads to a daemon of another XDG_RUNTIME_DIR, and back again when it is gone', () => {
    const { started, other } = twoEnvironments()
    writeFileSync(started.socket, '')
    recordDaemon(started)
    const { socket, pidFile, cookieFile, logFile } = started
    expect(findDaemon(other)).toEqual({ ...other, socket, pidFile, cookieFile, logFile })
    rmSync(started.socket)
    expect(findDaemon(other)).toEqual(other)
    writeFileSync(started.socket, '')
    forgetDaemon(started)
    expect(findDaemon(other)).toEqual(other)
  })

  it('does not stop at a socket that one has left which was killed in this environment', () => {
    const { started, other } = twoEnvironments()
    for (const [running, left] of [
      [started, other],
      [other, started],
    ] as const) {
      recordDaemon(left)
      writeFileSync(left.socket, '')
      recordDaemon(running)
      writeFileSync(running.socket, '')
      expect(findDaemon(left).socket).toBe(running.socket)
      expect(findDaemon(running).socket).toBe(running.socket)
    }
  })

  it('does not follow the record of one that was killed', () => {
    const { started, other } = twoEnvironments()
    writeFileSync(started.socket, '')
    recordDaemon(started)
    const file = join(started.root, 'running.json')
    const record = JSON.parse(readFileSync(file, 'utf8')) as object
    const gone = { pid: process.pid, startTime: 'another' }
    writeFileSync(file, JSON.stringify({ ...record, process: gone }))
    expect(findDaemon(other)).toEqual(other)
  })

  it('of a copied home does not lead to the daemon of the original', () => {
    const original = resolveHome(join(dir, 'a'), {})
    const copy = resolveHome(join(dir, 'b'), {})
    mkdirSync(original.root)
    writeFileSync(original.socket, '')
    recordDaemon(original)
    mkdirSync(copy.root)
    copyFileSync(join(original.root, 'running.json'), join(copy.root, 'running.json'))
    expect(findDaemon(copy)).toEqual(copy)
    expect(daemonProcess(copy)).toBeUndefined()
    for (const text of ['{', 'null', '[]']) {
      writeFileSync(join(copy.root, 'running.json'), text)
      expect(findDaemon(copy)).toEqual(copy)
    }
  })
})

describe('a home that is reached by a link', () => {
  it('has the same daemon', () => {
    const home = resolveHome(join(dir, 'real'), {})
    mkdirSync(home.root)
    symlinkSync(home.root, join(dir, 'link'))
    const linked = resolveHome(join(dir, 'link'), {})
    recordDaemon(linked)
    expect(daemonProcess(home)).toEqual(refOf(process.pid))
    expect(daemonProcess(linked)).toEqual(refOf(process.pid))
  })
})

describe('daemonProcess', () => {
  it('is the process that wrote the record, as long as it lives, and no other of its number', async () => {
    const home = resolveHome(dir, {})
    expect(daemonProcess(home)).toBeUndefined()
    recordDaemon(home)
    expect(daemonProcess(home)).toEqual(refOf(process.pid))
    const file = join(dir, 'running.json')
    const record = JSON.parse(readFileSync(file, 'utf8')) as object
    const write = (ref: object) => writeFileSync(file, JSON.stringify({ ...record, process: ref }))
    write({ pid: process.pid, startTime: 'another' })
    expect(daemonProcess(home)).toBeUndefined()
    const child = spawn('sleep', ['60'])
    write(refOf(child.pid ?? 0) ?? {})
    expect(daemonProcess(home)?.pid).toBe(child.pid)
    child.kill()
    await once(child, 'close')
    expect(daemonProcess(home)).toBeUndefined()
    write({ pid: child.pid })
    expect(daemonProcess(home)).toBeUndefined()
  })
})

describe('refuseForeignSocket', () => {
  const exitOf = (fn: () => void) => {
    try {
      fn()
    } catch (error) {
      if (error instanceof ExitError) return error.exitCode
      throw error
    }
    return undefined
  }

  it('refuses what listens in the folder of another user, or in one that is gone', () => {
    const { started } = twoEnvironments()
    const own = process.getuid?.() ?? 0
    expect(exitOf(() => refuseForeignSocket(started.socket, started))).toBeUndefined()
    expect(exitOf(() => refuseForeignSocket(join(dir, 'none', 'rpc.sock'), started))).toBe(4)
    vi.spyOn(process, 'getuid').mockReturnValue(own + 1)
    expect(exitOf(() => refuseForeignSocket(started.socket, started))).toBe(4)
    expect(exitOf(() => refuseForeignSocket(join(started.root, 'rpc.sock'), started))).toBe(4)
    // The superuser may talk to the daemon of whoever has the home, and to no other.
    vi.spyOn(process, 'getuid').mockReturnValue(0)
    expect(exitOf(() => refuseForeignSocket(started.socket, started))).toBeUndefined()
    if (own === 0) return
    rmSync(started.root, { recursive: true })
    expect(exitOf(() => refuseForeignSocket(started.socket, started))).toBe(4)
  })
})
