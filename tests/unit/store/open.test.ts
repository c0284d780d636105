import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemRng, toBase64Url, u32be, utf8 } from '../../../src/base/index.ts'
import {
  BUCKETS,
  createVaultKey,
  type FilePort,
  memoryDisk,
  openMemoryStore,
  openStore,
  readVaultKey,
  systemFiles,
} from '../../../src/store/index.ts'
import { SCHEMA_VERSION } from '../../../src/store/constants.ts'
import { META_KEYS } from '../../../src/store/meta.ts'
import { storePorts } from '../../support/store-contract.ts'

const bucket = BUCKETS.scratch
let dir: string
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'hearsay-open-')), 'home')
})
afterEach(() => rm(join(dir, '..'), { recursive: true, force: true }))

describe('opening a home', () => {
  const open = (more: { vaultKey?: Uint8Array; ports?: { files: FilePort } } = {}) => {
    const { ports, ...options } = more
    return openStore({ ...storePorts, ...ports }, { dir, reserveBytes: 65536 + 5, ...options })
  }

  it('creates everything for this user only, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await (await open()).close()
    } finally {
      process.umask(before)
    }
    const mode = async (name: string) => (await stat(join(dir, name))).mode & 0o777
    // Files of LevelDB have the modes that the umask leaves: nobody else gets at them through this folder.
    for (const name of ['.', 'db']) expect([name, await mode(name)]).toEqual([name, 0o700])
    for (const name of ['vault.key', 'secrets.shelf', 'watermark', 'reserve.bin', 'clean']) {
      expect([name, await mode(name)]).toEqual([name, 0o600])
    }
    expect((await stat(join(dir, 'reserve.bin'))).size).toBe(65536 + 5)
  })

  it('refuses a key file that the group or the world may read or write', async () => {
    await (await open()).close()
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      await chmod(join(dir, 'vault.key'), mode)
      await expect(open()).rejects.toMatchObject({ code: 'storage-permissions' })
    }
    await chmod(join(dir, 'vault.key'), 0o400)
    await (await open()).close()
  })

  it('refuses a second opener while the first has it, without harm to the first', async () => {
    const store = await open()
    await expect(open()).rejects.toMatchObject({ code: 'storage-locked' })
    await store.batch().put(bucket, utf8('a'), utf8('b')).commit()
    await store.close()
    const again = await open()
    expect(await again.get(bucket, utf8('a'))).toEqual(utf8('b'))
    await again.close()
  })

  it('refuses another key by name, and does not make a new key beside an old database', async () => {
    await (await open()).close()
    await expect(open({ vaultKey: systemRng.bytes(32) })).rejects.toMatchObject({
      code: 'storage-key-mismatch',
    })
    await expect(open({ vaultKey: new Uint8Array(31) })).rejects.toMatchObject({
      code: 'bad-length',
    })
    await rm(join(dir, 'vault.key'))
    await expect(open()).rejects.toMatchObject({ code: 'not-found' })
  })

  it('goes on after a stop that left an empty key file, but never beside a database', async () => {
    await mkdir(dir)
    await writeFile(join(dir, 'vault.key'), '', { mode: 0o600 })
    await (await open()).close()
    expect(await readVaultKey(systemFiles, join(dir, 'vault.key'))).toHaveLength(32)
    await writeFile(join(dir, 'vault.key'), '')
    await expect(open()).rejects.toMatchObject({ code: 'bad-encoding' })
  })

  it('closes in good order when there is no room for the mark that says so', async () => {
    const full = async (path: string) => {
      if (!path.endsWith('clean')) return systemFiles.create(path)
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    }
    const store = await open({ ports: { files: { ...systemFiles, create: full } } })
    await store.batch().put(bucket, utf8('a'), utf8('b')).commit()
    await store.close()
    const again = await open()
    expect(await again.get(bucket, utf8('a'))).toEqual(utf8('b'))
    await again.close()
  })

  it('says so by name when it is read after it was closed, also in the middle', async () => {
    const store = await open()
    const batch = store.batch()
    for (let i = 0; i < 300; i++) batch.put(bucket, u32be(i), utf8('x'))
    await batch.commit()
    const closed = { code: 'not-running' }
    const midway = async () => {
      for await (const [key] of store.iterate(bucket)) if (key[3] === 5) await store.close()
    }
    await expect(midway()).rejects.toMatchObject(closed)
    await expect(store.pages(bucket)[Symbol.asyncIterator]().next()).rejects.toMatchObject(closed)
    await expect(store.get(bucket, utf8('a'))).rejects.toMatchObject(closed)
    await expect(store.iterate(bucket)[Symbol.asyncIterator]().next()).rejects.toMatchObject(closed)
    await expect(store.journal.events(0, 1)).resolves.toMatchObject({ events: [] })
  })

  it('opens on a full disk by giving up its reserve', async () => {
    await (await open()).close()
    let full = true
    const files: FilePort = {
      ...systemFiles,
      freeBytes: async () => (full ? 0 : 2 ** 40),
      remove: async (path) => {
        if (path.endsWith('reserve.bin')) full = false
        await systemFiles.remove(path)
      },
      open: async (path) => {
        const file = await systemFiles.open(path)
        const sync = async () => {
          if (full) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
          await file?.sync()
        }
        return file && path.endsWith('.shelf') ? { ...file, sync } : file
      },
    }
    const store = await open({ ports: { files } })
    expect(full).toBe(false)
    expect((await store.stats()).reserve).toBe(true)
    await store.close()
    await rm(join(dir, 'reserve.bin'))
    full = true
    await expect(open({ ports: { files } })).rejects.toMatchObject({ code: 'storage-full' })
    let free = 65536
    const tight = { ...systemFiles, freeBytes: async () => free }
    const spare = await open({ ports: { files: tight } })
    await spare.keepReserve()
    expect((await spare.stats()).reserve).toBe(false)
    free = 2 * (65536 + 5)
    await spare.keepReserve()
    expect((await spare.stats()).reserve).toBe(true)
    await spare.close()
  })

  it('names a full disk and stays readable when a write finds none', async () => {
    const disk = memoryDisk()
    let full = false
    const engine = new Proxy(disk.engine, {
      get: (target, name) => {
        if (name === 'write' && full) {
          // The words of strerror(3), as LevelDB hands them on.
          return () => Promise.reject(new Error('IO error: db/000003.log: No space left on device'))
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const store = await openMemoryStore(storePorts, { disk: { ...disk, engine } })
    await store.batch().put(bucket, utf8('a'), utf8('1')).commit()
    full = true
    const results = await Promise.allSettled(
      ['2', '3'].map((value) => store.batch().put(bucket, utf8('a'), utf8(value)).commit()),
    )
    expect(results.map((result) => (result as PromiseRejectedResult).reason.code)).toEqual([
      'storage-full',
      'storage-full',
    ])
    full = false
    const later = store.batch().put(bucket, utf8('a'), utf8('4')).commit()
    await expect(later).rejects.toMatchObject({ code: 'storage-poisoned' })
    expect(await store.get(bucket, utf8('a'))).toEqual(utf8('1'))
  })

  it('refuses the store of a newer program and a database that is not ours', async () => {
    const disk = memoryDisk()
    await (await openMemoryStore(storePorts, { disk })).close()
    const format = (await disk.engine.get(META_KEYS.format)) as Uint8Array
    const write = (value: Uint8Array) =>
      disk.engine.write([{ type: 'put', key: META_KEYS.format, value }])
    const newer = format.slice()
    newer.set(u32be(SCHEMA_VERSION + 1), 8)
    await write(newer)
    await expect(openMemoryStore(storePorts, { disk })).rejects.toMatchObject({
      code: 'storage-version',
      details: { found: SCHEMA_VERSION + 1, supported: SCHEMA_VERSION },
    })
    await write(format.subarray(1))
    await expect(openMemoryStore(storePorts, { disk })).rejects.toMatchObject({
      code: 'storage-corrupt',
    })
    await disk.engine.write([{ type: 'del', key: META_KEYS.format }])
    await expect(openMemoryStore(storePorts, { disk })).rejects.toMatchObject({
      code: 'storage-corrupt',
    })
  })
})

describe('a key file', () => {
  const path = () => join(dir, 'some.key')
  beforeEach(() => mkdir(dir))
  const write = async (content: string | Uint8Array) => {
    await rm(path(), { force: true })
    await writeFile(path(), content, { mode: 0o600 })
  }

  it('is never overwritten', async () => {
    const ports = { files: systemFiles, rng: systemRng }
    await createVaultKey(ports, path())
    const key = await readVaultKey(systemFiles, path())
    await expect(createVaultKey(ports, path())).rejects.toMatchObject({ code: 'storage-failed' })
    expect(await readVaultKey(systemFiles, path())).toEqual(key)
    expect((await readFile(path(), 'utf8')).length).toBe(65)
  })

  it('is read as hexadecimal or base64url, with or without a newline', async () => {
    const key = systemRng.bytes(32)
    for (const text of [Buffer.from(key).toString('hex'), toBase64Url(key)]) {
      for (const end of ['', '\n']) {
        await write(text + end)
        expect(await readVaultKey(systemFiles, path())).toEqual(key)
      }
    }
  })

  it('is refused in any other form, without its content in the error', async () => {
    const hex = Buffer.from(systemRng.bytes(32)).toString('hex')
    const bad = ['', '\n', hex.slice(1), `${hex}00`, hex.toUpperCase(), `${hex}\r\n`, ` ${hex}`]
    for (const content of [...bad, `${hex}\n\n`, 'x'.repeat(64), systemRng.bytes(32)]) {
      await write(content)
      const error: unknown = await readVaultKey(systemFiles, path()).catch(
        (cause: unknown) => cause,
      )
      expect(error).toMatchObject({ code: 'bad-encoding' })
      expect(JSON.stringify(error) + String(error)).not.toContain(hex.slice(1, 20))
    }
  })
})
