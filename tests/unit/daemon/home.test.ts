import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ExitError } from '../../../daemon/exit-codes.ts'
import { ensureHome, resolveHome } from '../../../daemon/home.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-home-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function exitOf(fn: () => unknown): ExitError {
  try {
    fn()
  } catch (error) {
    if (error instanceof ExitError) return error
    throw error
  }
  throw new Error('did not throw')
}

describe('resolveHome', () => {
  it('puts everything under HEARSAY_HOME', () => {
    const home = resolveHome(undefined, { HEARSAY_HOME: dir })
    expect(home).toMatchObject({
      root: dir,
      configFile: join(dir, 'config.toml'),
      keyFile: join(dir, 'vault.key'),
      socket: join(dir, 'rpc.sock'),
      cookieFile: join(dir, 'rpc.cookie'),
      single: true,
    })
    expect(home.logFile.startsWith(join(dir, 'log'))).toBe(true)
  })

  it('prefers --home to HEARSAY_HOME', () => {
    expect(resolveHome(join(dir, 'a'), { HEARSAY_HOME: join(dir, 'b') }).root).toBe(join(dir, 'a'))
  })

  it('follows the XDG folders without it and ignores relative ones, as the standard says', () => {
    const home = resolveHome(undefined, {
      HOME: '/home/ann',
      XDG_RUNTIME_DIR: '/run/user/7',
      XDG_CONFIG_HOME: 'relative',
    })
    expect(home.socket).toBe('/run/user/7/hearsay/rpc.sock')
    expect(home.configFile).toBe('/home/ann/.config/hearsay/config.toml')
    expect(home.root).toBe('/home/ann/.local/share/hearsay')
    expect(home.single).toBe(false)
  })

  it('treats an empty HEARSAY_HOME as none and refuses when HOME is missing too', () => {
    expect(exitOf(() => resolveHome(undefined, { HEARSAY_HOME: '' })).exitCode).toBe(2)
  })

  it('gives a home that is too deep for a Unix socket a short path, the same one every time', () => {
    const deep = join(dir, 'd'.repeat(120))
    const env = { XDG_RUNTIME_DIR: '/run/user/7' }
    const { socket } = resolveHome(deep, env)
    expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(103)
    expect(socket).toBe(resolveHome(deep, env).socket)
    expect(socket).not.toBe(resolveHome(`${deep}x`, env).socket)
  })

  it('says so when the runtime folder is too deep as well', () => {
    const error = exitOf(() =>
      resolveHome(join(dir, 'd'.repeat(120)), { XDG_RUNTIME_DIR: `/${'r'.repeat(120)}` }),
    )
    expect(error.exitCode).toBe(78)
    expect(error.message).toContain('longer than')
  })
})

describe('ensureHome', () => {
  it('makes folders that only the owner can open', () => {
    const home = resolveHome(join(dir, 'new'), {})
    ensureHome(home)
    expect(statSync(home.root).mode & 0o777).toBe(0o700)
    expect(statSync(join(home.root, 'log')).mode & 0o777).toBe(0o700)
  })

  it.each(['0644', '0640', '0604', '0660', '0602'])(
    'refuses a key file of mode %s with exit 77 and names chmod 600',
    (mode) => {
      const home = resolveHome(dir, {})
      writeFileSync(home.keyFile, 'k')
      chmodSync(home.keyFile, Number.parseInt(mode, 8))
      const error = exitOf(() => ensureHome(home))
      expect(error.exitCode).toBe(77)
      expect(error.message).toContain(`mode ${mode}`)
      expect(error.fix).toContain(`chmod 600 ${home.keyFile}`)
    },
  )

  it('accepts a key file that only the owner can read', () => {
    const home = resolveHome(dir, {})
    writeFileSync(home.keyFile, 'k', { mode: 0o600 })
    expect(() => ensureHome(home)).not.toThrow()
  })

  it('refuses a folder in the place of the key file', () => {
    const home = resolveHome(dir, {})
    mkdirSync(home.keyFile)
    expect(exitOf(() => ensureHome(home)).exitCode).toBe(77)
  })

  it('takes the right to write from others, who could replace the key file', () => {
    const root = join(dir, 'shared')
    mkdirSync(root)
    chmodSync(root, 0o777)
    ensureHome(resolveHome(root, {}))
    expect(statSync(root).mode & 0o777).toBe(0o755)
  })

  it('leaves a sticky folder such as /tmp as it is', () => {
    const root = join(dir, 'sticky')
    mkdirSync(root)
    chmodSync(root, 0o1777)
    ensureHome(resolveHome(root, {}))
    expect(statSync(root).mode & 0o7777).toBe(0o1777)
  })

  it('exits 74 when a file is in the way', () => {
    writeFileSync(join(dir, 'file'), '')
    expect(exitOf(() => ensureHome(resolveHome(join(dir, 'file', 'home'), {}))).exitCode).toBe(74)
  })
})
