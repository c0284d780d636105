import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { REGISTRY } from '../../../rpc/index.ts'
import { HearsayError, utf8 } from '../../../src/base/index.ts'
import { BUCKETS, openStore } from '../../../src/store/index.ts'
import { runCli } from '../../support/cli.ts'
import { startRpc } from '../../support/rpc-harness.ts'
import { storePorts } from '../../support/store-contract.ts'

let root: string
let home: string
let file: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearsay-db-'))
  home = join(root, 'home')
  file = join(root, 'a.backup')
})
afterEach(() => rm(root, { recursive: true, force: true }))

const db = (dir: string, ...args: string[]) => runCli(['--home', dir, '--json', 'db', ...args])

async function write(dir: string, text: string, backup?: { withKey: boolean }): Promise<string> {
  const store = await openStore(storePorts, { dir })
  try {
    await store.batch().putSecret(BUCKETS.scratch, utf8('a'), utf8(text)).commit()
    if (backup !== undefined) await store.backup({ path: file, ...backup })
    return store.epoch
  } finally {
    await store.close()
  }
}

async function read(dir: string): Promise<{ text: string; restored: boolean; epoch: string }> {
  const store = await openStore(storePorts, { dir })
  try {
    const value = await store.get(BUCKETS.scratch, utf8('a'))
    const { restored, epoch } = store
    return { text: Buffer.from(value ?? []).toString(), restored, epoch }
  } finally {
    await store.close()
  }
}

