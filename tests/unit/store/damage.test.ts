import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isHearsayError, u64be, utf8 } from '../../../src/base/index.ts'
import {
  BUCKETS,
  memoryDisk,
  openMemoryStore,
  openStore,
  type Store,
} from '../../../src/store/index.ts'
import { damage as damageRows } from '../../support/copied-disk.ts'
import { storePorts } from '../../support/store-contract.ts'

const bucket = BUCKETS.scratch
const KEYS = 40
const EVENTS = 20
const valueOf = (key: number, version: number) => utf8(`value ${key} in version ${version}`)

/** Version 1 of everything lies in a table, version 2 of the odd keys in the log, secrets in both. */
async function fill(store: Store) {
  for (let i = 0; i < KEYS; i++) {
    const batch = store.batch().put(bucket, u64be(i), valueOf(i, 1))
    if (i < EVENTS / 2) batch.append({ type: 'test.event', data: { i } })
    await batch.commit()
  }
  await store.batch().putSecret(bucket, utf8('secret'), utf8('secret 1')).commit()
  await store.compact()
  for (let i = 1; i < KEYS; i += 2) {
    const batch = store.batch().put(bucket, u64be(i), valueOf(i, 2))
    if (i < EVENTS) batch.append({ type: 'test.event', data: { i } })
    await batch.commit()
  }
  await store.batch().putSecret(bucket, utf8('secret'), utf8('secret 2')).commit()
}

