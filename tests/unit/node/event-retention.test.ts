import { beforeEach, describe, expect, it } from 'vitest'
import { silentLogger, utf8 } from '../../../src/base/index.ts'
import {
  ACKED_EVENTS_KEPT_MS,
  EventRetention,
  EVENTS_KEPT_MS,
} from '../../../src/node/event-retention.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import {
  BUCKETS,
  memoryDisk,
  type MemoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { MAX_TRIM } from '../../../src/store/constants.ts'
import { damage } from '../../support/copied-disk.ts'
import { runFor, wrongClock } from '../../support/running.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const HOUR_MS = 3_600_000
const TEN_YEARS_MS = 3_650 * 86_400_000

let clock: VirtualClock
let disk: MemoryDisk
let store: Store
/** What the wall clock is off. */
let offMs = 0
let running: RunningClock
let retention: EventRetention

async function open(): Promise<void> {
  const wall = wrongClock(clock, () => offMs)
  const ports = { clock: wall, rng: seededRng('retention'), log: silentLogger }
  store = await openMemoryStore(ports, { disk })
  running = new RunningClock({ store, clock: wall })
  retention = new EventRetention({ store, running })
}

async function append(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await store.batch().append({ type: 'test.event', data: {} }).commit()
  }
}

/** The node is stopped as it should be, and is started again. */
async function restart(): Promise<void> {
  await running.flush()
  await store.close()
  await open()
}

/** As a node does every ten minutes, but once an hour. */
async function run(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= HOUR_MS) {
    await runFor(clock, running, Math.min(left, HOUR_MS))
    await retention.retain()
  }
}

const oldest = async () => (await retention.retain()).oldestSeq

beforeEach(async () => {
  clock = new VirtualClock()
  disk = memoryDisk()
  offMs = 0
  await open()
})

describe('events', () => {
  it('go after a month, and after a week when all have acknowledged them', async () => {
    await store.consumers.create('slow', { from: 'start' })
    await append(10)
    await store.consumers.ack('slow', 4)
    await run(ACKED_EVENTS_KEPT_MS)
    expect(await oldest()).toBe(1)
    await append(10)
    await run(2 * HOUR_MS)
    expect(await oldest()).toBe(5)
    await run(EVENTS_KEPT_MS - ACKED_EVENTS_KEPT_MS - 2 * HOUR_MS)
    expect(await oldest()).toBe(5)
    await run(2 * HOUR_MS)
    expect(await oldest()).toBe(11)
    await run(ACKED_EVENTS_KEPT_MS)
    expect(await oldest()).toBe(21)
  })

  it('have the age that the node ran, over its starts, and not that of what was off', async () => {
    await append(3)
    await run(ACKED_EVENTS_KEPT_MS - HOUR_MS)
    await running.flush()
    await store.close()
    await clock.advance(TEN_YEARS_MS)
    await open()
    expect(await oldest()).toBe(1)
    await run(3 * HOUR_MS)
    expect(await oldest()).toBe(4)
  })

  it.each([
    ['ahead', TEN_YEARS_MS],
    ['behind', -TEN_YEARS_MS],
  ])('stay, and go, whatever a wall clock that is %s says', async (_, ms) => {
    await store.consumers.create('away', { from: 'start' })
    await append(3)
    await run(24 * HOUR_MS)
    offMs = ms
    await append(3)
    await run(24 * HOUR_MS)
    await restart()
    expect(await oldest()).toBe(1)
    offMs = 0
    await append(3)
    await run(EVENTS_KEPT_MS - 48 * HOUR_MS)
    expect(await oldest()).toBe(1)
    await run(26 * HOUR_MS)
    expect(await oldest()).toBe(7)
  })

  it('have no age of a time in which the process was halted, or the machine slept', async () => {
    await append(3)
    await run(HOUR_MS)
    await clock.advance(EVENTS_KEPT_MS)
    expect(await oldest()).toBe(1)
    await run(ACKED_EVENTS_KEPT_MS)
    expect(await oldest()).toBe(4)
  })

  it('keep their ages when the node is killed just after a mark, however recent the reading of its clock is', async () => {
    const MINUTE_MS = 60_000
    const marks = async () => (await store.get(BUCKETS.eventMarks, utf8('marks')))?.length ?? 0
    await append(3)
    for (let life = 0; life < 24; life++) {
      const before = await marks()
      for (let minute = 0; (await marks()) === before; minute++) {
        await runFor(clock, running, MINUTE_MS)
        if (minute % 10 === 0) await retention.retain()
        if (minute % 10 !== (life % 4) + 6) continue
        // As a mutation does, which needs no mark beside it.
        const batch = store.batch().append({ type: 'test.event', data: {} })
        running.save(batch, await running.now())
        await batch.commit()
      }
      await store.close()
      await open()
    }
    const before = await running.now()
    expect(before).toBeGreaterThan(23 * HOUR_MS)
    await run(ACKED_EVENTS_KEPT_MS - before - HOUR_MS)
    expect(await oldest()).toBe(1)
    await run(4 * HOUR_MS)
    expect(await oldest()).toBeGreaterThanOrEqual(4)
    await run(24 * HOUR_MS)
    expect(await oldest()).toBe(store.headSeq() + 1)
  })

  it('go a bounded number at a time', async () => {
    const batch = store.batch()
    for (let i = 0; i < MAX_TRIM + 5; i++) batch.append({ type: 'test.event', data: {} })
    await batch.commit()
    await retention.retain()
    await runFor(clock, running, ACKED_EVENTS_KEPT_MS)
    expect(await retention.retain()).toMatchObject({ removed: MAX_TRIM, left: 5 })
    expect(await retention.retain()).toMatchObject({ removed: 5, left: 0 })
  })

  it('stay as if they came now when their marks are damaged, or what the node ran was lost', async () => {
    for (const bucket of [BUCKETS.eventMarks, BUCKETS.runningClock]) {
      await append(3)
      await run(ACKED_EVENTS_KEPT_MS - HOUR_MS)
      await store.close()
      await damage(disk, bucket)
      await open()
      const from = await oldest()
      await run(ACKED_EVENTS_KEPT_MS - HOUR_MS)
      expect(await oldest()).toBe(from)
      await run(3 * HOUR_MS)
      expect(await oldest()).toBe(store.headSeq() + 1)
    }
  })

  it('cost nothing to keep while none comes, and one mark an hour at most', async () => {
    const bytes = async () => (await store.get(BUCKETS.eventMarks, utf8('marks')))?.length
    await append(1)
    await run(100 * HOUR_MS)
    expect(await bytes()).toBe(16)
    for (let minutes = 0; minutes < 180; minutes += 10) {
      await append(1)
      await runFor(clock, running, 600_000)
      await retention.retain()
    }
    expect(await bytes()).toBeLessThanOrEqual(16 + 16 * 3)
    for (let day = 0; day < 90; day++) {
      await append(1)
      await run(24 * HOUR_MS)
    }
    expect(await bytes()).toBeLessThanOrEqual(16 * 33)
  })
})

