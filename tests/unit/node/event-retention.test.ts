import { beforeEach, describe, expect, it } from 'vitest'
import { type Clock, silentLogger } from '../../../src/base/index.ts'
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
import { damage } from '../../support/copied-disk.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const HOUR_MS = 3_600_000
const TEN_YEARS_MS = 3_650 * 86_400_000

let clock: VirtualClock
let disk: MemoryDisk
let store: Store
/** What the wall clock is off. */
let offMs = 0
let retention: EventRetention

async function open(): Promise<void> {
  const wall: Clock = {
    now: () => clock.now() + offMs,
    monotonic: () => clock.monotonic(),
    setTimer: (ms, fn) => clock.setTimer(ms, fn),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  }
  const ports = { clock: wall, rng: seededRng('retention'), log: silentLogger }
  store = await openMemoryStore(ports, { disk })
  const running = new RunningClock({ store, clock: wall })
  retention = new EventRetention({ store, running })
}

async function append(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await store.batch().append({ type: 'test.event', data: {} }).commit()
  }
}

/** As a node does every ten minutes, but once an hour. */
async function run(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= HOUR_MS) {
    await clock.advance(Math.min(left, HOUR_MS))
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
    await store.close()
    await open()
    expect(await oldest()).toBe(1)
    offMs = 0
    await append(3)
    await run(EVENTS_KEPT_MS - 48 * HOUR_MS)
    expect(await oldest()).toBe(1)
    await run(26 * HOUR_MS)
    expect(await oldest()).toBe(7)
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
    const bytes = async () =>
      (await store.get(BUCKETS.eventMarks, new TextEncoder().encode('marks')))?.length
    await append(1)
    await run(100 * HOUR_MS)
    expect(await bytes()).toBe(16)
    for (let minutes = 0; minutes < 180; minutes += 10) {
      await append(1)
      await clock.advance(600_000)
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
