import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  concat,
  readU64be,
  silentLogger,
  systemClock,
  systemRng,
  u64be,
  utf8,
} from '../../src/base/index.ts'
import { MAX_VALUE_BYTES } from '../../src/store/constants.ts'
import { BUCKETS, type Store, type StorePorts } from '../../src/store/index.ts'

export const storePorts: StorePorts = { clock: systemClock, rng: systemRng, log: silentLogger }

/** One home that can be opened again and again. */
export interface StoreHome {
  open(options?: { restored?: boolean }): Promise<Store>
  remove(): Promise<void>
}

const bucket = BUCKETS.scratch
const other = BUCKETS.settings

async function entries(store: Store, range?: Parameters<Store['iterate']>[1]) {
  const found: [string, string][] = []
  for await (const [key, value] of store.iterate(bucket, range)) {
    found.push([Buffer.from(key).toString(), Buffer.from(value).toString()])
  }
  return found
}

/** What every implementation of `Store` must do. */
export function describeStoreContract(name: string, makeHome: () => Promise<StoreHome>): void {
  describe(`${name} as a store`, () => {
    let home: StoreHome
    let store: Store
    beforeEach(async () => {
      home = await makeHome()
      store = await home.open()
    })
    afterEach(async () => {
      await store.close()
      await home.remove()
    })
    const reopen = async (options?: { restored?: boolean }) => {
      await store.close()
      store = await home.open(options)
    }
    const put = (key: string, value: string) =>
      store.batch().put(bucket, utf8(key), utf8(value)).commit()
    const get = async (key: string) => {
      const found = await store.get(bucket, utf8(key))
      return found && Buffer.from(found).toString()
    }

    it('finds nothing under a key that was never written', async () => {
      expect(await get('nothing')).toBeUndefined()
    })

    it('returns what was committed, also after reopening', async () => {
      await put('a', 'one')
      await store.batch().put(bucket, utf8('empty'), new Uint8Array(0)).commit()
      await reopen()
      expect(await get('a')).toBe('one')
      expect(await get('empty')).toBe('')
    })

    it('shows nothing of a batch before its commit', async () => {
      const batch = store.batch().put(bucket, utf8('a'), utf8('one'))
      expect(await get('a')).toBeUndefined()
      await batch.commit()
      expect(await get('a')).toBe('one')
    })

    it('lets the last change of a key win, inside a batch and between batches of one group', async () => {
      await store
        .batch()
        .put(bucket, utf8('a'), utf8('first'))
        .put(bucket, utf8('a'), utf8('second'))
        .put(bucket, utf8('b'), utf8('kept'))
        .del(bucket, utf8('b'))
        .commit()
      expect(await entries(store)).toEqual([['a', 'second']])
      await Promise.all([put('a', 'third'), put('a', 'fourth')])
      expect(await get('a')).toBe('fourth')
    })

    it('keeps its own copy of values and gives out fresh ones', async () => {
      const value = utf8('mine')
      const secret = utf8('secret')
      const batch = store.batch().put(bucket, utf8('v'), value).putSecret(bucket, utf8('s'), secret)
      value.fill(0)
      secret.fill(0)
      await batch.commit()
      const found = await store.get(bucket, utf8('v'))
      found?.fill(0)
      expect(await get('v')).toBe('mine')
      expect(await get('s')).toBe('secret')
    })

    it('keeps buckets apart', async () => {
      await store
        .batch()
        .put(bucket, utf8('a'), utf8('1'))
        .put(other, utf8('a'), utf8('2'))
        .commit()
      await store.batch().del(other, utf8('a')).commit()
      expect(await get('a')).toBe('1')
      expect(await store.get(other, utf8('a'))).toBeUndefined()
      expect(await entries(store)).toEqual([['a', '1']])
    })

    it('iterates in the order of unsigned bytes within the bounds', async () => {
      const batch = store.batch()
      for (const byte of [0x80, 0x00, 0xff, 0x7f, 0x01]) {
        batch.put(bucket, Uint8Array.of(byte), Uint8Array.of(byte))
      }
      batch
        .put(bucket, Uint8Array.of(1, 0), Uint8Array.of(10))
        .putSecret(bucket, Uint8Array.of(0x90), Uint8Array.of(0x90))
      await batch.commit()
      const keys = async (range?: Parameters<Store['iterate']>[1]) => {
        const found: number[][] = []
        for await (const [key] of store.iterate(bucket, range)) found.push([...key])
        return found
      }
      const of = (...bytes: number[]) => Uint8Array.from(bytes)
      expect(await keys()).toEqual([[0], [1], [1, 0], [0x7f], [0x80], [0x90], [0xff]])
      expect(await keys({ gt: of(1), lte: of(0x80) })).toEqual([[1, 0], [0x7f], [0x80]])
      expect(await keys({ gte: of(1), lt: of(0x80) })).toEqual([[1], [1, 0], [0x7f]])
      expect(await keys({ reverse: true, limit: 2 })).toEqual([[0xff], [0x90]])
      expect(await keys({ limit: 1 })).toEqual([[0]])
      expect(await keys({ limit: 0 })).toEqual([])
      expect(await keys({ gt: of(0x80), lt: of(0x80) })).toEqual([])
      const alone: number[][] = []
      for await (const key of store.keys(bucket, { gt: of(1), lte: of(0x90) })) alone.push([...key])
      expect(alone).toEqual([[1, 0], [0x7f], [0x80], [0x90]])
      const values = async (range?: Parameters<Store['pages']>[1]) => {
        const found: number[] = []
        for await (const page of store.pages(bucket, range)) {
          expect(page.length).toBeGreaterThan(0)
          found.push(...page.flatMap(([, value = of()]) => [...value]))
        }
        return found
      }
      expect(await values({ gt: of(1), lte: of(0x90) })).toEqual([10, 0x7f, 0x80, 0x90])
      expect(await values({ reverse: true, limit: 2 })).toEqual([0xff, 0x90])
      expect(await values({ limit: 0 })).toEqual([])
      expect(await values({ gt: of(0x80), lt: of(0x80) })).toEqual([])
    })

    it('reads many values page by page, as of the first step, and stops when it is told to', async () => {
      const batch = store.batch()
      for (let i = 0; i < 1_000; i++) batch.put(bucket, u64be(i), u64be(i))
      await batch.commit()
      const found: number[] = []
      let pages = 0
      for await (const page of store.pages(bucket)) {
        if (pages++ === 0) await store.batch().del(bucket, u64be(999)).commit()
        found.push(...page.map(([, value]) => readU64be(value ?? new Uint8Array(8))))
      }
      expect(pages).toBeGreaterThan(1)
      expect(found).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
      for await (const page of store.pages(bucket)) {
        expect(page[0]?.map((bytes) => readU64be(bytes ?? u64be(9)))).toEqual([0, 0])
        break
      }
    })

    it('iterates over the state of the first step whatever is committed meanwhile', async () => {
      for (const key of ['a', 'b', 'c']) await put(key, 'old')
      const iterator = store.iterate(bucket)[Symbol.asyncIterator]()
      await iterator.next()
      await store.batch().put(bucket, utf8('b'), utf8('new')).del(bucket, utf8('c')).commit()
      await put('d', 'new')
      const rest: string[] = []
      for (;;) {
        const step = await iterator.next()
        if (step.done) break
        rest.push(Buffer.from(step.value[1]).toString())
      }
      expect(rest).toEqual(['old', 'old'])
    })

    it('refuses empty, oversized and late changes without harm to the store', async () => {
      const batch = store.batch()
      expect(() => batch.put(bucket, new Uint8Array(0), utf8('x'))).toThrow(/1 to 255/)
      expect(() => batch.put(bucket, new Uint8Array(256), utf8('x'))).toThrow(/1 to 255/)
      expect(() => batch.put(bucket, utf8('x'), new Uint8Array(MAX_VALUE_BYTES + 1))).toThrow(
        /limit/,
      )
      expect(() => batch.append({ type: 'No Good', data: {} })).toThrow(/event type/)
      await batch.commit()
      await expect(batch.commit()).rejects.toMatchObject({ code: 'bug' })
      expect(() => batch.put(bucket, utf8('x'), utf8('x'))).toThrow(/committed/)
      await put('fine', 'yes')
      expect(await get('fine')).toBe('yes')
    })

    it('resolves commits in the order of the calls', async () => {
      const order: number[] = []
      await Promise.all(
        Array.from({ length: 300 }, async (_, i) => {
          await store.batch().put(bucket, u64be(i), u64be(i)).commit()
          order.push(i)
        }),
      )
      expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i))
    })

    it('replaces, deletes and reopens secrets', async () => {
      const secret = (key: string, value: string) =>
        store.batch().putSecret(bucket, utf8(key), utf8(value)).commit()
      await secret('a', 'one')
      await secret('b', 'two')
      await secret('a', 'three')
      await store.batch().delSecret(bucket, utf8('b')).commit()
      expect(await entries(store)).toEqual([['a', 'three']])
      await reopen()
      expect(await get('a')).toBe('three')
      expect(await get('b')).toBeUndefined()
      await put('a', 'plain now')
      await secret('c', 'takes a freed slot')
      await reopen()
      expect(await entries(store)).toEqual([
        ['a', 'plain now'],
        ['c', 'takes a freed slot'],
      ])
      expect((await store.stats()).secrets).toBe(1)
    })

    it('grows the shelf for many secrets in one batch', async () => {
      const batch = store.batch()
      for (let i = 0; i < 200; i++) batch.putSecret(bucket, u64be(i), u64be(i * i))
      await batch.commit()
      await reopen()
      for (const i of [0, 63, 64, 199])
        expect(await store.get(bucket, u64be(i))).toEqual(u64be(i * i))
      expect((await store.stats()).secrets).toBe(200)
    })

    it('never gives a wrong or failing answer while a secret changes under the reader', async () => {
      const value = (i: number) => concat(u64be(i), u64be(i))
      await store.batch().putSecret(bucket, utf8('s'), value(0)).commit()
      let writing = true
      const writer = (async () => {
        for (let i = 1; i <= 40; i++) {
          await store.batch().putSecret(bucket, utf8('s'), value(i)).commit()
        }
        writing = false
      })()
      let seen = 0n
      while (writing) {
        const found = await store.get(bucket, utf8('s'))
        const view = new DataView((found as Uint8Array).buffer, (found as Uint8Array).byteOffset)
        expect(view.getBigUint64(0)).toBe(view.getBigUint64(8))
        expect(view.getBigUint64(0) >= seen).toBe(true)
        seen = view.getBigUint64(0)
        for await (const [, bytes] of store.iterate(bucket)) expect(bytes.length).toBe(16)
      }
      await writer
      expect(await store.get(bucket, utf8('s'))).toEqual(value(40))
    })

    it('derives keys that depend on the bucket and every part', () => {
      const key = store.keyFor(bucket, utf8('ab'), utf8('c'))
      expect(key).toHaveLength(20)
      expect(store.keyFor(bucket, utf8('ab'), utf8('c'))).toEqual(key)
      expect(store.keyFor(bucket, utf8('a'), utf8('bc'))).not.toEqual(key)
      expect(store.keyFor(other, utf8('ab'), utf8('c'))).not.toEqual(key)
    })

    it('keeps its epoch over reopening and changes it when a restore is accepted', async () => {
      const { epoch } = store
      expect(epoch).toMatch(/^[\w-]{22}$/)
      await reopen()
      expect(store.epoch).toBe(epoch)
      await reopen({ restored: true })
      expect(store.epoch).not.toBe(epoch)
      const restored = store.epoch
      await reopen()
      expect(store.epoch).toBe(restored)
    })

    it('keeps everything over a compaction', async () => {
      await put('a', 'one')
      await put('a', 'two')
      await store.batch().putSecret(bucket, utf8('s'), utf8('secret')).commit()
      await store.compact()
      expect(await get('a')).toBe('two')
      await reopen()
      expect(await get('s')).toBe('secret')
    })

    it('keeps everything when the space of what was deleted is given back', async () => {
      await put('a', 'one')
      await put('b', 'two')
      await store.batch().put(other, utf8('a'), utf8('other')).del(bucket, utf8('a')).commit()
      await store.reclaim(bucket, new AbortController().signal)
      await put('c', 'three')
      await store.reclaim(bucket, AbortSignal.abort())
      await reopen()
      expect(await entries(store)).toEqual([
        ['b', 'two'],
        ['c', 'three'],
      ])
      const untouched = await store.get(other, utf8('a'))
      expect(Buffer.from(untouched ?? []).toString()).toBe('other')
    })

    it('writes what was under way before it closes, and nothing after', async () => {
      const writes = Array.from({ length: 20 }, (_, i) => put(`k${i}`, 'v'))
      await store.close()
      await Promise.all(writes)
      await expect(put('late', 'v')).rejects.toMatchObject({ code: 'not-running' })
      await store.close()
      store = await home.open()
      expect(await entries(store)).toHaveLength(20)
    })

    it('numbers events without a gap in the order of the commits', async () => {
      const commits = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          store
            .batch()
            .append({ type: 'test.first', data: { i } })
            .append({ type: 'test.second', data: { i } })
            .commit(),
        ),
      )
      const numbers = commits.flatMap(({ events }) => events.map(({ seq }) => seq))
      expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
      expect(store.headSeq()).toBe(100)
      await reopen()
      expect(store.headSeq()).toBe(100)
      const page = await store.journal.events(0, 500)
      expect(page.events.map(({ seq }) => seq)).toEqual(numbers)
      expect(page.events[7]?.data).toEqual({ i: 3 })
      expect(new Set(page.events.map(({ id }) => id)).size).toBe(100)
      expect(page.events.every(({ epoch }) => epoch === store.epoch)).toBe(true)
    })

    it('tells listeners of events only when they can be read', async () => {
      const heard: Promise<number>[] = []
      const stop = store.journal.onAppend((head) => {
        heard.push(store.journal.events(head - 1, 1).then(({ events }) => events.length))
      })
      await store.batch().append({ type: 'a.b', data: {} }).commit()
      await put('no event', '')
      stop()
      await store.batch().append({ type: 'a.b', data: {} }).commit()
      expect(await Promise.all(heard)).toEqual([1])
    })
  })
}
