import { beforeEach, describe, expect, it } from 'vitest'
import { HearsayError, systemRng, u64be } from '../../../src/base/index.ts'
import {
  BUCKETS,
  DAMAGED_EVENT,
  type EventPage,
  type MemoryDisk,
  memoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { eventKey } from '../../../src/store/journal-stage.ts'
import {
  MAX_GROUP_BATCHES,
  MAX_REDACTIONS,
  MAX_SCAN,
  TRIM_STEP,
} from '../../../src/store/constants.ts'
import { storePorts } from '../../support/store-contract.ts'

const bucket = BUCKETS.scratch
let disk: MemoryDisk
let store: Store
const open = () => openMemoryStore(storePorts, { disk })
beforeEach(async () => {
  disk = memoryDisk()
  store = await open()
})

const append = (count: number, type = 'test.event') => {
  const commits = []
  for (let done = 0; done < count; done += 200) {
    const batch = store.batch()
    for (let i = done; i < Math.min(done + 200, count); i++) batch.append({ type, data: { i } })
    commits.push(batch.commit())
  }
  return Promise.all(commits)
}
const numbers = (events: readonly { seq: number }[]) => events.map(({ seq }) => seq)
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('the journal', () => {
  it('is read from any number on without a gap over 10,000 events and a reopening', async () => {
    await append(6_000)
    await store.close()
    store = await open()
    await append(4_000)
    const seen: number[] = []
    for (let after = 0; after < store.headSeq(); ) {
      const page = await store.journal.events(after, 700)
      seen.push(...numbers(page.events))
      after = page.scannedTo
    }
    expect(seen).toEqual(range(1, 10_000))
    expect(numbers((await store.journal.events(9_990, 500)).events)).toEqual(range(9_991, 10_000))
  })

  it('names what is wrong with a cursor', async () => {
    await append(10)
    await store.journal.trim(5)
    await expect(store.journal.events(3, 1)).rejects.toMatchObject({
      code: 'cursor-too-old',
      details: { oldest: 5 },
    })
    await expect(store.journal.events(11, 1)).rejects.toMatchObject({
      code: 'cursor-ahead',
      details: { head: 10 },
    })
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 53]) {
      await expect(store.journal.events(bad, 1)).rejects.toMatchObject({ code: 'bad-value' })
    }
    expect((await store.journal.events(10, 5)).events).toEqual([])
    expect(numbers((await store.journal.events(4, 2)).events)).toEqual([5, 6])
  })

  it('keeps its numbers and its chain when everything has been trimmed', async () => {
    await append(TRIM_STEP * 2 + 10)
    const head = store.headSeq()
    expect(await store.journal.trim(Number.MAX_SAFE_INTEGER)).toBe(head + 1)
    await store.close()
    store = await open()
    expect([store.headSeq(), store.journal.oldestSeq()]).toEqual([head, head + 1])
    await append(2)
    expect(numbers((await store.journal.events(head, 10)).events)).toEqual([head + 1, head + 2])
    expect(await store.journal.trim(3)).toBe(head + 1)
  })

  it('filters by whole names and by prefixes, and says how far it looked', async () => {
    for (const type of ['message.received', 'message.sent', 'messages.odd', 'peer.up']) {
      await store.batch().append({ type, data: {} }).commit()
    }
    const of = async (...types: string[]) =>
      numbers((await store.journal.events(0, 9, types)).events)
    expect(await of('message.*')).toEqual([1, 2])
    expect(await of('peer.up', 'message.sent')).toEqual([2, 4])
    expect(await of('message')).toEqual([])
    expect((await store.journal.events(0, 1, ['message.sent'])).scannedTo).toBe(2)
    await expect(of('*')).rejects.toMatchObject({ code: 'bad-value' })
    await append(MAX_SCAN + 50)
    const page = await store.journal.events(4, 10, ['peer.up'])
    expect(page).toMatchObject({ events: [], scannedTo: 4 + MAX_SCAN })
  })

  const seen = (page: EventPage) => page.events.map(({ seq, type }) => `${seq} ${type}`)

  it('gives an event of its own in the place of a missing, a foreign or an exchanged entry, and reads on', async () => {
    await append(6)
    const [three, four] = [eventKey(3), eventKey(4)]
    const saved = (await disk.engine.get(three)) as Uint8Array
    const put = (key: Uint8Array, value: Uint8Array) =>
      disk.engine.write([{ type: 'put', key, value }])
    const whole = seen(await store.journal.events(0, 9))
    const hit = whole.with(2, `3 ${DAMAGED_EVENT}`)
    /** However the pages lie, and the same in each. */
    const expectHit = async () => {
      for (let limit = 1; limit <= 6; limit++) {
        const found: string[] = []
        let after = 0
        while (after < 6) {
          const page = await store.journal.events(after, limit)
          found.push(...seen(page))
          after = page.scannedTo
        }
        expect(found).toEqual(hit)
      }
      expect((await store.journal.events(0, 9)).damagedAt).toBe(3)
      expect((await store.check()).journalBrokenAt).toBe(3)
    }
    await disk.engine.write([{ type: 'del', key: three }])
    await expectHit()
    await put(three, (await disk.engine.get(four)) as Uint8Array)
    await expectHit()
    // The same number from another history of the same store: sealed rightly, chained wrongly.
    await put(three, saved)
    const other = memoryDisk()
    const twin = await openMemoryStore(storePorts, { disk: other })
    for (let i = 0; i < 6; i++) await twin.batch().append({ type: 'x.y', data: { i } }).commit()
    await put(three, (await other.engine.get(three)) as Uint8Array)
    await expectHit()
    expect((await store.space()).damagedValues).toBe(1)
    await put(three, saved)
    expect(seen(await store.journal.events(0, 9))).toEqual(whole)
  })

  it('gives a damaged entry to readers of whatever types, under one id', async () => {
    await append(3)
    await disk.engine.write([{ type: 'del', key: eventKey(2) }])
    const types = async (wanted?: string[]) => (await store.journal.events(0, 9, wanted)).events
    const [event] = await types(['x.y'])
    expect(event).toMatchObject({ seq: 2, epoch: store.epoch, data: {}, time: 0 })
    expect(await types([DAMAGED_EVENT])).toEqual([event])
    expect((await types())[1]).toEqual(event)
    expect(await types(['x.y'])).toEqual([event])
  })

  it('looks once more for what an iteration passed over, and fails where that fails', async () => {
    await append(6)
    const { engine } = disk
    const iterate = engine.iterate.bind(engine)
    // As LevelDB does with a table that it cannot open.
    engine.iterate = async function* (range) {
      for await (const entry of iterate(range)) if (entry[0][8] !== 3) yield entry
    }
    expect(numbers((await store.journal.events(0, 9)).events)).toEqual([1, 2, 3, 4, 5, 6])
    expect((await store.journal.events(0, 9)).damagedAt).toBeUndefined()
    const get = engine.get.bind(engine)
    const failure = new HearsayError('storage-failed', 'too many open files')
    engine.get = () => Promise.reject(failure)
    await expect(store.journal.events(0, 9)).rejects.toBe(failure)
    engine.get = get
    engine.iterate = iterate
  })

  it('says that a position is too old when its entries are deleted while it is read', async () => {
    await append(6)
    const { engine } = disk
    const write = engine.write.bind(engine)
    let reading: Promise<unknown> | undefined
    engine.write = async (operations) => {
      await write(operations)
      // On disk, and the head does not say so yet.
      reading = store.journal.events(0, 9).catch((error: unknown) => error)
      await new Promise(setImmediate)
    }
    await store.journal.trim(4)
    engine.write = write
    expect(await reading).toMatchObject({ code: 'cursor-too-old', details: { oldest: 4 } })
  })

  it('leads a consumer past the damage', async () => {
    await store.consumers.create('bot', { from: 'start' })
    await append(5)
    await disk.engine.write([{ type: 'del', key: eventKey(3) }])
    const feed = await store.feed({ consumer: 'bot' })
    expect(numbers(await feed.next(9))).toEqual([1, 2, 3, 4, 5])
  })

  it('refuses to open when the last entry is missing or another', async () => {
    await append(3)
    await store.close()
    const before = (await disk.engine.get(eventKey(2))) as Uint8Array
    await disk.engine.write([{ type: 'put', key: eventKey(3), value: before }])
    await expect(open()).rejects.toMatchObject({ code: 'storage-corrupt' })
    await disk.engine.write([{ type: 'del', key: eventKey(3) }])
    await expect(open()).rejects.toMatchObject({ code: 'storage-corrupt' })
  })

  it('redacts data for good and keeps the chain whole', async () => {
    await append(3)
    await store.batch().redact(2).redact(99).redact(-1).redact(0.5).commit()
    const { events } = await store.journal.events(0, 9)
    expect(events.map(({ data }) => data)).toEqual([{ i: 0 }, {}, { i: 2 }])
    expect(events[1]?.redacted).toBe(true)
    await store.batch().redact(2).commit()
    expect((await store.check()).journalBrokenAt).toBeUndefined()
  })

  /** As bit rot would. */
  const damage = async (seq: number) => {
    const value = ((await disk.engine.get(eventKey(seq))) as Uint8Array).slice()
    value[40] = (value[40] as number) ^ 1
    await disk.engine.write([{ type: 'put', key: eventKey(seq), value }])
  }

  it('redacts a bounded number of events in one batch, and in one write', async () => {
    const full = store.batch()
    for (let seq = 1; seq <= MAX_REDACTIONS; seq++) full.redact(seq)
    expect(() => full.redact(1)).toThrow(expect.objectContaining({ code: 'too-large' }))
    await append(1)
    const { engine } = disk
    const write = engine.write.bind(engine)
    let writes = 0
    engine.write = (operations) => {
      writes++
      return write(operations)
    }
    const many = [full, store.batch(), store.batch()]
    for (let seq = 1; seq < MAX_REDACTIONS; seq++) many[1]?.redact(seq)
    many[2]?.redact(1)
    await Promise.all(many.map((batch) => batch.commit()))
    expect(writes).toBe(2)
  })

  it('gives entries one by one to whoever erases, damaged ones too', async () => {
    await append(4)
    await damage(2)
    const { entries, scannedTo } = await store.journal.entries(0, 3)
    expect([entries.map(({ seq, event }) => [seq, event?.data]), scannedTo]).toEqual([
      [
        [1, { i: 0 }],
        [2, undefined],
        [3, { i: 2 }],
      ],
      3,
    ])
    await store.journal.trim(4)
    expect(await store.journal.entries(0, 9)).toMatchObject({ entries: [{ seq: 4 }], scannedTo: 4 })
    expect(await store.journal.entries(4, 9)).toEqual({ entries: [], scannedTo: 4 })
  })

  it('redacts a damaged event by taking it away, and goes on', async () => {
    await append(4)
    await damage(2)
    await store.batch().redact(2).redact(3).commit()
    expect(store.state()).toBe('ok')
    expect(await disk.engine.get(eventKey(2))).toBeUndefined()
    expect(numbers((await store.journal.events(3, 9)).events)).toEqual([4])
    expect((await store.check()).journalBrokenAt).toBe(2)
  })

  it('is trimmed past a damaged event', async () => {
    await append(5)
    await damage(2)
    await damage(4)
    expect((await store.retain({ dropUpTo: 4 })).oldestSeq).toBe(5)
    expect(numbers((await store.journal.events(4, 9)).events)).toEqual([5])
  })

  it('ends a page early when its events are large', async () => {
    const text = 'x'.repeat(1_900_000)
    for (let i = 0; i < 4; i++) {
      await store.batch().append({ type: 'a.large', data: { text } }).commit()
    }
    const page = await store.journal.events(0, 9)
    expect(numbers(page.events)).toEqual([1, 2, 3])
    expect(page).toMatchObject({ scannedTo: 3, head: 4 })
    expect(numbers((await store.journal.events(3, 9)).events)).toEqual([4])
    expect(numbers((await store.journal.events(0, 9, ['b.*'])).events)).toEqual([])
  })

  it('does not bring back a trimmed event by redacting it in the same group', async () => {
    await append(3)
    await Promise.all([store.journal.trim(3), store.batch().redact(1).redact(2).commit()])
    const keys = []
    for await (const key of disk.engine.keys({ gte: eventKey(0), lt: eventKey(100) }))
      keys.push(key)
    expect(keys).toHaveLength(1)
  })

  it('takes text of any kind as data and gives the same back', async () => {
    const data = {
      text: 'ümlaut \u2028 " \\ \u0000 😀',
      list: [1.5, null, true, { deep: [] }],
      __proto: '',
    }
    await store.batch().append({ type: 'a.b', data }).commit()
    expect((await store.journal.events(0, 1)).events[0]?.data).toEqual(data)
    const huge = { text: 'x'.repeat(2 * 1024 * 1024) }
    expect(() => store.batch().append({ type: 'a.b', data: huge })).toThrow(/limit/)
  })

  it('writes one group at a time and collects what comes meanwhile', async () => {
    let writes = 0
    let inFlight = 0
    const held: (() => void)[] = []
    const slow = {
      ...disk,
      engine: new Proxy(disk.engine, {
        get: (target, name) => {
          const value = Reflect.get(target, name) as (...args: unknown[]) => Promise<void>
          if (name !== 'write') return value.bind(target)
          return async (...args: unknown[]) => {
            writes++
            expect(++inFlight).toBe(1)
            await new Promise<void>((resolve) => held.push(resolve))
            await value.apply(target, args)
            inFlight--
          }
        },
      }),
    }
    const grouped = await openMemoryStore(storePorts, { disk: slow })
    const put = (i: number) =>
      grouped
        .batch()
        .put(bucket, u64be(i), systemRng.bytes(8))
        .append({ type: 'a.b', data: {} })
        .commit()
    const release = async (count: number) => {
      for (let i = 0; i < count; i++) {
        await expect.poll(() => held.length, { interval: 1 }).toBeGreaterThan(0)
        held.shift()?.()
      }
    }
    const first = put(0)
    await expect.poll(() => held.length, { interval: 1 }).toBe(1)
    const rest = Promise.all(range(1, MAX_GROUP_BATCHES + 1).map(put))
    await release(3)
    const results = await Promise.all([first, rest])
    expect(writes).toBe(3)
    const seqs = results.flat().flatMap(({ events }) => numbers(events))
    expect(seqs).toEqual(range(1, MAX_GROUP_BATCHES + 2))
  })
})

