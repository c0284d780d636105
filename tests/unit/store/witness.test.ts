import { execFileSync } from 'node:child_process'
import { chmod, cp, link, mkdtemp, rename, rm, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger, utf8 } from '../../../src/base/index.ts'
import {
  BUCKETS,
  type FilePort,
  memoryDisk,
  openMemoryStore,
  openStore,
  type Store,
  systemFiles,
} from '../../../src/store/index.ts'
import { MemoryEngine } from '../../../src/store/memory-engine.ts'
import { homePaths } from '../../../src/store/parts.ts'
import { Vault } from '../../../src/store/vault.ts'
import { Witness } from '../../../src/store/witness.ts'
import { storePorts } from '../../support/store-contract.ts'

let root: string
let home: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearsay-witness-'))
  home = join(root, 'home')
})
afterEach(() => rm(root, { recursive: true, force: true }))

const open = (dir = home, files: FilePort = systemFiles) =>
  openStore({ ...storePorts, files }, { dir, reserveBytes: 0 })

const commit = (store: Store, text: string) =>
  store.batch().putSecret(BUCKETS.scratch, utf8('a'), utf8(text)).commit()

/** Opens, writes and closes. Resolves with what the opening said. */
async function visit(dir = home): Promise<{ restored: boolean; epoch: string }> {
  const store = await open(dir)
  const { restored, epoch } = store
  await commit(store, 'visited')
  await store.close()
  return { restored, epoch }
}

/** Byte for byte with every time that can be kept, like a backup program. */
const copy = (from: string, to: string) => execFileSync('cp', ['-a', from, to])
/** File by file over what is there: the inodes stay. */
const overwrite = (from: string, to: string) => execFileSync('cp', ['-a', `${from}/.`, to])

describe('a home that was not copied', () => {
  it('knows itself over openings, crashes and moves', async () => {
    const { epoch, restored } = await visit()
    expect(restored).toBe(false)
    for (let i = 0; i < 3; i++) expect(await visit()).toEqual({ restored: false, epoch })
    await rename(home, join(root, 'moved'))
    expect(await visit(join(root, 'moved'))).toEqual({ restored: false, epoch })
    await rename(join(root, 'moved'), home)
    // A crash: no mark of a clean close.
    await rm(join(home, 'clean'))
    expect(await visit()).toEqual({ restored: false, epoch })
    // What start scripts of containers and backup programs do to every file.
    for (const name of ['secrets.shelf', 'watermark', 'witness', 'clean']) {
      await utimes(join(home, name), 1, 1)
      await chmod(join(home, name), 0o600)
      await link(join(home, name), join(root, name))
    }
    expect(await visit()).toEqual({ restored: false, epoch })
  })

  it('knows itself after a stop at any step of the renewal', async () => {
    const { epoch } = await visit()
    for (const step of ['create', 'rename', 'syncDirectory'] as const) {
      const stopped = async () => {
        throw new Error('the machine has stopped')
      }
      const files = { ...systemFiles, [step]: stopped }
      // A directory that cannot be synced is no home to write to; the others are.
      const store = await open(home, files).catch(() => undefined)
      expect(store?.restored).toBe(step === 'syncDirectory' ? undefined : false)
      await store?.close()
      expect(await visit()).toEqual({ restored: false, epoch })
    }
  })

  it('knows itself after a stop between the making of the home and that of its witness', async () => {
    const rename = async () => {
      throw new Error('the machine has stopped')
    }
    await (await open(home, { ...systemFiles, rename })).close()
    expect((await visit()).restored).toBe(false)
  })
})

describe('the renewal of the witness', () => {
  it('fails when the database takes no write: nothing may be written behind one that failed', async () => {
    await visit()
    const paths = homePaths(home)
    const engine = new MemoryEngine()
    const vault = new Vault(storePorts, { vaultKey: new Uint8Array(32) })
    const witness = new Witness({ ...storePorts, engine, vault, files: systemFiles }, paths)
    const before = await systemFiles.identity(paths.witness)
    engine.write = async () => {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    }
    await expect(witness.renew()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await systemFiles.identity(paths.witness)).toEqual(before)
    expect((await visit()).restored).toBe(false)
  })
})

describe('the renewal while the store is in use', () => {
  it('goes between the commits, any number of times, and the home knows itself', async () => {
    await visit()
    const store = await open()
    const { epoch } = store
    const inodes = new Set<number>()
    for (let i = 0; i < 3; i++) {
      await Promise.all([commit(store, 'a'), store.renewWitness(), commit(store, 'b')])
      inodes.add((await stat(join(home, 'witness'))).ino)
    }
    expect(inodes.size).toBeGreaterThan(1)
    await store.close()
    await expect(store.renewWitness()).rejects.toMatchObject({ code: 'not-running' })
    expect(await visit()).toEqual({ restored: false, epoch })
  })

  it('poisons the store when the database does not take it: nothing is written behind a failed write', async () => {
    const disk = memoryDisk()
    const { engine, files } = disk
    files.identity = async () => ({ inode: 1n, birthNs: 1n })
    const store = await openMemoryStore(storePorts, { disk })
    const write = engine.write.bind(engine)
    engine.write = async () => {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    }
    await expect(store.renewWitness()).rejects.toMatchObject({ code: 'storage-full' })
    expect(store.state()).toBe('poisoned')
    for (const behind of [commit(store, 'behind it'), store.renewWitness()]) {
      await expect(behind).rejects.toMatchObject({ code: 'storage-poisoned' })
    }
    engine.write = write
    await store.heal()
    await store.renewWitness()
    await commit(store, 'after it')
    await store.close()
  })

  it('leaves the old mark where no file can be made', async () => {
    await visit()
    const create = async () => {
      throw new Error('no space')
    }
    const files = { ...systemFiles }
    const store = await open(home, files)
    Object.assign(files, { create })
    await store.renewWitness()
    expect(store.state()).toBe('ok')
    await store.close()
    expect((await visit()).restored).toBe(false)
  })
})