describe('how long events are kept at the present rate', () => {
  const DAY_MS = 24 * HOUR_MS

  async function burst(count: number, text = ''): Promise<void> {
    const batch = store.batch()
    for (let i = 0; i < count; i++) batch.append({ type: 'test.event', data: { text } })
    await batch.commit()
  }

  /** An hour after the first event, in which so many came. */
  async function firstHour(count: number, text?: string): Promise<void> {
    await append(1)
    await retention.retain()
    await burst(count, text)
    await run(HOUR_MS)
  }

  it('is not known before an hour, and then the time for which they are kept at most', async () => {
    expect(await retention.estimateMs()).toBeUndefined()
    await append(1)
    await retention.retain()
    await runFor(clock, running, HOUR_MS - 60_000)
    expect(await retention.estimateMs()).toBeUndefined()
    await run(HOUR_MS)
    expect(await retention.estimateMs()).toBe(ACKED_EVENTS_KEPT_MS)
    await store.consumers.create('slow', { from: 'start' })
    expect(await retention.estimateMs()).toBe(EVENTS_KEPT_MS)
  })

  it('is less where there are so many that their number is the limit, for a day', async () => {
    await store.consumers.create('slow', { from: 'start' })
    await firstHour(3_000)
    // A million at 3,000 an hour.
    expect(await retention.estimateMs()).toBeCloseTo((1_000_000 / 3_000) * HOUR_MS, -3)
    for (let hour = 0; hour < 26; hour++) {
      await append(1)
      await run(HOUR_MS)
    }
    expect(await retention.estimateMs()).toBe(EVENTS_KEPT_MS)
  })

  it('is less where they are so large that their size is the limit', async () => {
    await store.consumers.create('slow', { from: 'start' })
    await firstHour(100, 'x'.repeat(30_000))
    // A GiB at 3 MB an hour.
    const hours = ((await retention.estimateMs()) ?? 0) / HOUR_MS
    expect(hours).toBeGreaterThan(340)
    expect(hours).toBeLessThan(370)
  })

  it('is what is left when the marks are damaged: not known', async () => {
    await firstHour(10)
    expect(await retention.estimateMs()).toBe(ACKED_EVENTS_KEPT_MS)
    await damage(disk, BUCKETS.eventMarks)
    expect(await retention.estimateMs()).toBeUndefined()
    await run(DAY_MS)
    await append(1)
    await run(2 * HOUR_MS)
    expect(await retention.estimateMs()).toBe(ACKED_EVENTS_KEPT_MS)
  })
})