describe('a damaged home', () => {
  let root: string
  let files: string[]
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'hearsay-damage-'))
    const dir = join(root, 'whole')
    const store = await openStore(storePorts, { dir, reserveBytes: 0 })
    await fill(store)
    await store.close()
    const names = (await readdir(dir, { withFileTypes: true, recursive: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    files = names.filter((name) => !/LOCK|LOG|vault|clean/.test(name))
  })
  afterAll(() => rm(root, { recursive: true, force: true }))

  async function damaged(change: (dir: string) => Promise<void>) {
    const dir = await mkdtemp(join(root, 'case-'))
    await cp(join(root, 'whole'), dir, { recursive: true })
    await change(dir)
    return dir
  }

  /** What reading everything gives: the number of values that are missing, damaged, or wrong. */
  async function inspect(dir: string) {
    const outcome = { refused: '', missing: 0, damaged: 0, wrong: 0 }
    const attempt = async (action: () => Promise<void>) => {
      try {
        await action()
      } catch (error) {
        if (!isHearsayError(error, 'storage-corrupt')) throw error
        outcome.damaged++
      }
    }
    let store: Store
    try {
      store = await openStore(storePorts, { dir, reserveBytes: 0 })
    } catch (error) {
      if (!isHearsayError(error)) throw error
      outcome.refused = error.code
      return outcome
    }
    const compare = (found: Uint8Array | undefined, expected: Uint8Array) => {
      if (found === undefined) outcome.missing++
      else if (Buffer.compare(found, expected) !== 0) outcome.wrong++
    }
    for (let i = 0; i < KEYS; i++) {
      await attempt(async () =>
        compare(await store.get(bucket, u64be(i)), valueOf(i, i % 2 === 0 ? 1 : 2)),
      )
    }
    await attempt(async () => compare(await store.get(bucket, utf8('secret')), utf8('secret 2')))
    await attempt(async () => {
      const { events } = await store.journal.events(0, EVENTS)
      if (events.length !== EVENTS) outcome.wrong++
    })
    await store.close()
    return outcome
  }

  it('is read without a fault when nothing is damaged', async () => {
    const dir = await damaged(async () => {})
    expect(files.map((name) => name.replace(/\d+/, '*')).sort()).toEqual([
      'db/*.ldb',
      'db/*.log',
      'db/CURRENT',
      'db/MANIFEST-*',
      'secrets.shelf',
      'watermark',
      'witness',
    ])
    expect(await inspect(dir)).toEqual({ refused: '', missing: 0, damaged: 0, wrong: 0 })
  })

  it('never answers with a wrong or an older value after one flipped bit, in any file', async () => {
    const refused: Record<string, number> = {}
    for (const name of files) {
      const kind = name.replace(/.*\.|.*\/|-\d+/g, '')
      const size = (await readFile(join(root, 'whole', name))).length
      const trials = kind === 'ldb' || kind === 'log' ? 12 : 4
      for (let trial = 0; trial < trials; trial++) {
        const at = Math.floor((size * (trial + 0.5)) / trials)
        const dir = await damaged(async (copy) => {
          const bytes = await readFile(join(copy, name))
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (trial % 8))
          await writeFile(join(copy, name), bytes)
          // As after a crash: else LevelDB reads on unawares, or aborts this very process.
          await rm(join(copy, 'clean'))
        })
        const outcome = await inspect(dir)
        await rm(dir, { recursive: true })
        const where = `${name}, byte ${at} of ${size}`
        expect({ where, ...outcome }).toMatchObject({ where, wrong: 0, missing: 0 })
        if (outcome.refused !== '') refused[kind] = (refused[kind] ?? 0) + 1
      }
    }
    expect(refused).toMatchObject({ log: 12, ldb: 12, MANIFEST: 4, CURRENT: 4 })
  })

  it.each(['db/CURRENT', 'table'])(
    'is called damaged where LevelDB blames the disk: %s',
    async (what) => {
      const name = what === 'table' ? (files.find((each) => each.endsWith('.ldb')) ?? '') : what
      for (const wasStopped of [true, false]) {
        const dir = await damaged(async (copy) => {
          const bytes = await readFile(join(copy, name))
          // Another name of the manifest, or a table without its end.
          bytes[2] = (bytes[2] ?? 0) ^ 4
          await writeFile(
            join(copy, name),
            what === 'table' ? bytes.subarray(0, bytes.length >> 1) : bytes,
          )
          if (!wasStopped) await rm(join(copy, 'clean'))
        })
        const { refused, damaged: parts } = await inspect(dir)
        expect(refused === 'storage-corrupt' || (refused === '' && parts > 0)).toBe(true)
        await rm(dir, { recursive: true })
      }
    },
  )

  it('is refused when the log is cut short, and opens as a restored one in a new epoch', async () => {
    const log = files.find((name) => name.endsWith('.log')) ?? ''
    const size = (await readFile(join(root, 'whole', log))).length
    for (const left of [0, size >> 2, size >> 1, size - 1]) {
      const dir = await damaged((copy) => truncate(join(copy, log), left))
      expect((await inspect(dir)).refused, `${left} of ${size} bytes`).toBe('storage-corrupt')
      const options = { dir, reserveBytes: 0 }
      const store = await openStore(storePorts, { ...options, restored: true })
      await store.batch().put(bucket, utf8('new'), utf8('new')).commit()
      await store.close()
      const again = await openStore(storePorts, options)
      expect(again.epoch).toBe(store.epoch)
      await again.close()
    }
  })

  it('is refused without its shelf, without its database, and with an older database', async () => {
    const cases: ((dir: string) => Promise<void>)[] = [
      (dir) => rm(join(dir, 'secrets.shelf')),
      (dir) => truncate(join(dir, 'secrets.shelf'), 10),
      (dir) => rm(join(dir, 'db'), { recursive: true }),
    ]
    for (const change of cases) {
      const dir = await damaged(change)
      expect((await inspect(dir)).refused).toBe('storage-corrupt')
    }
    const dir = await damaged(async () => {})
    const store = await openStore(storePorts, { dir, reserveBytes: 0 })
    await store.batch().put(bucket, utf8('more'), utf8('more')).commit()
    await store.close()
    await rm(join(dir, 'db'), { recursive: true })
    await cp(join(root, 'whole', 'db'), join(dir, 'db'), { recursive: true })
    expect((await inspect(dir)).refused).toBe('storage-corrupt')
  })

  it('is read past damaged values by whoever asks for that, each of which is counted once', async () => {
    const disk = memoryDisk()
    const first = await openMemoryStore(storePorts, { disk })
    for (let i = 0; i < 4; i++) await first.batch().put(bucket, u64be(i), valueOf(i, 1)).commit()
    await first.batch().putSecret(bucket, u64be(4), utf8('secret')).commit()
    await first.close()
    await damageRows(disk, bucket, (key) => [1, 4].includes(key[7] ?? 0))
    const store = await openMemoryStore(storePorts, { disk })
    for (let round = 0; round < 2; round++) {
      const found: (string | undefined)[] = []
      for await (const [key, value] of store.entries(bucket, { gt: u64be(0) })) {
        found.push(value && Buffer.from(value).toString())
        expect(key).toHaveLength(8)
      }
      const whole = (i: number) => `value ${i} in version 1`
      expect(found).toEqual([undefined, whole(2), whole(3), undefined])
      expect((await store.space()).damagedValues).toBe(2)
    }
    await store.close()
  })

  it('never puts two secrets into one slot when the shelf was cut short', async () => {
    const dir = await damaged((copy) => truncate(join(copy, 'secrets.shelf'), 128))
    const store = await openStore(storePorts, { dir, reserveBytes: 0 })
    expect((await store.stats()).damagedSecrets).toBe(1)
    await store.batch().putSecret(bucket, utf8('other'), utf8('other')).commit()
    await store.batch().putSecret(bucket, utf8('secret'), utf8('new')).commit()
    expect(await store.get(bucket, utf8('other'))).toEqual(utf8('other'))
    expect(await store.get(bucket, utf8('secret'))).toEqual(utf8('new'))
    await store.close()
    const again = await openStore(storePorts, { dir, reserveBytes: 0 })
    expect(await again.get(bucket, utf8('other'))).toEqual(utf8('other'))
    expect(await again.get(bucket, utf8('secret'))).toEqual(utf8('new'))
    expect((await again.stats()).damagedSecrets).toBe(0)
    await again.close()
  })

  it('reports lost keys of secrets and takes new values for them', async () => {
    const dir = await damaged(async (copy) => {
      const path = join(copy, 'secrets.shelf')
      const bytes = await readFile(path)
      await writeFile(path, bytes.fill(0, 128))
    })
    const store = await openStore(storePorts, { dir, reserveBytes: 0 })
    expect((await store.stats()).damagedSecrets).toBe(1)
    await expect(store.get(bucket, utf8('secret'))).rejects.toMatchObject({
      code: 'storage-corrupt',
    })
    expect(await store.check()).toMatchObject({
      damaged: { scratch: 1 },
      journalBrokenAt: undefined,
    })
    await store.batch().putSecret(bucket, utf8('secret'), utf8('new')).commit()
    expect(await store.get(bucket, utf8('secret'))).toEqual(utf8('new'))
    await store.close()
  })
})
