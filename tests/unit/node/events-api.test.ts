import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Rng, silentLogger } from '../../../src/base/index.ts'
import { eventsApi } from '../../../src/node/events-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import type { NodeApi } from '../../../src/node/index.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import {
  memoryDisk,
  type MemoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { copiedDisk } from '../../support/copied-disk.ts'
import { CrashDisk } from '../../support/crash-disk.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const OTHER = 'A'.repeat(22)
const BATCH = 500
const never = new AbortController().signal

let clock: VirtualClock
/** One for all openings, or two of them would draw the same epoch. */
let rng: Rng
let machine: CrashDisk
let store: Store
let events: NodeApi['events']

async function open(disk: MemoryDisk, restored = false): Promise<void> {
  store = await openMemoryStore({ clock, rng, log: silentLogger }, { disk, restored })
  const running = new RunningClock({ store, clock })
  events = eventsApi({ store, clock, idempotency: new Idempotency({ store, running }) })
}

async function append(count: number): Promise<void> {
  for (let left = count; left > 0; left -= BATCH) {
    const batch = store.batch()
    for (let i = 0; i < Math.min(left, BATCH); i++) batch.append({ type: 'test.event', data: {} })
    await batch.commit()
  }
}

/** The disk fails, and what is on it afterwards counts as an older state of the home. */
async function putBack(): Promise<void> {
  machine.stopAfter(0)
  await append(1).catch(() => undefined)
  machine.inode += 1n
  machine.restart('lost')
  await store.heal()
}

const seqs = (items: readonly { readonly seq: number }[]) => items.map(({ seq }) => seq)
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

beforeEach(async () => {
  clock = new VirtualClock()
  rng = seededRng('events-api')
  machine = new CrashDisk()
  machine.inode = 1n
  await open(machine.disk)
  await append(5)
})
afterEach(() => store.close())

describe('the events of a node', () => {
  it('are given and acknowledged by numbers of the present epoch, and of none that is named', async () => {
    const { epoch } = store
    await events.consumers.create({ name: 'bot', from: 2, epoch }, {})
    for (const named of [{}, { epoch }]) {
      const listed = await events.list({ after: 3, limit: 9, ...named })
      expect(seqs(listed.items)).toEqual([4, 5])
      const waited = await events.wait({ after: 4, timeoutMs: 0, ...named }, never)
      expect(seqs(waited.items)).toEqual([5])
      const feed = await events.open({ consumer: 'bot', ...named })
      expect(seqs(await feed.next(9, never))).toEqual([3, 4, 5])
      expect((await events.open({ after: 1, ...named })).resumedFrom).toBe(1)
    }
    expect(await events.ack({ consumer: 'bot', seq: 3 })).toEqual({ cursor: 3 })
    expect(await events.ack({ consumer: 'bot', seq: 4, epoch })).toEqual({ cursor: 4 })
  })

  it('are refused by numbers of another epoch, before anything changes, with the present one', async () => {
    await events.consumers.create({ name: 'bot', from: 'start' }, {})
    const epoch = OTHER
    const calls = [
      () => events.list({ after: 3, limit: 9, epoch }),
      () => events.wait({ after: 3, timeoutMs: 60_000, epoch }, never),
      () => events.open({ consumer: 'bot', epoch }),
      () => events.open({ after: 3, epoch }),
      () => events.open({ epoch }),
      () => events.ack({ consumer: 'bot', seq: 3, epoch }),
      () => events.consumers.create({ name: 'new', from: 3, epoch }, {}),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'cursor-ahead',
        details: { head: 5, epoch: store.epoch },
      })
    }
    const { items } = await events.consumers.list()
    expect(items).toEqual([{ name: 'bot', cursor: 0, lag: 5 }])
  })

  it('end a wait and a feed that go on while the store is healed to an older state', async () => {
    const former = store.epoch
    const feed = await events.open({ after: 5 })
    const outcome = (work: Promise<unknown>) => work.catch((error: unknown) => error)
    const both = Promise.all([
      outcome(feed.next(1, never)),
      outcome(events.wait({ after: 5, timeoutMs: 60_000 }, never)),
    ])
    await clock.advance(0)
    await putBack()
    const { epoch } = store
    expect(epoch).not.toBe(former)
    const refused = { code: 'cursor-ahead', details: { head: 5, epoch } }
    expect(await both).toMatchObject([refused, refused])
  })

  it('say of a consumer that the database was restored, until it acknowledges again', async () => {
    await events.consumers.create({ name: 'bot', from: 'start' }, {})
    await events.ack({ consumer: 'bot', seq: 2 })
    const former = store.epoch
    await store.close()
    await open(machine.disk, true)
    const { epoch } = store
    expect(epoch).not.toBe(former)
    expect(await events.consumers.list()).toEqual({
      items: [{ name: 'bot', cursor: 2, lag: 3, formerEpoch: former }],
      epoch,
    })
    await events.ack({ consumer: 'bot', seq: 3, epoch })
    expect(await events.consumers.list()).toEqual({
      items: [{ name: 'bot', cursor: 3, lag: 2 }],
      epoch,
    })
  })
})

describe('a worker that has read on since the backup', () => {
  it('acknowledges nothing in the restored database, whose new events have the same numbers', async () => {
    await store.close()
    const disk = memoryDisk()
    await open(disk)
    await events.consumers.create({ name: 'bot', from: 'start' }, {})
    await append(4_800)
    const backup = await copiedDisk(disk)
    await append(210)
    const reading = await events.open({ consumer: 'bot' })
    const read: { readonly seq: number; readonly epoch: string }[] = []
    while (read.length < 5_010) read.push(...(await reading.next(500, never)))
    const last = read.at(-1)
    expect(last).toMatchObject({ seq: 5_010, epoch: store.epoch })
    await store.close()

    await open(backup, true)
    await append(300)
    const held = { consumer: 'bot', seq: last?.seq ?? 0, epoch: last?.epoch ?? '' }
    await expect(events.ack(held)).rejects.toMatchObject({
      code: 'cursor-ahead',
      details: { head: 5_100, epoch: store.epoch },
    })
    const feed = await events.open({ consumer: 'bot', epoch: store.epoch })
    expect(feed.resumedFrom).toBe(0)
    const all: number[] = []
    while (all.length < 5_100) all.push(...seqs(await feed.next(500, never)))
    expect(all).toEqual(range(1, 5_100))
  })
})
