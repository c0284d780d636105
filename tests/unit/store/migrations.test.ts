import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../src/base/index.ts'
import { BUCKETS, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { SCHEMA_VERSION } from '../../../src/store/constants.ts'
import type { Migration, Schema } from '../../../src/store/migrations.ts'
import { physicalKey, physicalRange } from '../../../src/store/physical-key.ts'
import { CrashDisk } from '../../support/crash-disk.ts'
import { storePorts } from '../../support/store-contract.ts'

const bucket = BUCKETS.scratch
const COUNT = 7

/** Each value gets a suffix, two at a time; a value that has it is left alone, so that a repetition is harmless. */
function suffix(from: number): Migration {
  const mark = ` v${from + 1}`
  return {
    from,
    async run(engine, vault) {
      const operations: { type: 'put'; key: Uint8Array; value: Uint8Array }[] = []
      for await (const [key, envelope] of engine.iterate(physicalRange(bucket))) {
        const text = Buffer.from(vault.open(key, envelope)).toString()
        if (text.endsWith(mark)) continue
        operations.push({ type: 'put', key, value: vault.seal(key, utf8(text + mark)) })
      }
      for (let at = 0; at < operations.length; at += 2) {
        await engine.write(operations.slice(at, at + 2))
      }
    },
  }
}

const schema = (version: number): Schema => ({
  version,
  migrations: Array.from({ length: version - 1 }, (_, i) => suffix(i + 1)),
})

async function values(store: Store): Promise<string[]> {
  const found: string[] = []
  for await (const [, value] of store.iterate(bucket)) found.push(Buffer.from(value).toString())
  return found
}

async function oldStore(): Promise<CrashDisk> {
  const machine = new CrashDisk()
  const store = await openMemoryStore(storePorts, { disk: machine.disk, schema: schema(1) })
  const batch = store.batch().append({ type: 'test.step', data: {} })
  for (let i = 0; i < COUNT; i++) batch.put(bucket, Uint8Array.of(i), utf8(`value ${i}`))
  await batch.putSecret(BUCKETS.settings, utf8('s'), utf8('secret')).commit()
  await store.close()
  return machine
}

const expected = (text: string) => Array.from({ length: COUNT }, (_, i) => `value ${i}${text}`)

describe('the migration of an older store', () => {
  it('ends in the same state after a stop at any step, and a second one while it goes on', async () => {
    const whole = await oldStore()
    whole.stopAfter(Number.POSITIVE_INFINITY)
    await (await openMemoryStore(storePorts, { disk: whole.disk, schema: schema(3) })).close()
    const { steps } = whole
    expect(steps).toBeGreaterThan(20)
    for (let stop = 0; stop < steps; stop++) {
      const machine = await oldStore()
      machine.stopAfter(stop)
      const open = () => openMemoryStore(storePorts, { disk: machine.disk, schema: schema(3) })
      const first = await open().then(
        (store) => store.close().then(() => true),
        () => false,
      )
      machine.restart('mixed')
      machine.stopAfter(stop >> 1)
      const second = await open().then(
        (store) => store.close().then(() => true),
        () => false,
      )
      machine.restart('kept')
      const store = await open()
      expect({ stop, first, second, values: await values(store) }).toEqual({
        stop,
        first,
        second,
        values: expected(' v2 v3'),
      })
      expect(await store.get(BUCKETS.settings, utf8('s'))).toEqual(utf8('secret'))
      await store.batch().append({ type: 'test.after', data: {} }).commit()
      expect(store.headSeq()).toBe(2)
      expect(await store.check()).toMatchObject({ damaged: {}, journalBrokenAt: undefined })
      await store.close()
    }
  })

  it('goes step by step, from whatever version is found, and never twice', async () => {
    const machine = await oldStore()
    for (const [version, text] of [
      [2, ' v2'],
      [2, ' v2'],
      [4, ' v2 v3 v4'],
    ] as const) {
      const options = { disk: machine.disk, schema: schema(version) }
      const store = await openMemoryStore(storePorts, options)
      expect(await values(store)).toEqual(expected(text))
      await store.close()
    }
  })

  it('is refused backwards, and without a way, with nothing changed', async () => {
    const machine = await oldStore()
    const options = { disk: machine.disk, schema: schema(3) }
    await (await openMemoryStore(storePorts, options)).close()
    await expect(
      openMemoryStore(storePorts, { disk: machine.disk, schema: schema(2) }),
    ).rejects.toMatchObject({ code: 'storage-version', details: { found: 3, supported: 2 } })
    const gap = { version: 5, migrations: [suffix(4)] }
    await expect(
      openMemoryStore(storePorts, { disk: machine.disk, schema: gap }),
    ).rejects.toMatchObject({ code: 'storage-corrupt' })
    const store = await openMemoryStore(storePorts, options)
    expect(await values(store)).toEqual(expected(' v2 v3'))
    await store.close()
  })

  it('to the present one keeps everything, and an older program refuses the result', async () => {
    const machine = await oldStore()
    const store = await openMemoryStore(storePorts, { disk: machine.disk })
    expect(await values(store)).toEqual(expected(''))
    await store.close()
    await expect(
      openMemoryStore(storePorts, { disk: machine.disk, schema: schema(1) }),
    ).rejects.toMatchObject({
      code: 'storage-version',
      details: { found: SCHEMA_VERSION, supported: 1 },
    })
  })

  it('keeps the version of a step that failed, with its error', async () => {
    const machine = await oldStore()
    const broken: Migration = {
      from: 2,
      async run(engine) {
        await engine.write([
          { type: 'put', key: physicalKey(bucket, utf8('half')), value: new Uint8Array(1) },
        ])
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      },
    }
    const half = { version: 3, migrations: [suffix(1), broken] }
    await expect(openMemoryStore(storePorts, { disk: machine.disk, schema: half })).rejects.toThrow(
      'no space',
    )
    await machine.disk.engine.write([{ type: 'del', key: physicalKey(bucket, utf8('half')) }])
    const store = await openMemoryStore(storePorts, { disk: machine.disk, schema: schema(2) })
    expect(await values(store)).toEqual(expected(' v2'))
    await store.close()
  })
})
