import { cp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromHex, type Rng, systemRng, utf8 } from '../../../src/base/index.ts'
import { BUCKETS, type Store } from '../../../src/store/index.ts'
import { physicalKey } from '../../../src/store/physical-key.ts'
import { SHELF_HALF_BYTES } from '../../../src/store/constants.ts'
import { Vault } from '../../../src/store/vault.ts'
import { storePorts } from '../../support/store-contract.ts'
import { levelHome } from '../../support/store-homes.ts'

const bucket = BUCKETS.scratch

async function bytesOf(dir: string): Promise<Buffer> {
  const names = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  )
  const files = names.map((entry) => readFile(join(entry.parentPath, entry.name)))
  return Buffer.concat(await Promise.all(files))
}

describe('a byte copy of the home', () => {
  const nonces: Buffer[] = []
  const rng: Rng = {
    bytes: (length) => {
      const bytes = systemRng.bytes(length)
      if (length === 24) nonces.push(Buffer.from(bytes))
      return bytes
    },
  }
  let home: Awaited<ReturnType<typeof levelHome>>
  let store: Store
  beforeEach(async () => {
    nonces.length = 0
    home = await levelHome({ ...storePorts, rng })
    store = await home.open()
  })
  afterEach(async () => {
    await store.close()
    await home.remove()
  })

  /** All envelopes of 12-byte secrets of `key` in the copy that any key of the copy opens. */
  async function steal(key: Uint8Array): Promise<{ found: number; opened: string[] }> {
    const copy = `${home.dir}-copy`
    await cp(home.dir, copy, { recursive: true })
    const stolen = await levelHomeFiles(copy)
    await rm(copy, { recursive: true })
    const vault = new Vault({ rng: systemRng }, { vaultKey: stolen.vaultKey })
    const opened = new Set<string>()
    let found = 0
    for (const nonce of nonces) {
      const at = stolen.bytes.indexOf(nonce)
      // 2 | slot 0 | generation 8 | nonce
      if (at < 13 || stolen.bytes.readUIntBE(at - 13, 5) !== 2 * 2 ** 32) continue
      found++
      const envelope = stolen.bytes.subarray(at - 13, at + 24 + 12 + 16)
      for (const slotKey of stolen.slotKeys) {
        try {
          const value = vault.open(physicalKey(bucket, key), envelope, () => slotKey)
          opened.add(Buffer.from(value).toString())
        } catch {
          // The wrong key.
        }
      }
    }
    return { found, opened: [...opened] }
  }

  async function levelHomeFiles(dir: string) {
    const shelf = await readFile(join(dir, 'secrets.shelf'))
    const text = (await readFile(join(dir, 'vault.key'), 'utf8')).trim()
    const slotKeys: Uint8Array[] = []
    for (let at = 0; at + SHELF_HALF_BYTES <= shelf.length; at += SHELF_HALF_BYTES) {
      slotKeys.push(shelf.subarray(at + 8, at + 40))
    }
    return { bytes: await bytesOf(join(dir, 'db')), vaultKey: fromHex(text), slotKeys }
  }

  it('opens only the present value of a secret though the database still holds the old ones', async () => {
    const key = utf8('chain')
    for (let i = 0; i < 5; i++) {
      await store
        .batch()
        .putSecret(bucket, key, utf8(`chain key ${i}!`))
        .commit()
      const { found, opened } = await steal(key)
      expect(found).toBe(i + 1)
      expect(opened).toEqual([`chain key ${i}!`])
    }
    await store.batch().delSecret(bucket, key).commit()
    expect(await steal(key)).toEqual({ found: 5, opened: [] })
  })

  it('opens nothing of a secret that gave way to a plain value', async () => {
    const key = utf8('chain')
    await store.batch().putSecret(bucket, key, utf8('chain key a!')).commit()
    await store.batch().put(bucket, key, utf8('plain')).commit()
    expect(await steal(key)).toEqual({ found: 1, opened: [] })
  })

  it('holds neither values, event data, consumer names nor the vault key in the clear', async () => {
    await store
      .batch()
      .put(bucket, utf8('k'), utf8('marker-of-a-value'))
      .putSecret(bucket, utf8('s'), utf8('marker-of-a-secret'))
      .append({ type: 'marker.type', data: { text: 'marker-of-data' } })
      .commit()
    await store.consumers.create('marker-of-a-consumer', { from: 'start' })
    const vaultKey = (await readFile(join(home.dir, 'vault.key'), 'utf8')).trim()
    const rest = Buffer.concat([
      await bytesOf(join(home.dir, 'db')),
      await readFile(join(home.dir, 'secrets.shelf')),
      await readFile(join(home.dir, 'watermark')),
    ])
    expect(rest.includes('marker')).toBe(false)
    expect(rest.includes(Buffer.from(vaultKey, 'hex'))).toBe(false)
  })

  it('has lost overwritten, deleted, redacted and trimmed values after a compaction', async () => {
    const nonceOf = async (write: () => Promise<unknown>) => {
      nonces.length = 0
      await write()
      return nonces[0] as Buffer
    }
    const put = (key: string, value: string) =>
      nonceOf(() => store.batch().put(bucket, utf8(key), utf8(value)).commit())
    const append = () =>
      nonceOf(() =>
        store
          .batch()
          .append({ type: 'a.b', data: { text: 'x' } })
          .commit(),
      )
    const gone = [
      await put('overwritten', 'old'),
      await put('deleted', 'old'),
      await append(),
      await append(),
    ]
    await store.compact()
    const kept = [await put('overwritten', 'new'), await append()]
    await store.batch().del(bucket, utf8('deleted')).redact(2).commit()
    await store.journal.trim(2)
    const before = await bytesOf(join(home.dir, 'db'))
    for (const nonce of gone) expect(before.includes(nonce)).toBe(true)
    await store.compact()
    const after = await bytesOf(join(home.dir, 'db'))
    for (const nonce of gone) expect(after.includes(nonce)).toBe(false)
    for (const nonce of kept) expect(after.includes(nonce)).toBe(true)
    const { events } = await store.journal.events(1, 10)
    expect(events.map(({ seq, data, redacted }) => [seq, data, redacted])).toEqual([
      [2, {}, true],
      [3, { text: 'x' }, undefined],
    ])
  })

  it('loses all versions of one value that were written between two compactions', async () => {
    for (let round = 0; round < 3; round++) {
      nonces.length = 0
      for (let i = 0; i < 20; i++) {
        await store
          .batch()
          .put(bucket, utf8('key'), utf8(`version ${i}`))
          .commit()
      }
      const values = nonces.filter((_, i) => i % 2 === 0)
      await store.compact()
      const bytes = await bytesOf(join(home.dir, 'db'))
      expect(values.map((nonce) => bytes.includes(nonce))).toEqual([
        ...Array.from({ length: 19 }, () => false),
        true,
      ])
    }
  })
})