describe('retention', () => {
  it('keeps what a consumer has not acknowledged until it is too old', async () => {
    await store.consumers.create('slow', { from: 'start' })
    await store.consumers.create('fast', { from: 'start' })
    await append(20)
    await store.consumers.ack('fast', 20)
    await store.consumers.ack('slow', 4)
    const aged = { dropAckedUpTo: 10 }
    expect(await store.retain(aged)).toEqual({ removed: 4, oldestSeq: 5, left: 0, overrun: [] })
    const older = { dropUpTo: 10, dropAckedUpTo: 15 }
    expect(await store.retain(older)).toEqual({
      removed: 6,
      oldestSeq: 11,
      left: 0,
      overrun: ['slow'],
    })
    await expect(store.feed({ consumer: 'slow' })).rejects.toMatchObject({
      code: 'cursor-too-old',
      details: { oldest: 11 },
    })
    await store.consumers.ack('slow', 10)
    await store.feed({ consumer: 'slow' })
  })

  it('removes what is acknowledged no further than it is told', async () => {
    await store.consumers.create('only', { from: 'start' })
    await append(10)
    await store.consumers.ack('only', 6)
    expect(await store.retain()).toMatchObject({ removed: 0 })
    expect((await store.retain({ dropAckedUpTo: 4 })).oldestSeq).toBe(5)
    expect((await store.retain({ dropAckedUpTo: 10 })).oldestSeq).toBe(7)
  })

  it('lets a few large events push nobody out while all together are within the limit of size', async () => {
    await append(2000)
    const text = 'x'.repeat(60_000)
    for (let i = 0; i < 64; i++) {
      await store.batch().append({ type: 'a.large', data: { text } }).commit()
    }
    const bytes = 2000 * 250 + 64 * 61_000
    expect(await store.retain({ maxBytes: bytes })).toMatchObject({ removed: 0, oldestSeq: 1 })
    // What is beyond it goes, and no more.
    const { oldestSeq } = await store.retain({ maxBytes: 32 * 61_000 })
    expect(oldestSeq).toBeGreaterThanOrEqual(2032)
    expect(oldestSeq).toBeLessThan(2036)
    expect((await store.retain({ maxBytes: 0 })).oldestSeq).toBe(2065)
  })

  it('goes by what it is told without consumers, and never keeps more than the limits of number and size', async () => {
    await append(100)
    expect((await store.retain()).removed).toBe(0)
    expect((await store.retain({ maxEvents: 60 })).oldestSeq).toBe(41)
    const bytes = 60 * 200
    const { oldestSeq } = await store.retain({ maxBytes: bytes / 2 })
    expect(oldestSeq).toBeGreaterThan(60)
    expect(oldestSeq).toBeLessThan(85)
    await append(1)
    expect((await store.retain({ dropAckedUpTo: 100 })).oldestSeq).toBe(101)
    expect((await store.retain({ maxEvents: 0 })).oldestSeq).toBe(102)
    expect(await store.retain({ dropUpTo: 500 })).toMatchObject({ removed: 0 })
  })
})
