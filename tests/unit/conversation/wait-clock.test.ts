import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/index.ts'
import { WaitClock } from '../../../src/conversation/wait-clock.ts'
import { BUCKETS, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { SleepyClock } from '../../support/sleepy-clock.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const YEAR_MS = 365 * 24 * HOUR_MS
const START = Date.UTC(2026, 0, 15, 12)

async function make() {
  const virtual = new VirtualClock(START)
  const clock = new RoughClock(virtual)
  const store = await openMemoryStore({ clock, rng: seededRng('waits'), log: silentLogger })
  const waits = new WaitClock({ clock, store })
  await waits.load()
  return { virtual, clock, store, waits }
}

async function save(waits: WaitClock, store: Store): Promise<boolean> {
  const batch = store.batch()
  const isPut = waits.save(batch)
  await batch.commit()
  return isPut
}

/** As after a restart. */
async function reopened(ports: { clock: RoughClock; store: Store }): Promise<WaitClock> {
  const waits = new WaitClock(ports)
  await waits.load()
  return waits
}

describe('the clock of waits', () => {
  it('is the wall clock, over restarts too', async () => {
    const { virtual, clock, store, waits } = await make()
    expect(waits.now()).toBe(START)
    await virtual.advance(1234.5)
    expect([waits.now(), waits.isAhead]).toEqual([START + 1234, false])
    await save(waits, store)
    await virtual.advance(HOUR_MS)
    expect((await reopened({ clock, store })).now()).toBe(clock.now())
  })

  it('runs on when the wall clock is set back, and is told by it again when that has come up', async () => {
    const { virtual, clock, waits } = await make()
    clock.stepMs = HOUR_MS
    expect(waits.now()).toBe(START + HOUR_MS)
    clock.stepMs = 0
    expect([waits.now(), waits.isAhead]).toEqual([START + HOUR_MS, true])
    await virtual.advance(MINUTE_MS)
    expect(waits.now()).toBe(START + HOUR_MS + MINUTE_MS)
    clock.stepMs = 2 * HOUR_MS
    expect([waits.now(), waits.isAhead]).toEqual([clock.now(), false])
  })

  it('does not count as time that a clock which was behind is set right', async () => {
    const { virtual, clock, store, waits } = await make()
    await save(waits, store)
    clock.stepMs = -50 * YEAR_MS
    const later = await reopened({ clock, store })
    await virtual.advance(MINUTE_MS)
    expect(later.now()).toBe(START + MINUTE_MS)
    clock.stepMs = 0
    expect(later.now()).toBe(START + MINUTE_MS)
  })

  it('gains nothing by a clock that goes to and fro', async () => {
    const { virtual, clock, waits } = await make()
    for (let i = 0; i < 100; i++) {
      clock.stepMs = i % 2 === 0 ? HOUR_MS : -HOUR_MS
      waits.now()
      await virtual.advance(1)
    }
    clock.stepMs = HOUR_MS
    expect(waits.now()).toBe(START + HOUR_MS + 100)
  })

  it('goes on from where it was after a restart, however far ahead that is', async () => {
    const { virtual, clock, store, waits } = await make()
    clock.stepMs = 70 * YEAR_MS
    await save(waits, store)
    clock.stepMs = 0
    const second = await reopened({ clock, store })
    expect(second.now()).toBe(START + 70 * YEAR_MS)
    expect(await save(second, store)).toBe(true)
    // While nothing runs the wall clock is all there is.
    await virtual.advance(HOUR_MS)
    const third = await reopened({ clock, store })
    expect(third.now()).toBe(START + 70 * YEAR_MS + HOUR_MS)
  })

  it('counts the sleep of a machine, also while it is ahead', async () => {
    const virtual = new VirtualClock(START)
    const rough = new RoughClock(virtual)
    const sleepy = new SleepyClock(virtual)
    const clock = Object.assign(rough, { monotonic: () => sleepy.monotonic() })
    const store = await openMemoryStore({ clock, rng: seededRng('sleep'), log: silentLogger })
    const waits = new WaitClock({ clock, store })
    const sleep = async (): Promise<void> => {
      sleepy.suspend()
      await virtual.advance(HOUR_MS)
      sleepy.resume()
    }
    await sleep()
    expect(waits.now()).toBe(START + HOUR_MS)
    rough.stepMs = 9 * HOUR_MS
    waits.now()
    rough.stepMs = 0
    waits.now()
    await sleep()
    expect(waits.now()).toBe(START + 11 * HOUR_MS)
  })

  it('is written at most once a minute, and at once when the wall clock has gone back', async () => {
    const { virtual, clock, store, waits } = await make()
    expect(await save(waits, store)).toBe(true)
    await virtual.advance(MINUTE_MS - 1)
    expect(await save(waits, store)).toBe(false)
    await virtual.advance(1)
    expect(await save(waits, store)).toBe(true)
    clock.stepMs = -HOUR_MS
    expect([await save(waits, store), await save(waits, store)]).toEqual([true, false])
  })

  it('believes the wall clock when what is on disk is no reading', async () => {
    const { clock, store, waits } = await make()
    clock.stepMs = HOUR_MS
    await save(waits, store)
    clock.stepMs = 0
    for await (const [key] of store.iterate(BUCKETS.waitClock)) {
      await store.batch().put(BUCKETS.waitClock, key, new Uint8Array(15)).commit()
    }
    expect((await reopened({ clock, store })).now()).toBe(START)
  })
})
