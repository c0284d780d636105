import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../src/base/index.ts'
import { SYSTEM_BUCKETS } from '../../../src/store/buckets.ts'
import { ADVANCE_STRIDE } from '../../../src/store/constants.ts'
import {
  type JournalEvent,
  type MemoryDisk,
  memoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { physicalKey } from '../../../src/store/physical-key.ts'
import { Vault } from '../../../src/store/vault.ts'
import { storePorts } from '../../support/store-contract.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let disk: MemoryDisk
let store: Store
beforeEach(async () => {
  disk = memoryDisk()
  store = await openMemoryStore(storePorts, { disk })
})
const reopen = async (restored = false) => {
  await store.close()
  store = await openMemoryStore(storePorts, { disk, restored })
}
const append = async (count: number, type = 'test.event') => {
  const batch = store.batch()
  for (let i = 0; i < count; i++) batch.append({ type, data: { i } })
  await batch.commit()
}
const numbers = (events: readonly JournalEvent[]) => events.map(({ seq }) => seq)
const soon = () => new Promise((resolve) => setImmediate(resolve))

describe('a consumer', () => {
  it('begins now, at the start, or after a number, and survives reopening', async () => {
    await append(5)
    await store.consumers.create('now', { from: 'now' })
    await store.consumers.create('start', { from: 'start', types: ['test.*'] })
    await store.consumers.create('three', { from: 3 })
    await store.consumers.ack('start', 2)
    await reopen()
    const found = ['now', 'start', 'three'].map((name) => store.consumers.get(name))
    expect(found.map(({ cursor }) => cursor)).toEqual([5, 2, 3])
    expect(found.map(({ types }) => types)).toEqual([undefined, ['test.*'], undefined])
    expect(store.consumers.list()).toHaveLength(3)
  })

  it('is refused twice, at a place outside the journal, or under a bad name', async () => {
    await append(5)
    await store.journal.trim(3)
    const create = (name: string, from: 'now' | 'start' | number, types?: string[]) =>
      store.consumers.create(name, { from, ...(types ? { types } : {}) })
    const both = await Promise.allSettled([create('a', 'now'), create('a', 'now')])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await expect(create('a', 'now')).rejects.toMatchObject({ code: 'consumer-exists' })
    await expect(create('b', 1)).rejects.toMatchObject({ code: 'cursor-too-old' })
    await expect(create('b', 6)).rejects.toMatchObject({ code: 'cursor-ahead' })
    await expect(create('b', 'now', ['NO'])).rejects.toMatchObject({ code: 'bad-value' })
    for (const bad of ['', 'a b', '../x', 'x'.repeat(65), 'é']) {
      await expect(create(bad, 'now')).rejects.toMatchObject({ code: 'bad-value' })
    }
    expect(await create('start', 'start')).toMatchObject({ cursor: 2 })
  })

  it('acknowledges cumulatively and never backwards, also when acks overtake each other', async () => {
    await append(10)
    await store.consumers.create('c', { from: 'start' })
    await Promise.all([8, 3, 6].map((seq) => store.consumers.ack('c', seq)))
    expect(store.consumers.get('c').cursor).toBe(8)
    expect(await store.consumers.ack('c', 2)).toBe(8)
    await expect(store.consumers.ack('c', 11)).rejects.toMatchObject({
      code: 'cursor-ahead',
      details: { head: 10 },
    })
    await expect(store.consumers.ack('c', -1)).rejects.toMatchObject({ code: 'bad-value' })
    await reopen()
    expect(store.consumers.get('c').cursor).toBe(8)
  })

  it('keeps the epoch of its last acknowledgement, by which a restored store is told', async () => {
    await append(5)
    await store.consumers.create('c', { from: 'start' })
    const { epoch: former } = store
    expect(store.consumers.get('c').epoch).toBe(former)
    await reopen(true)
    const { epoch } = store
    expect(epoch).not.toBe(former)
    expect(store.consumers.get('c').epoch).toBe(former)
    await store.consumers.ack('c', 3)
    await reopen()
    expect(store.consumers.get('c')).toMatchObject({ cursor: 3, epoch })
  })

  it('is read from a row of before its epoch was noted', async () => {
    await append(5)
    const vault = new Vault(storePorts, { vaultKey: disk.vaultKey })
    const bucket = SYSTEM_BUCKETS.consumers
    const key = physicalKey(bucket, vault.name(Uint8Array.of(bucket), utf8('old')))
    const row = { name: 'old', cursor: 2, createdAt: 0 }
    const value = vault.seal(key, utf8(JSON.stringify(row)))
    await disk.engine.write([{ type: 'put', key, value }])
    await reopen(true)
    expect(store.consumers.get('old')).toEqual(row)
    await store.consumers.ack('old', 3)
    expect(store.consumers.get('old')).toEqual({ ...row, cursor: 3, epoch: store.epoch })
  })

  it('is gone once deleted', async () => {
    await store.consumers.create('c', { from: 'now' })
    await store.consumers.delete('c')
    const missing = { code: 'consumer-not-found' }
    await expect(store.consumers.delete('c')).rejects.toMatchObject(missing)
    await expect(store.consumers.ack('c', 0)).rejects.toMatchObject(missing)
    await expect(store.feed({ consumer: 'c' })).rejects.toMatchObject(missing)
    await reopen()
    expect(store.consumers.list()).toEqual([])
  })
})

describe('what the reader of a consumer has lost', () => {
  let clock: VirtualClock
  const reopened = async () => {
    await store.close()
    store = await openMemoryStore({ ...storePorts, clock }, { disk })
    return store.consumers.get('c')
  }
  beforeEach(async () => {
    clock = new VirtualClock()
    await append(20)
    await store.consumers.create('c', { from: 'start' })
    await reopened()
  })

  it('is counted in the write that passes over it, with the time of the last, over reopenings', async () => {
    await store.consumers.ack('c', 5)
    expect((await reopened()).losses).toBeUndefined()
    await store.consumers.ack('c', 8, 3)
    const first = { events: 3, lastAt: clock.now() }
    await clock.advance(1_000)
    await store.consumers.ack('c', 9)
    expect(await reopened()).toMatchObject({ cursor: 9, losses: first })
    await store.consumers.ack('c', 12, 2)
    const both = { events: 5, lastAt: clock.now() }
    expect(both.lastAt).toBe(first.lastAt + 1_000)
    expect(await reopened()).toMatchObject({ cursor: 12, losses: both })
  })

  it('is counted once, whoever repeats the ack, and by none that overtakes it less', async () => {
    await store.consumers.ack('c', 8, 3)
    await store.consumers.ack('c', 8, 3)
    await store.consumers.ack('c', 7, 2)
    expect(await reopened()).toMatchObject({ cursor: 8, losses: { events: 3 } })
    const ack = (seq: number, lost?: number) => store.consumers.ack('c', seq, lost)
    await Promise.all([ack(10, 1), ack(10, 1), ack(12)])
    expect(store.consumers.get('c')).toMatchObject({ cursor: 12, losses: { events: 4 } })
    expect(await reopened()).toMatchObject({ cursor: 12, losses: { events: 4 } })
  })

  it('is forgotten once it was seen; what is lost since is not', async () => {
    await store.consumers.ack('c', 8, 3)
    expect(await store.consumers.forgetLosses('c')).toEqual({ events: 3, lastAt: clock.now() })
    expect(await store.consumers.forgetLosses('c')).toBeUndefined()
    expect(await store.consumers.forgetLosses('nobody')).toBeUndefined()
    expect(await reopened()).toMatchObject({ cursor: 8 })
    expect(store.consumers.get('c').losses).toBeUndefined()
    const [, forgotten] = await Promise.all([
      store.consumers.ack('c', 9, 1),
      store.consumers.forgetLosses('c'),
      store.consumers.ack('c', 12, 2),
    ])
    expect(forgotten).toMatchObject({ events: 1 })
    expect(store.consumers.get('c')).toMatchObject({ cursor: 12, losses: { events: 2 } })
    expect(await reopened()).toMatchObject({ cursor: 12, losses: { events: 2 } })
  })
})

describe('a feed', () => {
  it('gives everything in order and again after a reconnect until it is acknowledged', async () => {
    await append(5)
    await store.consumers.create('c', { from: 'start' })
    const feed = await store.feed({ consumer: 'c' })
    expect(numbers(await feed.next(3))).toEqual([1, 2, 3])
    expect(numbers(await feed.next(3))).toEqual([4, 5])
    await feed.ack(2)
    await reopen()
    const again = await store.feed({ consumer: 'c' })
    expect(again.resumedFrom).toBe(2)
    expect(numbers(await again.next(10))).toEqual([3, 4, 5])
  })

  it('waits for events that come', async () => {
    const feed = await store.feed({})
    expect(feed.caughtUp).toBe(true)
    const next = feed.next(10)
    await append(2)
    expect(numbers(await next)).toEqual([1, 2])
  })

  it('stops at maxInFlight and goes on after an acknowledgement', async () => {
    await append(10)
    await store.consumers.create('c', { from: 'start' })
    const feed = await store.feed({ consumer: 'c', maxInFlight: 4 })
    expect(numbers(await feed.next(100))).toEqual([1, 2, 3, 4])
    let given: readonly JournalEvent[] | undefined
    const next = feed.next(100).then((events) => {
      given = events
    })
    await append(1)
    await soon()
    expect(given).toBeUndefined()
    await store.consumers.ack('c', 3)
    await next
    expect(numbers(given ?? [])).toEqual([5, 6, 7])
    expect(feed.inFlight).toBe(4)
  })

  it('does not wait for a slow one beside it', async () => {
    await store.consumers.create('slow', { from: 'start' })
    await store.consumers.create('fast', { from: 'start' })
    const slow = await store.feed({ consumer: 'slow', maxInFlight: 1 })
    const fast = await store.feed({ consumer: 'fast' })
    await append(3)
    await slow.next(1)
    const stuck = slow.next(1)
    for (let i = 0; i < 50; i++) {
      await append(10)
      const events = await fast.next(100)
      await fast.ack(events.at(-1)?.seq ?? 0)
    }
    expect(store.consumers.get('fast').cursor).toBe(503)
    slow.close()
    await expect(stuck).rejects.toMatchObject({ code: 'aborted' })
  })

  it('loses nothing when a wait is aborted', async () => {
    await store.consumers.create('c', { from: 'start' })
    const feed = await store.feed({ consumer: 'c' })
    for (let round = 0; round < 20; round++) {
      const stop = new AbortController()
      const next = feed.next(10, stop.signal).catch((error: Error) => error.message)
      if (round % 2 === 0) await soon()
      stop.abort(new Error('enough'))
      expect(await next).toBe('enough')
    }
    await append(1)
    const stop = new AbortController()
    const next = feed.next(10, stop.signal).catch(() => [] as readonly JournalEvent[])
    stop.abort()
    const got = [...numbers(await next)]
    if (got.length === 0) got.push(...numbers(await feed.next(10)))
    expect(got).toEqual([1])
  })

  it('moves the cursor of a consumer of rare events along, so that it holds back no retention', async () => {
    await store.consumers.create('rare', { from: 'start', types: ['rare.event'] })
    const feed = await store.feed({ consumer: 'rare' })
    const next = feed.next(1)
    await append(ADVANCE_STRIDE + 10)
    await expect
      .poll(() => store.consumers.get('rare').cursor, { interval: 1 })
      .toBe(ADVANCE_STRIDE + 10)
    await append(1, 'rare.event')
    expect(numbers(await next)).toEqual([ADVANCE_STRIDE + 11])
    await append(ADVANCE_STRIDE + 10)
    const later = feed.next(1)
    await soon()
    // Not past an event that was given out and not acknowledged.
    expect(store.consumers.get('rare').cursor).toBe(ADVANCE_STRIDE + 10)
    feed.close()
    await expect(later).rejects.toMatchObject({ code: 'aborted' })
  })

  it('tells its reader when the consumer is deleted, and refuses two readers at once', async () => {
    await store.consumers.create('c', { from: 'now' })
    const feed = await store.feed({ consumer: 'c' })
    const next = feed.next(1)
    await expect(feed.next(1)).rejects.toMatchObject({ code: 'bug' })
    await store.consumers.delete('c')
    await expect(next).rejects.toMatchObject({ code: 'consumer-not-found' })
  })

  it('names an anonymous cursor that is too old or ahead', async () => {
    await append(5)
    await store.journal.trim(4)
    await expect(store.feed({ after: 1 })).rejects.toMatchObject({ code: 'cursor-too-old' })
    await expect(store.feed({ after: 6 })).rejects.toMatchObject({ code: 'cursor-ahead' })
    const feed = await store.feed({ after: 3, types: ['test.event'] })
    expect(numbers(await feed.next(9))).toEqual([4, 5])
    await append(20)
    await store.journal.trim(20)
    await expect(feed.next(1)).rejects.toMatchObject({ code: 'cursor-too-old' })
  })
})
