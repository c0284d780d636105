import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { u32be, utf8 } from '../../../src/base/index.ts'
import { readBackup, readBackupHeader } from '../../../src/store/backup-format.ts'
import {
  backupKey,
  BUCKETS,
  memoryDisk,
  openMemoryStore,
  openStore,
  type OpenFile,
  readVaultKey,
  restoreBackup,
  type Store,
  systemFiles,
} from '../../../src/store/index.ts'
import { Vault } from '../../../src/store/vault.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { storePorts } from '../../support/store-contract.ts'

const bucket = BUCKETS.scratch
let root: string
let home: string
let file: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearsay-backup-'))
  home = join(root, 'home')
  file = join(root, 'one.backup')
})
afterEach(() => rm(root, { recursive: true, force: true }))

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const open = (dir = home) => openStore(storePorts, { dir, reserveBytes: 0 })
const keyOf = (dir: string) => readVaultKey(systemFiles, join(dir, 'vault.key'))

async function fill(store: Store, count: number): Promise<void> {
  await store.consumers.create('bot', { from: 'start' })
  for (let i = 0; i < count; i++) {
    const batch = store.batch().append({ type: 'test.step', data: { i } })
    batch.put(bucket, u32be(i), utf8(`plain ${i}`))
    batch.putSecret(BUCKETS.settings, u32be(i), utf8(`secret ${i}`))
    if (i > 2) batch.delSecret(BUCKETS.settings, u32be(i - 2))
    await batch.commit()
  }
  await store.batch().redact(2).commit()
  await store.consumers.ack('bot', 3, 1)
}

async function content(store: Store) {
  const entries: string[] = []
  for (const from of [bucket, BUCKETS.settings] as const) {
    for await (const [key, value] of store.iterate(from)) {
      entries.push(`${from} ${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString()}`)
    }
  }
  const { events } = await store.journal.events(0, 1000)
  const journal = events.map((event) => ({ ...event, epoch: '' }))
  return { entries, journal, consumers: store.consumers.list(), head: store.headSeq() }
}

