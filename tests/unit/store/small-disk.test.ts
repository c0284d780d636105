import { spawnSync } from 'node:child_process'
import { open as openFile, mkdtemp, rm, statfs, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { u32be } from '../../../src/base/index.ts'
import { BUCKETS, openStore, type Store } from '../../../src/store/index.ts'
import { storePorts } from '../../support/store-contract.ts'

const MIB = 1024 * 1024
const bucket = BUCKETS.scratch
const filler = (i: number) => new Uint8Array(64 * 1024).fill(i)

let mountPoint: string
let isMounted = false

// A file system of its own that really fills up, where this process may mount one.
beforeAll(async () => {
  mountPoint = await mkdtemp(join(tmpdir(), 'hearsay-small-'))
  const options = ['-t', 'tmpfs', '-o', 'size=40m,mode=0700', 'hearsay-test', mountPoint]
  isMounted = spawnSync('mount', options).status === 0
  if (!isMounted) console.log('a small file system: not possible here, mounting needs root')
})
afterAll(async () => {
  if (isMounted) spawnSync('umount', [mountPoint])
  await rm(mountPoint, { recursive: true, force: true })
})

const open = (dir: string) => openStore(storePorts, { dir })

/** Takes all the space that is left. */
async function fillDisk(): Promise<string> {
  const path = join(mountPoint, 'filler')
  const handle = await openFile(path, 'a')
  try {
    for (const size of [MIB, 4096]) {
      for (;;) {
        const { bytesWritten } = await handle.write(new Uint8Array(size)).catch(() => ({
          bytesWritten: 0,
        }))
        if (bytesWritten < size) break
      }
    }
  } finally {
    await handle.close()
  }
  return path
}

/** Commits until one fails; resolves with the numbers that were acknowledged and the code of the failure. */
async function commitUntilFull(store: Store, from: number) {
  const acked: number[] = []
  for (let i = from; ; i++) {
    try {
      const batch = store.batch().put(bucket, u32be(i), filler(i))
      await batch.putSecret(BUCKETS.settings, u32be(i % 8), u32be(i)).commit()
      acked.push(i)
    } catch (error) {
      return { acked, code: (error as { code?: string }).code }
    }
  }
}

describe('a disk that is really full', () => {
  it('loses nothing acknowledged, heals in place once there is room, and opens again by its reserve', async () => {
    if (!isMounted) return
    const dir = join(mountPoint, 'home')
    const store = await open(dir)
    const { acked, code } = await commitUntilFull(store, 0)
    expect(code).toBe('storage-full')
    expect(acked.length).toBeGreaterThan(50)
    await expect(store.batch().put(bucket, u32be(0), filler(0)).commit()).rejects.toMatchObject({
      code: 'storage-poisoned',
    })
    const whole = async (from: Store) => {
      for (const i of acked) {
        if ((await from.get(bucket, u32be(i)))?.[0] !== (i & 0xff)) return i
      }
      return undefined
    }
    expect(await whole(store)).toBeUndefined()
    expect(await store.isWritable()).toBe(false)

    spawnSync('mount', ['-o', 'remount,size=80m', mountPoint])
    expect(await store.isWritable()).toBe(true)
    await store.heal()
    expect(await whole(store)).toBeUndefined()
    await store.batch().put(bucket, u32be(9000), filler(1)).commit()
    expect((await store.stats()).reserve).toBe(true)
    await store.close()

    const path = await fillDisk()
    expect((await statfs(mountPoint)).bavail).toBe(0)
    const again = await open(dir)
    expect((await again.stats()).reserve).toBe(false)
    expect(await whole(again)).toBeUndefined()
    await unlink(path)
    await again.close()
    const last = await open(dir)
    expect((await last.stats()).reserve).toBe(true)
    expect(await last.check()).toMatchObject({ damaged: {}, damagedTables: [] })
    await last.close()
  })
})
