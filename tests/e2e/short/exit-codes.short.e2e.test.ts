import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hearsay, LAUNCHER, Running, withFolder } from '../../support/e2e.ts'
import { Sandbox, UNABLE } from '../../support/sandbox.ts'

const SHORT_START_MS = 30_000

/** A daemon under `home` that is up while `use` runs. */
async function withDaemon<T>(home: string, use: () => Promise<T>): Promise<T> {
  const up = await hearsay(['up', '--home', home])
  expect(up.stderr).toContain('ready')
  try {
    return await use()
  } finally {
    await hearsay(['down', '--home', home])
  }
}

/** A file system of 64 KiB over `folder`, seen in the sandbox; undefined where this user cannot have one. */
function smallDisk(folder: string): Sandbox | undefined {
  let sandbox: Sandbox | undefined
  try {
    sandbox = new Sandbox()
    sandbox.run('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', folder)
    return sandbox
  } catch (error) {
    sandbox?.close()
    const reason = error instanceof Error ? error.message : 'nothing says why'
    if (!UNABLE.test(reason)) throw error
    console.info(`exit code 74 on a full disk: not run here, because ${reason}`)
    return undefined
  }
}

describe('the daemon ends with', () => {
  it('69 when its port is taken, naming the address and a way out', () =>
    withFolder(async (home) => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as { port: number }
      const address = `/ip4/127.0.0.1/tcp/${port}`
      const { code, stderr } = await hearsay(['run', '--home', home, '--listen', address])
      server.close()
      expect(code).toBe(69)
      expect(stderr).toContain(address)
      expect(stderr).toContain('config set listen')
    }))

  it('69 when another daemon has the home, naming its pid; the first one goes on', () =>
    withFolder(async (home) =>
      withDaemon(home, async () => {
        const pid = readFileSync(join(home, 'daemon.pid'), 'utf8').trim()
        const second = await hearsay(['run', '--home', home])
        expect(second.code).toBe(69)
        expect(second.stderr).toContain(`pid ${pid}`)
        expect((await hearsay(['status', '--home', home])).code).toBe(0)
      }),
    ))

  it('77 when others can read the key file, naming chmod 600', () =>
    withFolder(async (home) => {
      await withDaemon(home, async () => {})
      chmodSync(join(home, 'vault.key'), 0o644)
      const { code, stderr } = await hearsay(['run', '--home', home])
      expect(code).toBe(77)
      expect(stderr).toContain(`chmod 600 ${join(home, 'vault.key')}`)
    }))

  it('78 for a vault.key that is another one, garbled or missing, with the file', () =>
    withFolder(async (home) => {
      await withDaemon(home, async () => {})
      const keyFile = join(home, 'vault.key')
      const refused = async (): Promise<string> => {
        const { code, stderr } = await hearsay(['run', '--home', home])
        expect(code).toBe(78)
        expect(stderr).toContain(keyFile)
        return stderr
      }
      const key = readFileSync(keyFile, 'utf8')
      writeFileSync(keyFile, randomBytes(32).toString('hex'))
      expect(await refused()).toContain('is not the key of the database')
      writeFileSync(keyFile, 'nonsense')
      expect(await refused()).toContain('put the vault.key of this database back')
      rmSync(keyFile)
      expect(await refused()).toContain('put the vault.key of this database back')
      writeFileSync(keyFile, key, { mode: 0o600 })
      await withDaemon(home, async () => {})
    }))

  it('78 for an unknown key in config.toml, with the key that was meant', () =>
    withFolder(async (home) => {
      writeFileSync(join(home, 'config.toml'), 'lisen = []\n')
      const { code, stderr } = await hearsay(['run', '--home', home])
      expect(code).toBe(78)
      expect(stderr).toContain('did you mean "listen"?')
      const up = await hearsay(['up', '--home', home])
      expect(up.code).toBe(78)
      expect(up.stderr).toContain('did you mean "listen"?')
    }))

  it('64 for an option that it does not know', async () => {
    expect((await hearsay(['run', '--nope'])).code).toBe(64)
  })

  it('74 when the disk is full', () =>
    withFolder(async (folder) => {
      const home = join(folder, 'small')
      mkdirSync(home)
      const sandbox = smallDisk(home)
      if (sandbox === undefined) return
      const inside = (...words: string[]) => {
        const [first, ...rest] = [...sandbox.words, LAUNCHER, ...words, '--home', home]
        return new Running(first, rest)
      }
      const filler = join(home, 'filler')
      const full = async () => {
        // dd stops at the first byte that does not fit.
        expect(() => sandbox.run('dd', 'if=/dev/zero', `of=${filler}`, 'bs=1k')).toThrow('dd')
        const { code, stderr } = await inside('run').result
        expect(stderr).toContain(`the disk under ${home} is full`)
        expect(code).toBe(74)
        sandbox.run('rm', filler)
      }
      try {
        await full()
        expect((await inside('init').result).code).toBe(0)
        await full()
        const daemon = inside('run')
        await daemon.says('ready', SHORT_START_MS)
        daemon.child.kill('SIGTERM')
        expect((await daemon.result).code).toBe(0)
        await full()
      } finally {
        sandbox.run('umount', '-l', home)
        sandbox.close()
      }
    }))

  it('0 after SIGTERM and after SIGINT, with the socket gone', () =>
    withFolder(async (home) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const daemon = new Running(LAUNCHER, ['run', '--home', home])
        await daemon.says('ready', SHORT_START_MS)
        daemon.child.kill(signal)
        expect((await daemon.result).code).toBe(0)
        expect((await hearsay(['status', '--home', home])).code).toBe(3)
        expect(existsSync(join(home, 'running.json'))).toBe(false)
      }
    }))

  it('starts again after SIGKILL, over the socket and the lock that were left', () =>
    withFolder(async (home) => {
      const daemon = new Running(LAUNCHER, ['run', '--home', home])
      await daemon.says('ready', SHORT_START_MS)
      daemon.child.kill('SIGKILL')
      await daemon.result
      await withDaemon(home, async () => {
        expect((await hearsay(['wait', '--home', home])).code).toBe(0)
      })
    }))
})

