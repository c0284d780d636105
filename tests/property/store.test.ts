import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isHearsayError, u64be, utf8 } from '../../src/base/index.ts'
import { BUCKETS, memoryDisk, openMemoryStore, type Store } from '../../src/store/index.ts'
import { decodeRecord, encodeRecord } from '../../src/store/event-record.ts'
import { decodeHead, encodeHead } from '../../src/store/head.ts'
import { isIntactTable } from '../../src/store/level-table.ts'
import { decodeHalf, encodeHalf } from '../../src/store/shelf-slot.ts'
import { Vault } from '../../src/store/vault.ts'
import { storePorts } from '../support/store-contract.ts'

const bucket = BUCKETS.scratch
const vault = new Vault(storePorts, { vaultKey: new Uint8Array(32) })
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const change = fc.record({
  kind: fc.constantFrom('put', 'secret', 'del', 'event'),
  key: fc.integer({ min: 0, max: 5 }),
  value: fc.uint8Array({ maxLength: 40 }),
})
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ batches: fc.array(fc.array(change), { maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.constant('reopen' as const) },
  { weight: 1, arbitrary: fc.constant('trim' as const) },
)

async function contents(store: Store): Promise<[number, string][]> {
  const found: [number, string][] = []
  for await (const [key, value] of store.iterate(bucket)) {
    found.push([key[7] ?? -1, Buffer.from(value).toString('hex')])
  }
  return found
}

describe('the store, as a property', () => {
  it('equals a map and a list after any sequence of batches, trims and reopenings', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const disk = memoryDisk()
        let store = await openMemoryStore(storePorts, { disk })
        const model = new Map<number, string>()
        const secrets = new Set<number>()
        let events = 0
        for (const one of steps) {
          if (one === 'reopen') {
            await store.close()
            store = await openMemoryStore(storePorts, { disk })
          } else if (one === 'trim') {
            await store.journal.trim(store.headSeq() - 2)
          } else {
            const commits = one.batches.map((changes) => {
              const batch = store.batch()
              for (const { kind, key, value } of changes) {
                if (kind === 'event') {
                  batch.append({ type: 'a.b', data: {} })
                  events++
                  continue
                }
                if (kind === 'del') batch.del(bucket, u64be(key))
                else if (kind === 'put') batch.put(bucket, u64be(key), value)
                else batch.putSecret(bucket, u64be(key), value)
                if (kind === 'del') model.delete(key)
                else model.set(key, Buffer.from(value).toString('hex'))
                if (kind === 'secret') secrets.add(key)
                else secrets.delete(key)
              }
              return batch.commit()
            })
            await Promise.all(commits)
          }
          expect(await contents(store)).toEqual([...model].sort(([a], [b]) => a - b))
          expect(store.headSeq()).toBe(events)
          expect((await store.stats()).secrets).toBe(secrets.size)
        }
        const check = await store.check()
        expect(check).toMatchObject({ damaged: {}, journalBrokenAt: undefined })
        await store.close()
      }),
      { numRuns: 40 },
    )
  })
})

function orRefused<T>(action: () => T): T | 'refused' {
  try {
    return action()
  } catch (error) {
    if (!isHearsayError(error)) throw error
    return 'refused'
  }
}

describe('the codecs of the store, as properties', () => {
  it('decode what they encode, and no journal entry in two ways', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, redacted) => {
        const record = {
          prev: new Uint8Array(32).fill(1),
          commitment: new Uint8Array(32).fill(2),
          id: new Uint8Array(16).fill(3),
          time: 4,
          type: 'message.received',
          body: redacted ? undefined : { salt: new Uint8Array(16), json: utf8('{}') },
        }
        const encoded = encodeRecord(record)
        expect(decodeRecord(1, encoded)).toEqual(record)
        for (const [index, byte] of noise.entries()) encoded[index % encoded.length] = byte
        expect([encoded, 'refused']).toContainEqual(
          orRefused(() => encodeRecord(decodeRecord(1, encoded))),
        )
      }),
    )
  })

  it('take no changed half of a slot, and no half of another place', () => {
    fc.assert(
      fc.property(
        bytes(8),
        bytes(32),
        fc.nat(511),
        fc.constantFrom<0 | 1>(0, 1),
        (generation, key, bit, half) => {
          const encoded = encodeHalf(vault, 7, half, { generation, key })
          expect(decodeHalf(vault, 7, half, encoded)).toEqual({ generation, key })
          expect(decodeHalf(vault, 8, half, encoded)).toBe('torn')
          expect(decodeHalf(vault, 7, half === 0 ? 1 : 0, encoded)).toBe('torn')
          expect(decodeHalf(vault, 7, half, encoded.subarray(1))).toBe('torn')
          encoded[bit >> 3] = (encoded[bit >> 3] ?? 0) ^ (1 << (bit & 7))
          expect(decodeHalf(vault, 7, half, encoded)).toBe('torn')
        },
      ),
    )
  })

  it('open no value under another key, bucket or kind, and none that is changed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(), (value, flip) => {
        const key = utf8('\u0010key')
        const slotKey = vault.freshSlotKey()
        const generation = vault.freshGeneration()
        const corrupt = expect.objectContaining({ code: 'storage-corrupt' }) as Error
        for (const envelope of [
          vault.seal(key, value),
          vault.sealSecret(key, value, 3, generation, slotKey),
        ]) {
          const find = () => slotKey
          expect(vault.open(key, envelope, find)).toEqual(value)
          expect(() => vault.open(utf8('\u0011key'), envelope, find)).toThrow(corrupt)
          expect(() => vault.open(key, envelope.subarray(1), find)).toThrow(corrupt)
          expect(() => vault.open(key, envelope.subarray(0, -1), find)).toThrow(corrupt)
          const at = flip % envelope.length
          envelope[at] = (envelope[at] ?? 0) ^ (1 << (flip & 7))
          expect(() => vault.open(key, envelope, find)).toThrow(corrupt)
        }
      }),
    )
  })

  it('refuse heads that contradict themselves, and any noise as a table', () => {
    fc.assert(
      fc.property(bytes(64), fc.uint8Array({ maxLength: 300 }), (head, table) => {
        expect(isIntactTable(table)).toBe(false)
        expect([head, 'refused']).toContainEqual(orRefused(() => encodeHead(decodeHead(head))))
      }),
    )
  })
})