describe('a backup', () => {
  it('brings back values, secrets, journal and consumers, in a new epoch, with the key from elsewhere', async () => {
    const store = await open()
    await fill(store, 40)
    const before = await content(store)
    const result = await store.backup({ path: file })
    expect(result).toMatchObject({ damaged: 0, seq: 40, epoch: store.epoch })
    expect(result.sha256).toBe(sha256(await readFile(file)))
    const { size, mode } = await stat(file)
    expect({ bytes: size, mode: mode & 0o777 }).toEqual({ bytes: result.bytes, mode: 0o600 })
    expect((await readdir(root)).toSorted()).toEqual(['home', 'one.backup'])
    await store.batch().put(bucket, utf8('later'), utf8('x')).commit()
    await store.close()

    const dir = join(root, 'new')
    expect(await backupKey({}, file)).toBeUndefined()
    await expect(restoreBackup(storePorts, { file, dir })).rejects.toMatchObject({
      code: 'bad-value',
    })
    const vaultKey = await keyOf(home)
    const restored = await restoreBackup(storePorts, { file, dir, vaultKey })
    expect(restored).toMatchObject({ secrets: result.secrets, seq: 40 })
    const again = await openStore(storePorts, { dir, vaultKey, reserveBytes: 0 })
    expect(await content(again)).toEqual(before)
    expect(again.restored).toBe(true)
    expect(again.epoch).not.toBe(result.epoch)
    expect(await again.check()).toMatchObject({ damaged: {}, journalBrokenAt: undefined })
    await fill2(again)
    await again.close()
    const third = await openStore(storePorts, { dir, vaultKey, reserveBytes: 0 })
    expect(third.restored).toBe(false)
    await third.close()
  })

  async function fill2(store: Store): Promise<void> {
    const batch = store.batch().append({ type: 'test.later', data: {} })
    await batch.putSecret(BUCKETS.settings, u32be(900), utf8('new')).commit()
    expect((await store.stats()).damagedSecrets).toBe(0)
  }

  it('is one moment, whatever is committed while it is written', async () => {
    const store = await open()
    const pair = (i: number) =>
      store
        .batch()
        .putSecret(bucket, utf8('a'), u32be(i))
        .putSecret(bucket, utf8('b'), u32be(i))
        .put(bucket, utf8('c'), u32be(i))
        .append({ type: 'test.step', data: { i } })
        .commit()
    for (let i = 0; i < 300; i++) await store.batch().put(bucket, u32be(i), utf8('filler')).commit()
    await pair(0)
    let stop = false
    const writing = (async () => {
      for (let i = 1; !stop; i++) await pair(i)
    })()
    const results = []
    for (let i = 0; i < 4; i++) results.push(await store.backup({ path: `${file}.${i}` }))
    stop = true
    await writing
    await store.close()
    expect(results.at(-1)?.seq).toBeGreaterThan(results[0]?.seq ?? 0)
    const vaultKey = await keyOf(home)
    for (const [i, { seq }] of results.entries()) {
      const dir = join(root, `new${i}`)
      await restoreBackup(storePorts, { file: `${file}.${i}`, dir, vaultKey })
      const restored = await openStore(storePorts, { dir, vaultKey, reserveBytes: 0 })
      expect(restored.headSeq()).toBe(seq)
      for (const key of ['a', 'b', 'c']) {
        expect(await restored.get(bucket, utf8(key))).toEqual(u32be(seq - 1))
      }
      await restored.close()
    }
  })

  it('opens by itself when it was made with the key', async () => {
    const store = await open()
    await fill(store, 5)
    const before = await content(store)
    await store.backup({ path: file, withKey: true })
    await store.close()
    expect(await backupKey({}, file)).toEqual(await keyOf(home))
    const dir = join(root, 'new')
    await restoreBackup(storePorts, { file, dir })
    const vaultKey = await keyOf(home)
    const again = await openStore(storePorts, { dir, vaultKey, reserveBytes: 0 })
    expect(await content(again)).toEqual(before)
    await again.close()
  })

  it('says nothing without its key: no value, no key of a value, no size of one', async () => {
    const store = await open()
    await store.batch().put(bucket, utf8('a name of a key'), utf8('a text in the clear')).commit()
    await store.batch().putSecret(bucket, utf8('another name'), utf8('a secret')).commit()
    await store.backup({ path: file })
    await store.close()
    const bytes = (await readFile(file)).toString('latin1')
    for (const text of ['a name of a key', 'a text', 'another name', 'a secret']) {
      expect(bytes).not.toContain(text)
    }
    expect(bytes).not.toContain(Buffer.from(await keyOf(home)).toString('latin1'))
    const other = new Uint8Array(32).fill(9)
    await expect(
      restoreBackup(storePorts, { file, dir: join(root, 'new'), vaultKey: other }),
    ).rejects.toMatchObject({ code: 'storage-key-mismatch' })
  })

  it('never overwrites, leaves nothing behind when it fails, and names the place as the fault', async () => {
    const store = await open()
    await writeFile(file, 'mine')
    await expect(store.backup({ path: file })).rejects.toMatchObject({
      code: 'bad-value',
      details: { field: 'path' },
    })
    expect(await readFile(file, 'utf8')).toBe('mine')
    const nowhere = join(root, 'nowhere', 'x')
    await expect(store.backup({ path: nowhere })).rejects.toMatchObject({ code: 'bad-value' })
    expect((await readdir(root)).toSorted()).toEqual(['home', 'one.backup'])
    await store.close()
    const full = async (path: string): Promise<OpenFile> => ({
      ...(await systemFiles.create(path)),
      sync: async () => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      },
    })
    const create = (path: string) =>
      path.endsWith('.part') ? full(path) : systemFiles.create(path)
    const ports = { ...storePorts, files: { ...systemFiles, create } }
    const again = await openStore(ports, { dir: home, reserveBytes: 0 })
    const failed = again.backup({ path: join(root, 'two.backup') })
    await expect(failed).rejects.toMatchObject({
      code: 'storage-full',
      message: 'there is no room for the backup in this place',
      details: { field: 'path' },
    })
    expect((await readdir(root)).toSorted()).toEqual(['home', 'one.backup'])
    // The disk of the backup is not the disk of the store.
    expect(again.state()).toBe('ok')
    await again.close()
  })

  it('removes what killed ones to the same file have left, and nothing else', async () => {
    const store = await open()
    await fill(store, 3)
    await store.backup({ path: file })
    const mine = await readFile(file)
    await rm(file)
    const stranger = await open(join(root, 'stranger'))
    await stranger.backup({ path: join(root, 'strange') })
    await stranger.close()
    const leave = (name: string, bytes: Uint8Array) => writeFile(join(root, name), bytes)
    await leave('one.backup.00112233.part', mine)
    // Killed after its header.
    await leave('one.backup.89abcdef.part', mine.subarray(0, 62))
    const others = ['one.backup.0011223.part', 'one.backup.00112233.part.old', 'one.backup.part']
    others.push('two.backup.00112233.part', 'one.backup.GG112233.part')
    for (const name of others) await leave(name, mine)
    await leave('one.backup.0123abcd.part', await readFile(join(root, 'strange')))
    await leave('one.backup.4567cdef.part', mine.subarray(0, 61))
    others.push('one.backup.0123abcd.part', 'one.backup.4567cdef.part')
    await store.backup({ path: file })
    const expected = ['home', 'one.backup', 'strange', 'stranger', ...others]
    expect((await readdir(root)).toSorted()).toEqual(expected.toSorted())
    await store.close()
  })

  it('leaves alone what another one is writing to the same file; the first that is whole gets the name', async () => {
    const written = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    let parts = 0
    const create = async (path: string): Promise<OpenFile> => {
      const made = await systemFiles.create(path)
      if (!path.endsWith('.part') || ++parts > 1) return made
      const sync = async () => {
        written.resolve()
        await go.promise
        await made.sync()
      }
      return { ...made, sync }
    }
    const ports = { ...storePorts, files: { ...systemFiles, create } }
    const store = await openStore(ports, { dir: home, reserveBytes: 0 })
    await fill(store, 3)
    const slow = store.backup({ path: file }).catch((error: unknown) => error)
    await written.promise
    const quick = await store.backup({ path: file })
    const part = /^one\.backup\.[0-9a-f]{8}\.part$/
    expect((await readdir(root)).filter((name) => part.test(name))).toHaveLength(1)
    go.resolve()
    expect(await slow).toMatchObject({ code: 'bad-value', details: { field: 'path' } })
    expect((await readdir(root)).toSorted()).toEqual(['home', 'one.backup'])
    expect(sha256(await readFile(file))).toBe(quick.sha256)
    await store.close()
  })

  it('is not restored over a database, and half a restore is no home', async () => {
    const store = await open()
    await fill(store, 3)
    await store.backup({ path: file })
    await store.close()
    const vaultKey = await keyOf(home)
    await expect(restoreBackup(storePorts, { file, dir: home, vaultKey })).rejects.toMatchObject({
      code: 'bad-value',
    })
    const bytes = await readFile(file)
    const cut = join(root, 'cut.backup')
    await writeFile(cut, bytes.subarray(0, bytes.length - 1))
    const dir = join(root, 'new')
    await expect(restoreBackup(storePorts, { file: cut, dir, vaultKey })).rejects.toMatchObject({
      code: 'storage-corrupt',
    })
    await expect(openStore(storePorts, { dir, vaultKey })).rejects.toMatchObject({
      code: 'storage-corrupt',
    })
  })
})