describe('a home that was copied', () => {
  it('is recognised once, begins a new epoch, and then knows itself', async () => {
    const before = await visit()
    copy(home, join(root, 'copy'))
    const first = await visit(join(root, 'copy'))
    expect(first.restored).toBe(true)
    expect(first.epoch).not.toBe(before.epoch)
    expect(await visit(join(root, 'copy'))).toEqual({ restored: false, epoch: first.epoch })
    // The original has not noticed.
    expect(await visit()).toEqual({ restored: false, epoch: before.epoch })
  })

  it('is recognised in the place of the original, also when that is gone', async () => {
    await visit()
    copy(home, join(root, 'copy'))
    await visit()
    await rm(home, { recursive: true })
    await rename(join(root, 'copy'), home)
    expect((await visit()).restored).toBe(true)
  })

  it('is recognised when it was written over the original, file by file', async () => {
    await visit()
    copy(home, join(root, 'copy'))
    await visit()
    const { ino } = await stat(join(home, 'secrets.shelf'))
    await rm(join(home, 'db'), { recursive: true })
    overwrite(join(root, 'copy'), home)
    expect((await stat(join(home, 'secrets.shelf'))).ino).toBe(ino)
    expect((await visit()).restored).toBe(true)
  })

  it('is recognised when it was written over the original that had crashed since', async () => {
    await visit()
    copy(home, join(root, 'copy'))
    await rm(join(root, 'copy', 'clean'))
    await visit()
    await rm(join(home, 'clean'))
    await rm(join(home, 'db'), { recursive: true })
    overwrite(join(root, 'copy'), home)
    expect((await visit()).restored).toBe(true)
  })

  it('is recognised when it was taken in use and written over the home that was closed since', async () => {
    await visit()
    const store = await open()
    await commit(store, 'before the copy')
    copy(home, join(root, 'copy'))
    await commit(store, 'after the copy')
    await store.close()
    await rm(join(home, 'db'), { recursive: true })
    overwrite(join(root, 'copy'), home)
    expect((await visit()).restored).toBe(true)
    expect((await visit()).restored).toBe(false)
  })

  it('is recognised when it was taken in use and written over the home that crashed, minutes later', async () => {
    await visit()
    const store = await open()
    await commit(store, 'before the copy')
    copy(home, join(root, 'copy'))
    const { ino } = await stat(join(home, 'secrets.shelf'))
    await store.renewWitness()
    await commit(store, 'after the copy')
    // As after a kill: no mark of a clean close.
    await store.close()
    await rm(join(home, 'clean'))
    await rm(join(home, 'db'), { recursive: true })
    overwrite(join(root, 'copy'), home)
    expect((await stat(join(home, 'secrets.shelf'))).ino).toBe(ino)
    expect((await visit()).restored).toBe(true)
    expect((await visit()).restored).toBe(false)
  })

  it('is recognised without the file that names it', async () => {
    await visit()
    await visit()
    copy(home, join(root, 'copy'))
    await rm(join(root, 'copy', 'witness'))
    await visit()
    expect((await visit(join(root, 'copy'))).restored).toBe(true)
  })

  it('keeps everything that it holds, and is refused when its database is older than its files', async () => {
    await visit()
    await cp(home, join(root, 'old'), { recursive: true })
    await visit()
    await visit()
    copy(home, join(root, 'mixed'))
    await rm(join(root, 'mixed', 'db'), { recursive: true })
    copy(join(root, 'old', 'db'), join(root, 'mixed', 'db'))
    await expect(open(join(root, 'mixed'))).rejects.toMatchObject({ code: 'storage-corrupt' })
  })

  it('is not recognised where the file system does not tell, and the log says so', async () => {
    const identity = async (path: string) => {
      const found = await systemFiles.identity(path)
      return found && { ...found, birthNs: 0n }
    }
    const said: string[] = []
    const log = { ...silentLogger, info: (text: string) => void said.push(text) }
    const files = { ...systemFiles, identity }
    const openThere = (dir: string) =>
      openStore({ ...storePorts, log, files }, { dir, reserveBytes: 0 })
    await (await openThere(home)).close()
    copy(home, join(root, 'copy'))
    const store = await openThere(join(root, 'copy'))
    expect(store.restored).toBe(false)
    await store.close()
    expect(said).toContain('this file system does not tell a home from its copy')
  })
})
