import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/index.ts'
import { hooksApi, hookStatuses } from '../../../src/node/hooks-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import type { HookProgress, NodeApi } from '../../../src/node/index.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { eraseAll } from '../../../src/node/wipe.ts'
import {
  memoryDisk,
  type MemoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const NOTIFY: HookProgress = {
  name: 'notify',
  consumer: 'hook:notify',
  state: 'idle',
  cursor: 0,
  behind: 0,
  failures: 0,
  nextTryAt: null,
  lastError: null,
}
const OTHER: HookProgress = { ...NOTIFY, name: 'other', consumer: 'hook:other' }

const ctx = (key: string) => ({
  idempotency: { scope: 'owner', key, requestHash: new Uint8Array(32).fill(1) },
})

let clock: VirtualClock
let disk: MemoryDisk
let store: Store
let api: NodeApi['hooks']

async function open(): Promise<void> {
  store = await openMemoryStore({ clock, rng: seededRng('hooks'), log: silentLogger }, { disk })
  const idempotency = new Idempotency({ store, running: new RunningClock({ store, clock }) })
  api = hooksApi({ store, idempotency, hooks })
}

const hooks = () => [NOTIFY, OTHER]
const missed = () => hookStatuses({ store, hooks }).map((hook) => [hook.missed, hook.missedAt])
const now = () => new Date(clock.now()).toISOString()

beforeEach(async () => {
  clock = new VirtualClock()
  disk = memoryDisk()
  await open()
  const batch = store.batch()
  for (let i = 0; i < 20; i++) batch.append({ type: 'test.event', data: { i } })
  await batch.commit()
  await store.consumers.create('hook:notify', { from: 'start' })
})
afterEach(() => store.close())

describe('what a hook has missed', () => {
  it('is shown with its own hook, over restarts, until its owner has seen it', async () => {
    const none = [0, null]
    expect(missed()).toEqual([none, none])
    await store.consumers.ack('hook:notify', 5, 4)
    const at = now()
    await clock.advance(60_000)
    await store.close()
    await open()
    expect(missed()).toEqual([[4, at], none])
    const seen = { hook: 'notify', missed: 4, missedAt: at }
    expect(await api.ack({ hook: 'notify' }, {})).toEqual(seen)
    expect(missed()).toEqual([none, none])
    await store.consumers.ack('hook:notify', 9, 1)
    expect(missed()).toEqual([[1, now()], none])
  })

  it('is answered again to whoever repeats the call, and what was lost since stays', async () => {
    await store.consumers.ack('hook:notify', 5, 4)
    const seen = { hook: 'notify', missed: 4, missedAt: now() }
    expect(await api.ack({ hook: 'notify' }, ctx('k'))).toEqual(seen)
    await store.consumers.ack('hook:notify', 9, 1)
    expect(await api.ack({ hook: 'notify' }, ctx('k'))).toEqual({ ...seen, replayed: true })
    expect(missed()[0]).toEqual([1, now()])
  })

  it('is nothing for a hook without a place, and an error for one that is not there', async () => {
    const nothing = { hook: 'other', missed: 0, missedAt: null }
    expect(await api.ack({ hook: 'other' }, {})).toEqual(nothing)
    await expect(api.ack({ hook: 'nobody' }, {})).rejects.toMatchObject({ code: 'not-found' })
  })

  it('goes with the events that a wipe erases', async () => {
    await store.consumers.ack('hook:notify', 5, 4)
    await eraseAll(store, () => {})
    expect(missed()[0]).toEqual([0, null])
  })
})