/** A file of these bytes. */
function inMemory(bytes: Uint8Array): OpenFile {
  return {
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    write: async () => {},
    sync: async () => {},
    size: async () => bytes.length,
    close: async () => {},
  }
}

async function read(vault: Vault, bytes: Uint8Array): Promise<number> {
  const opened = inMemory(bytes)
  let count = 0
  for await (const _ of readBackup({ vault, file: opened }, await readBackupHeader(opened))) count++
  return count
}

describe('the file of a backup', () => {
  async function small(withKey: boolean): Promise<{ bytes: Uint8Array; vault: Vault }> {
    const disk = memoryDisk()
    const rng = seededRng('backup')
    const store = await openMemoryStore({ ...storePorts, rng }, { disk })
    await store.batch().put(bucket, utf8('a'), utf8('plain')).commit()
    await store.batch().putSecret(bucket, utf8('b'), utf8('secret')).commit()
    await store.backup({ path: '/small', withKey })
    await store.close()
    const opened = await disk.files.open('/small')
    const bytes = await (opened as OpenFile).read(0, 1_000_000)
    return { bytes, vault: new Vault({ rng }, disk) }
  }

  it.each([false, true])(
    'is refused with any one bit flipped (with its key inside: %s)',
    async (withKey) => {
      const { bytes, vault } = await small(withKey)
      expect(await read(vault, bytes)).toBe(4)
      expect(bytes.length).toBeLessThan(2000)
      const accepted: number[] = []
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const code = await read(vault, flipped).then(
          () => 'accepted',
          (error: { code?: string }) => error.code,
        )
        if (!['storage-corrupt', 'storage-key-mismatch', 'storage-version'].includes(code ?? '')) {
          accepted.push(bit)
        }
      }
      expect(accepted).toEqual([])
    },
  )

  it('is refused when it is cut at any length, or longer than it was', async () => {
    const { bytes, vault } = await small(false)
    for (let length = 0; length < bytes.length; length++) {
      await expect(read(vault, bytes.subarray(0, length))).rejects.toMatchObject({
        code: 'storage-corrupt',
      })
    }
    const longer = new Uint8Array(bytes.length + 1)
    longer.set(bytes)
    await expect(read(vault, longer)).rejects.toMatchObject({ code: 'storage-corrupt' })
  })

  it('is refused with chunks in another order or left out', async () => {
    const disk = memoryDisk()
    const rng = seededRng('chunks')
    const store = await openMemoryStore({ ...storePorts, rng }, { disk })
    for (let i = 0; i < 4; i++)
      await store.batch().put(bucket, u32be(i), new Uint8Array(300_000)).commit()
    const { bytes: size } = await store.backup({ path: '/big' })
    await store.close()
    const opened = (await disk.files.open('/big')) as OpenFile
    const bytes = await opened.read(0, size)
    const vault = new Vault({ rng }, disk)
    const header = await readBackupHeader(opened)
    const chunks: Uint8Array[] = []
    for (let at = header.bytes.length; at < bytes.length; ) {
      const length = 5 + new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(1)
      chunks.push(bytes.subarray(at, at + length))
      at += length
    }
    expect(chunks.length).toBeGreaterThan(3)
    const joined = (parts: readonly Uint8Array[]) =>
      new Uint8Array(Buffer.concat([header.bytes, ...parts]))
    expect(await read(vault, joined(chunks))).toBe(6)
    const [first, second, ...rest] = chunks as [Uint8Array, Uint8Array]
    for (const parts of [
      [second, first, ...rest],
      [first, ...rest],
      [first, first, second, ...rest],
      chunks.slice(0, -1),
      [...chunks, chunks.at(-1) as Uint8Array],
    ]) {
      await expect(read(vault, joined(parts))).rejects.toMatchObject({ code: 'storage-corrupt' })
    }
  })

  it('is not mistaken for something else', async () => {
    for (const content of ['', 'HSBACKUP', 'a text file', '\0'.repeat(500)]) {
      await writeFile(file, content)
      await expect(backupKey({}, file)).rejects.toMatchObject({ code: 'storage-corrupt' })
    }
    await expect(backupKey({}, join(root, 'none'))).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('a backup of a damaged store', () => {
  it('carries what there is and says how much is damaged', async () => {
    const disk = memoryDisk()
    const store = await openMemoryStore(storePorts, { disk })
    await store
      .batch()
      .put(bucket, utf8('a'), utf8('good'))
      .put(bucket, utf8('b'), utf8('bad'))
      .commit()
    await store.batch().putSecret(bucket, utf8('c'), utf8('lost')).commit()
    for await (const [key, value] of disk.engine.iterate({})) {
      if (key[0] !== bucket || key[1] === 0x61) continue
      value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
      await disk.engine.write([{ type: 'put', key, value }])
    }
    const result = await store.backup({ path: '/damaged' })
    expect(result).toMatchObject({ damaged: 2, secrets: 0 })
    await store.close()
  })
})