describe('the command line ends with', () => {
  it('3 when no daemon runs', () =>
    withFolder(async (home) => {
      const { code, stderr } = await hearsay(['status', '--home', home])
      expect(code).toBe(3)
      expect(stderr).toContain('hearsay up')
    }))

  it('the codes of trust, network and lookup errors', () =>
    withFolder(async (home) =>
      withDaemon(home, async () => {
        const codeOf = async (...args: string[]) => (await hearsay([...args, '--home', home])).code
        writeFileSync(join(home, 'bad.network'), 'this is no network file\n')
        expect(await codeOf('network', 'join', join(home, 'bad.network'))).toBe(12)
        expect(await codeOf('network', 'inspect', 'hearsay:join/AAAA')).toBe(12)
        expect(await codeOf('network', 'show')).toBe(11)
        expect(await codeOf('contact', 'invite')).toBe(11)

        expect(await codeOf('network', 'create', 'alone', '--preset', 'swift')).toBe(0)
        expect(await codeOf('network', 'create', 'again')).toBe(8)
        expect(await codeOf('contact', 'add', 'hearsay:invite/AAAA', '--as', 'x')).toBe(12)
        expect(await codeOf('contact', 'show', 'nobody')).toBe(7)
        expect(await codeOf('send', 'nobody', 'hello')).toBe(7)
        expect(await codeOf('show', 'nomessage')).toBe(7)
        expect(await codeOf('wait', '--for', 'peers=3', '--timeout', '100ms')).toBe(5)

        const invite = await hearsay(['contact', 'invite', '--label', 'bob', '--home', home])
        expect(invite.code).toBe(0)
        expect(await codeOf('send', 'bob', 'hello')).toBe(5)
      }),
    ))
})