describe('hearsay db backup', () => {
  it('says what the file holds, and how to see later whether it is whole', async () => {
    await using rpc = await startRpc()
    const result = REGISTRY.get('db.backup')?.example.result
    rpc.node.stub('db.backup', () => ({ ...result, path: file }))
    const args = ['--socket', rpc.socketPath, 'db', 'backup', file]
    const { code, stdout, stderr } = await runCli(args)
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${file}\n` })
    expect(stderr).toContain('up to event 42')
    expect(stderr).toMatch(/sha256 [0-9a-f]{64}\n/)
    expect(stderr).toContain(`sha256sum ${file}`)
    const json = await runCli(['--json', ...args])
    const named = { path: file, seq: 42, sha256: result?.['sha256'] }
    expect(JSON.parse(json.stdout)).toMatchObject(named)
  })

  it('exits 10 when a disk is full and names the one of the file, 2 for any other fault of the place', async () => {
    await using rpc = await startRpc()
    const backup = async (error: HearsayError) => {
      rpc.node.fail('db.backup', error)
      return runCli(['--socket', rpc.socketPath, 'db', 'backup', file])
    }
    const field = 'path'
    const there = await backup(new HearsayError('storage-full', 'no room there', { field }))
    expect(there).toMatchObject({ code: 10, stdout: '' })
    expect(there.stderr).toContain(`there is no room for the backup in ${root}\n`)
    const own = await backup(new HearsayError('storage-full', 'no space left on the device'))
    expect(own).toMatchObject({ code: 10, stdout: '' })
    expect(own.stderr).toContain('the disk is full')
    expect(own.stderr).not.toContain(root)
    expect(await backup(new HearsayError('bad-value', 'no', { field }))).toMatchObject({ code: 2 })
  })
})

describe('hearsay db restore', () => {
  it('makes a home on another machine from the file and the key, which begins a new epoch', async () => {
    const epoch = await write(home, 'kept', { withKey: false })
    const other = join(root, 'other')
    expect(await db(other, 'restore', file)).toMatchObject({ code: 2, stdout: '' })
    const key = join(home, 'vault.key')
    const { code, stdout } = await db(other, 'restore', file, '--key-file', key)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ home: other, secrets: 1, movedTo: null })
    expect((await stat(join(other, 'vault.key'))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(other, 'vault.key'))).toEqual(await readFile(key))
    const found = await read(other)
    expect(found).toMatchObject({ text: 'kept', restored: true })
    expect(found.epoch).not.toBe(epoch)
    expect(await read(other)).toEqual({ ...found, restored: false })
    expect(readdirSync(other).filter((name) => name.startsWith('restoring'))).toEqual([])
  })

  it('needs no key file for a backup that was made with its key', async () => {
    await write(home, 'kept', { withKey: true })
    const other = join(root, 'other')
    expect((await db(other, 'restore', file)).code).toBe(0)
    expect(await read(other)).toMatchObject({ text: 'kept', restored: true })
  })

  it('takes no other file than the one whose SHA-256 it was told', async () => {
    await write(home, 'kept', { withKey: true })
    const bytes = await readFile(file)
    const sum = createHash('sha256').update(bytes).digest('hex')
    const older = join(root, 'older.backup')
    await cp(file, older)
    await rm(file)
    await write(home, 'newer', { withKey: true })
    const other = join(root, 'other')
    const wrong = await db(other, 'restore', file, '--sha256', sum)
    expect({ code: wrong.code, stdout: wrong.stdout }).toEqual({ code: 12, stdout: '' })
    expect(existsSync(join(other, 'db'))).toBe(false)
    expect((await db(other, 'restore', older, '--sha256', sum.slice(1))).code).toBe(2)
    expect((await db(other, 'restore', join(root, 'none'), '--sha256', sum)).code).toBe(7)
    expect((await db(other, 'restore', older, '--sha256', sum.toUpperCase())).code).toBe(0)
    expect(await read(other)).toMatchObject({ text: 'kept', restored: true })
  })

  it('refuses a home with a database, and moves it aside when told to', async () => {
    await write(home, 'old', { withKey: false })
    await write(home, 'newer')
    const refused = await db(home, 'restore', file)
    expect(refused.code).toBe(8)
    expect(refused.stderr).toContain('--replace')
    expect(await read(home)).toMatchObject({ text: 'newer', restored: false })
    const { code, stdout } = await db(home, 'restore', file, '--replace')
    expect(code).toBe(0)
    expect(await read(home)).toMatchObject({ text: 'old', restored: true })
    const { movedTo } = JSON.parse(stdout) as { movedTo: string }
    expect(readdirSync(movedTo)).toEqual(
      expect.arrayContaining(['db', 'secrets.shelf', 'watermark']),
    )
    expect(existsSync(join(movedTo, 'vault.key'))).toBe(false)
  })

  it('leaves a database alone that another process has open, whether that answers or not', async () => {
    await write(home, 'old', { withKey: false })
    await write(home, 'newer')
    const program = `
      import { Level } from 'level'
      await new Level(process.argv[1]).open()
      console.log('open')
      setInterval(() => {}, 60_000)`
    const args = ['--input-type=module', '-e', program, join(home, 'db')]
    const daemon = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await once(daemon.stdout, 'data')
      const refused = await db(home, 'restore', file, '--replace')
      expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 5, stdout: '' })
      expect(refused.stderr).toContain('hearsay down')
      expect(readdirSync(home).filter((name) => /^(restoring|replaced)/.test(name))).toEqual([])
    } finally {
      daemon.kill('SIGKILL')
      await once(daemon, 'exit')
    }
    expect(await read(home)).toMatchObject({ text: 'newer', restored: false })
    expect((await db(home, 'restore', file, '--replace')).code).toBe(0)
    expect(await read(home)).toMatchObject({ text: 'old', restored: true })
  })

  it('gives nobody else a way to the files that it makes, whatever the umask', async () => {
    await write(home, 'kept', { withKey: true })
    const other = join(root, 'other')
    const before = process.umask(0)
    try {
      expect((await db(other, 'restore', file)).code).toBe(0)
    } finally {
      process.umask(before)
    }
    for (const name of ['db', 'vault.key', 'secrets.shelf']) {
      expect([name, (await stat(join(other, name))).mode & 0o077]).toEqual([name, 0])
    }
  })

  it('changes nothing when the file is damaged, the key is wrong or another key is there', async () => {
    await write(home, 'kept', { withKey: false })
    const other = join(root, 'other')
    await write(other, 'other')
    const wrong = await db(
      home,
      'restore',
      file,
      '--replace',
      '--key-file',
      join(other, 'vault.key'),
    )
    expect(wrong.code).toBe(4)
    const bytes = await readFile(file)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    await writeFile(file, bytes)
    const damaged = await db(home, 'restore', file, '--replace')
    expect({ code: damaged.code, stdout: damaged.stdout }).toEqual({ code: 10, stdout: '' })
    expect(await read(home)).toMatchObject({ text: 'kept', restored: false })
    expect((await db(home, 'restore', join(root, 'none'), '--replace')).code).toBe(7)
    expect(readdirSync(home).filter((name) => /^(restoring|replaced)/.test(name))).toEqual([])
  })

  it('moves a key aside only when told to', async () => {
    await write(home, 'kept', { withKey: true })
    const other = join(root, 'other')
    await write(other, 'other')
    for (const name of readdirSync(other)) {
      if (name !== 'vault.key') await rm(join(other, name), { recursive: true })
    }
    expect((await db(other, 'restore', file)).code).toBe(8)
    const { code, stdout } = await db(other, 'restore', file, '--replace')
    expect(code).toBe(0)
    const { movedTo } = JSON.parse(stdout) as { movedTo: string }
    expect(readdirSync(movedTo)).toEqual(['vault.key'])
    expect(await read(other)).toMatchObject({ text: 'kept' })
  })
})

describe('hearsay db restore where the key of the home is damaged', () => {
  it('takes the key of the backup and moves the damaged one aside, when told to', async () => {
    await write(home, 'kept', { withKey: true })
    await writeFile(join(home, 'vault.key'), '')
    const refused = await db(home, 'restore', file)
    expect(refused.code).toBe(8)
    const { code, stdout } = await db(home, 'restore', file, '--replace')
    expect(code).toBe(0)
    const { movedTo } = JSON.parse(stdout) as { movedTo: string }
    expect(readdirSync(movedTo)).toContain('vault.key')
    expect(await read(home)).toMatchObject({ text: 'kept', restored: true })
  })

  it('names the file of a key that is none', async () => {
    await write(home, 'kept', { withKey: false })
    await writeFile(join(home, 'vault.key'), '')
    const own = await db(home, 'restore', file, '--replace')
    expect([own.code, own.stderr]).toEqual([4, expect.stringContaining(join(home, 'vault.key'))])
    expect(own.stderr).toContain('--key-file')
    const other = join(root, 'some.key')
    await writeFile(other, 'x')
    const given = await db(home, 'restore', file, '--replace', '--key-file', other)
    expect([given.code, given.stderr]).toEqual([4, expect.stringContaining(other)])
  })
})

describe('hearsay db check while the daemon is down', () => {
  it('reads everything, and changes neither the home nor what it thinks of itself', async () => {
    const epoch = await write(home, 'kept')
    const { code, stdout } = await db(home, 'check')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, values: 1, damaged: [] })
    expect(await read(home)).toEqual({ text: 'kept', restored: false, epoch })
  })

  it('exits 10 for damage and 7 without a database, and makes none', async () => {
    expect((await db(home, 'check')).code).toBe(7)
    expect(existsSync(join(home, 'db'))).toBe(false)
    await write(home, 'kept')
    await rm(join(home, 'secrets.shelf'))
    const { code, stderr } = await db(home, 'check')
    expect(code).toBe(10)
    expect(stderr).toContain('restore a backup')
  })

  it('exits 5 while something else has it, and says what to do', async () => {
    const store = await openStore(storePorts, { dir: home })
    const { code, stderr } = await db(home, 'check')
    expect([code, stderr]).toEqual([5, expect.stringContaining('hearsay down')])
    await store.close()
  })

  it('reads no home here in place of a daemon that was named and is not there', async () => {
    await write(home, 'kept')
    const elsewhere = join(root, 'none.sock')
    const { code, stdout } = await db(home, 'check', '--socket', elsewhere)
    expect([code, stdout]).toEqual([3, ''])
  })
})

describe('hearsay db renew', () => {
  it('lets the next start begin a new epoch, also of a copy that lost the end of its log', async () => {
    const epoch = await write(home, 'kept')
    await write(home, 'later')
    const { code, stdout } = await db(home, 'renew')
    expect({ code, result: JSON.parse(stdout) }).toEqual({ code: 0, result: { home } })
    const found = await read(home)
    expect(found).toMatchObject({ text: 'later', restored: true })
    expect(found.epoch).not.toBe(epoch)
    expect(await read(home)).toEqual({ ...found, restored: false })

    await cp(join(home, 'db'), join(root, 'older'), { recursive: true })
    await write(home, 'last')
    await rm(join(home, 'db'), { recursive: true })
    await cp(join(root, 'older'), join(home, 'db'), { recursive: true })
    await expect(read(home)).rejects.toMatchObject({ code: 'storage-corrupt' })
    expect((await db(home, 'renew')).code).toBe(0)
    // The shelf has forgotten the key of the older value; everything else is there.
    const store = await openStore(storePorts, { dir: home })
    expect(store.restored).toBe(true)
    await store.close()
    expect((await db(join(root, 'none'), 'renew')).code).toBe(7)
  })
})
