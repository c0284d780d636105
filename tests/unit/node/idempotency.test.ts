import { beforeEach, describe, expect, it } from 'vitest'
import { DAY_MS, MINUTE_MS, silentLogger, utf8 } from '../../../src/base/index.ts'
import { EVENTS_KEPT_MS } from '../../../src/node/event-retention.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { eraseAll } from '../../../src/node/wipe.ts'
import {
  BUCKETS,
  memoryDisk,
  type MemoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { codeOf } from '../../support/devices.ts'
import { runFor, wrongClock } from '../../support/running.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const hash = (fill: number) => new Uint8Array(32).fill(fill)
const ctx = (key = 'k', fill = 1) => ({
  idempotency: { scope: 'owner', key, requestHash: hash(fill) },
})

let clock: VirtualClock
let disk: MemoryDisk
let store: Store
/** What the wall clock is off. */
let offMs = 0
let running: RunningClock
let idempotency: Idempotency

async function open(): Promise<void> {
  store = await openMemoryStore(
    { clock, rng: seededRng('idempotency'), log: silentLogger },
    { disk },
  )
  const wrong = wrongClock(clock, () => offMs)
  running = new RunningClock({ store, clock: wrong })
  idempotency = new Idempotency({ store, running })
}

beforeEach(async () => {
  clock = new VirtualClock()
  offMs = 0
  disk = memoryDisk()
  await open()
})

/** The journal keeps no event that is there now. */
async function dropEvents(): Promise<void> {
  await store.retain({ dropUpTo: store.headSeq() })
}

/** An effect with an event, counted. */
function counted() {
  const runs = { prepared: 0, completed: 0 }
  const effect = () => {
    runs.prepared += 1
    return (batch: ReturnType<Store['batch']>) => {
      batch.append({ type: 'test', data: {} })
      return (events: readonly { seq: number }[]) => ({ seq: events[0]?.seq ?? 0 })
    }
  }
  return { runs, effect }
}

describe('idempotency', () => {
  it('answers with the number of the event and repeats it after a restart', async () => {
    const { runs, effect } = counted()
    expect(await idempotency.run(ctx(), effect)).toEqual({ seq: 1 })
    await idempotency.settled()
    await store.close()
    await open()
    expect(await idempotency.run(ctx(), effect)).toEqual({ seq: 1, replayed: true })
    expect(runs.prepared).toBe(1)
  })

  it('finishes what a crash cut off between the commit and the rest, once and not again', async () => {
    const { runs, effect } = counted()
    let crash = true
    const complete = async (result: { seq: number }, since: number) => {
      runs.completed += 1
      if (crash) throw new Error('crash')
      return { seq: result.seq === 0 ? since + 1 : result.seq }
    }
    await expect(idempotency.run(ctx(), effect, complete)).rejects.toThrow('crash')
    await store.close()
    await open()
    crash = false
    expect(await idempotency.run(ctx(), effect, complete)).toEqual({ seq: 1, replayed: true })
    expect(await idempotency.run(ctx(), effect, complete)).toEqual({ seq: 1, replayed: true })
    expect(runs).toEqual({ prepared: 1, completed: 2 })
    expect(store.headSeq()).toBe(1)
  })

  it('leaves the key free when preparing or the effect fails', async () => {
    const { effect } = counted()
    const failing = () => () => {
      throw new Error('no')
    }
    await expect(idempotency.run(ctx(), failing)).rejects.toThrow('no')
    await expect(idempotency.run(ctx(), () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    )
    expect(await idempotency.run(ctx('k', 2), effect)).toEqual({ seq: 1 })
    await expect(idempotency.run(ctx('k', 1), effect)).rejects.toMatchObject({
      code: 'idempotency-conflict',
    })
  })

  it('runs one of a hundred at the same time, and keeps keys and callers apart', async () => {
    const { runs, effect } = counted()
    const all = await Promise.all(Array.from({ length: 100 }, () => idempotency.run(ctx(), effect)))
    expect(all.filter((each) => each.replayed !== true)).toHaveLength(1)
    expect(new Set(all.map(({ seq }) => seq))).toEqual(new Set([1]))
    await idempotency.run(ctx('other'), effect)
    const elsewhere = { idempotency: { ...ctx().idempotency, scope: 'somebody' } }
    await idempotency.run(elsewhere, effect)
    expect(runs.prepared).toBe(3)
  })

  it('lets mutations wait in line when very many come at once, and refuses none', async () => {
    const { effect } = counted()
    let most = 0
    let now = 0
    const prepare = async () => {
      now += 1
      most = Math.max(most, now)
      const batch = effect()
      return (into: ReturnType<Store['batch']>) => {
        now -= 1
        return batch(into)
      }
    }
    const all = await Promise.all(Array.from({ length: 1_000 }, () => idempotency.run({}, prepare)))
    expect(new Set(all.map(({ seq }) => seq)).size).toBe(1_000)
    expect(most).toBeLessThanOrEqual(128)
  })

  it('forgets records when events go, and those that mention what was removed', async () => {
    const { effect } = counted()
    await idempotency.run(ctx('old'), effect)
    await runFor(clock, running, EVENTS_KEPT_MS - 1_000)
    await idempotency.run(ctx('young'), effect)
    await idempotency.remember(ctx('secret'), async () => ({ contactId: 'somebody' }))
    await idempotency.settled()
    await dropEvents()
    expect(await idempotency.prune()).toBe(0)
    await runFor(clock, running, 2_000)
    expect(await idempotency.prune()).toBe(1)
    expect(await idempotency.run(ctx('young'), effect)).toMatchObject({ replayed: true })
    expect(await idempotency.run(ctx('old', 9), effect)).not.toHaveProperty('replayed')
    expect(await idempotency.forget('somebody', { contactId: 'somebody' })).toBe(0)
    expect(await idempotency.forget('somebody', { contactId: 'other' })).toBe(1)
  })

  it('leaves the rest to the next time when the node stops', async () => {
    const { effect } = counted()
    await idempotency.run(ctx('old'), effect)
    await idempotency.settled()
    await runFor(clock, running, EVENTS_KEPT_MS + DAY_MS)
    await dropEvents()
    expect(await idempotency.prune(AbortSignal.abort())).toBe(0)
    expect(await idempotency.prune()).toBe(1)
  })

  it('keeps a record while an event is kept that was there before it', async () => {
    const { effect } = counted()
    await store.batch().append({ type: 'test.asked', data: {} }).commit()
    const asked = store.headSeq()
    await idempotency.run(ctx('answer'), effect)
    await runFor(clock, running, EVENTS_KEPT_MS + DAY_MS)
    expect(await idempotency.prune()).toBe(0)
    expect(await idempotency.run(ctx('answer'), effect)).toMatchObject({ replayed: true })
    await store.retain({ dropUpTo: asked })
    // Its own event is there still: nobody made the key from that.
    expect(store.journal.oldestSeq()).toBe(store.headSeq())
    expect(await idempotency.prune()).toBe(1)
  })
})

describe('very many records', () => {
  const NEW = new Error('a new key')
  const answer = async () => ({ text: 'x'.repeat(400) })

  /** One record a minute. */
  async function fill(limited: Idempotency, from: number, to: number): Promise<void> {
    for (let i = from; i < to; i++) {
      await limited.remember(ctx(`k${i}`), answer)
      await runFor(clock, running, MINUTE_MS)
    }
    await limited.settled()
  }

  /** The first key that is remembered; all after it are. */
  async function firstKnown(limited: Idempotency, count: number): Promise<number> {
    const known: boolean[] = []
    for (let i = count - 1; i >= 0; i--) {
      // Another request is refused under a key that is known, and has no effect.
      const code = await codeOf(() => limited.run(ctx(`k${i}`, 9), () => Promise.reject(NEW)))
      known.unshift(code === 'idempotency-conflict')
    }
    expect(known).toEqual(known.toSorted((a, b) => Number(a) - Number(b)))
    return known.includes(true) ? known.indexOf(true) : count
  }

  it('lose the oldest quarter beyond their number, however young they are', async () => {
    const limited = new Idempotency({ store, running }, { records: 8, bytes: 1_000_000 })
    await fill(limited, 0, 8)
    expect(limited.isFull).toBe(false)
    expect(await limited.prune()).toBe(0)
    await fill(limited, 8, 9)
    expect(limited.isFull).toBe(true)
    expect(await limited.prune()).toBe(3)
    expect(limited.isFull).toBe(false)
    expect(await firstKnown(limited, 9)).toBe(3)
    // A key that was forgotten is free: its call has its effect once more.
    expect(await limited.remember(ctx('k0'), answer)).not.toHaveProperty('replayed')
  })

  it('lose the oldest beyond their bytes', async () => {
    const limited = new Idempotency({ store, running }, { records: 1_000, bytes: 5_000 })
    let made = 0
    for (; !limited.isFull; made++) await fill(limited, made, made + 1)
    // Of 524 bytes each.
    expect(made).toBe(10)
    const left = made - (await limited.prune())
    expect(left).toBe(7)
    expect(await firstKnown(limited, made)).toBe(made - left)
  })

  it('are counted by the first look after a start', async () => {
    await fill(idempotency, 0, 12)
    await store.close()
    await open()
    const limited = new Idempotency({ store, running }, { records: 8, bytes: 1_000_000 })
    expect(await limited.prune()).toBe(6)
    await fill(limited, 12, 14)
    expect(limited.isFull).toBe(false)
    await fill(limited, 14, 15)
    expect(limited.isFull).toBe(true)
  })

  it('are not counted twice when they are used again or finished later', async () => {
    const limited = new Idempotency({ store, running }, { records: 3, bytes: 1_000_000 })
    const { effect } = counted()
    for (let i = 0; i < 3; i++) {
      await limited.run(ctx(`k${i}`), effect, async (result) => result)
      await limited.run(ctx(`k${i}`), effect)
    }
    await limited.settled()
    expect(limited.isFull).toBe(false)
    expect(await limited.prune()).toBe(0)
    expect(limited.isFull).toBe(false)
  })

  it('lose those first whose clock was lost: they look younger than they are', async () => {
    await runFor(clock, running, DAY_MS)
    await fill(idempotency, 0, 5)
    await store.close()
    await damage(disk, BUCKETS.runningClock)
    await open()
    const limited = new Idempotency({ store, running }, { records: 8, bytes: 1_000_000 })
    await fill(limited, 5, 9)
    expect(await limited.prune()).toBe(5)
    expect(await firstKnown(limited, 9)).toBe(5)
  })

  it('stay whole in a minute: only what is older goes', async () => {
    const limited = new Idempotency({ store, running }, { records: 8, bytes: 1_000_000 })
    await fill(limited, 0, 1)
    for (let i = 1; i < 12; i++) await limited.remember(ctx(`k${i}`), answer)
    await limited.settled()
    expect(await limited.prune()).toBe(1)
    expect(await firstKnown(limited, 12)).toBe(1)
  })
})

describe('a wall clock that is wrong', () => {
  const TEN_YEARS_MS = 3_650 * 86_400_000

  it.each([
    ['behind', -TEN_YEARS_MS],
    ['ahead', TEN_YEARS_MS],
  ])('ends no record, and keeps none for ever: %s', async (_, ms) => {
    const { effect } = counted()
    await idempotency.run(ctx('before'), effect)
    offMs = ms
    await idempotency.run(ctx('meanwhile'), effect)
    await idempotency.settled()
    expect(await idempotency.prune()).toBe(0)
    await store.close()
    offMs = 0
    await open()
    expect(await idempotency.prune()).toBe(0)
    for (const key of ['before', 'meanwhile']) {
      expect(await idempotency.run(ctx(key), effect)).toMatchObject({ replayed: true })
    }
    await dropEvents()
    await runFor(clock, running, EVENTS_KEPT_MS + 1_000)
    expect(await idempotency.prune()).toBe(2)
  })

  it('does not hide how long the node has run before its last start', async () => {
    const { effect } = counted()
    await idempotency.run(ctx('old'), effect)
    await runFor(clock, running, EVENTS_KEPT_MS - 1_000)
    await idempotency.prune()
    await store.close()
    await open()
    await runFor(clock, running, 2_000)
    expect(await idempotency.prune()).toBe(1)
  })
})

describe('a damaged record', () => {
  it('refuses its own retry, and stops neither the pruning nor the forgetting of others', async () => {
    const { runs, effect } = counted()
    await idempotency.run(ctx('damaged'), effect)
    await store.close()
    await damage(disk, BUCKETS.idempotency)
    await open()
    await idempotency.remember(ctx('other'), async () => ({ contactId: 'somebody' }))
    expect(await codeOf(() => idempotency.run(ctx('damaged'), effect))).toBe('storage-corrupt')
    expect(runs.prepared).toBe(1)
    expect(await idempotency.forget('somebody', {})).toBe(1)
    await idempotency.run(ctx('old'), effect)
    await dropEvents()
    await runFor(clock, running, EVENTS_KEPT_MS + 1_000)
    expect(await idempotency.prune()).toBe(1)
  })
})

describe('a wipe', () => {
  it('erases what is damaged too', async () => {
    await store.batch().put(BUCKETS.messages, utf8('m'), utf8('text')).commit()
    await store.close()
    await damage(disk, BUCKETS.messages)
    await open()
    await eraseAll(store, () => {})
    for await (const key of store.keys(BUCKETS.messages)) expect(key).toBeUndefined()
  })

  it('that is cut off anywhere is finished by the next one', async () => {
    for (let i = 0; i < 600; i++) {
      const batch = store.batch().put(BUCKETS.messages, utf8(`m${i}`), utf8('text'))
      batch
        .putSecret(BUCKETS.contacts, utf8(`c${i}`), utf8('key'))
        .append({ type: 'test', data: {} })
      await batch.put(BUCKETS.settings, utf8('kept'), utf8('yes')).commit()
    }
    await store.consumers.create('bot', { from: 'start' })
    const crash = () => {
      throw new Error('crash')
    }
    await expect(eraseAll(store, crash)).rejects.toThrow('crash')
    await store.close()
    await open()
    await eraseAll(store, () => {})
    for (const bucket of [BUCKETS.messages, BUCKETS.contacts]) {
      for await (const entry of store.iterate(bucket)) expect(entry).toBeUndefined()
    }
    expect(await store.get(BUCKETS.settings, utf8('kept'))).toBeDefined()
    expect(store.journal.oldestSeq()).toBe(store.headSeq() + 1)
    const feed = await store.feed({ consumer: 'bot' })
    expect(feed.resumedFrom).toBe(600)
  })
})
