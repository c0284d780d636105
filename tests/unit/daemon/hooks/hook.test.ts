import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HookConfig } from '../../../../daemon/config/index.ts'
import { Hook } from '../../../../daemon/hooks/hook.ts'
import type { ProgramEnd } from '../../../../daemon/hooks/program.ts'
import { silentLogger, TaskGroup } from '../../../../src/base/index.ts'
import type { EventView, HookStatus, NodeApi } from '../../../../src/node/index.ts'
import { eventsApi } from '../../../../src/node/events-api.ts'
import { hookStatuses } from '../../../../src/node/hooks-api.ts'
import { Idempotency } from '../../../../src/node/idempotency.ts'
import { RunningClock } from '../../../../src/node/running-clock.ts'
import { eraseAll } from '../../../../src/node/wipe.ts'
import {
  memoryDisk,
  type MemoryDisk,
  openMemoryStore,
  type Store,
} from '../../../../src/store/index.ts'
import { eventKey } from '../../../../src/store/journal-stage.ts'
import { CrashDisk } from '../../../support/crash-disk.ts'
import { seededRng } from '../../../support/seeded-rng.ts'
import { VirtualClock } from '../../../support/virtual-clock.ts'

const CONFIG: HookConfig = {
  name: 'notify',
  command: ['/bin/true'],
  events: ['message.received'],
  timeoutMs: 30_000,
  enabled: true,
}
const OK: ProgramEnd = { kind: 'ok' }
const fails = (error: string): ProgramEnd => ({ kind: 'failed', error })

let clock: VirtualClock
let disk: MemoryDisk
let store: Store
let events: NodeApi['events']
let tasks: TaskGroup
/** What each run of the program ends with; `ok` when nothing is left. */
let ends: (ProgramEnd | Promise<ProgramEnd>)[]
let given: number[]

async function open(): Promise<void> {
  const ports = { clock, rng: seededRng('hook'), log: silentLogger }
  store = await openMemoryStore(ports, { disk })
  const running = new RunningClock({ store, clock })
  events = eventsApi({ store, clock, idempotency: new Idempotency({ store, running }) })
  tasks = new TaskGroup(silentLogger)
}

async function restart(): Promise<void> {
  await tasks.stop()
  await store.close()
  await open()
  given = []
}

beforeEach(async () => {
  clock = new VirtualClock()
  disk = memoryDisk()
  ends = []
  given = []
  await open()
})
afterEach(async () => {
  await tasks.stop()
  await store.close()
})

async function started(config: Partial<HookConfig> = {}): Promise<Hook> {
  const run = async (input: string): Promise<ProgramEnd> => {
    given.push((JSON.parse(input) as EventView).seq)
    return ends.shift() ?? OK
  }
  const hook = new Hook({ clock, log: silentLogger, events, run }, { ...CONFIG, ...config })
  await hook.open()
  tasks.spawn('hook', (signal) => hook.run(signal))
  await clock.advance(0)
  return hook
}

async function append(count: number, type = 'message.received'): Promise<void> {
  const batch = store.batch()
  for (let i = 0; i < count; i++) batch.append({ type, data: { i } })
  await batch.commit()
  await clock.advance(0)
}

const cursor = () => store.consumers.get('hook:notify').cursor
const status = (hook: Hook): HookStatus => {
  const [found] = hookStatuses({ store, hooks: (head) => [hook.status(head)] })
  if (found === undefined) throw new Error('no status')
  return found
}

describe('a hook', () => {
  it('gives every event of its types in order and moves its place behind each', async () => {
    await append(2)
    const hook = await started()
    await append(3)
    await append(1, 'message.queued')
    await append(1)
    expect(given).toEqual([3, 4, 5, 7])
    expect(cursor()).toBe(7)
    expect(status(hook)).toMatchObject({ state: 'idle', cursor: 7, behind: 0, failures: 0 })
  })

  it('gives an event again after 1 s, 2 s, 4 s … 10 min, and none behind it before', async () => {
    const hook = await started()
    ends = Array.from({ length: 14 }, () => fails('exit 3'))
    await append(2)
    const times: number[] = []
    for (let runs = 1; runs <= 14; runs++) {
      expect(given).toEqual(Array.from({ length: runs }, () => 1))
      const { nextTryAt, ...rest } = status(hook)
      expect(rest).toMatchObject({
        state: 'retrying',
        failures: runs,
        lastError: 'exit 3',
        behind: 2,
      })
      const wait = Date.parse(nextTryAt ?? '') - clock.now()
      times.push(wait)
      await clock.advance(wait)
    }
    expect(times.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000])
    expect(times.slice(-4)).toEqual([600_000, 600_000, 600_000, 600_000])
    expect(given.slice(-2)).toEqual([1, 2])
    expect(status(hook)).toMatchObject({
      state: 'idle',
      failures: 0,
      lastError: null,
      nextTryAt: null,
    })
  })

  it('goes on behind its last acknowledgement after a restart, and repeats what was under way', async () => {
    await started()
    const never = Promise.withResolvers<ProgramEnd>()
    ends = [OK, never.promise]
    await append(3)
    expect(given).toEqual([1, 2])
    never.resolve({ kind: 'stopped' })
    await restart()
    await started()
    expect(given).toEqual([2, 3])
  })

  it('acknowledges nothing for a program that was stopped', async () => {
    await started()
    const never = Promise.withResolvers<ProgramEnd>()
    ends = [never.promise]
    await append(1)
    const stopped = tasks.stop()
    never.resolve({ kind: 'stopped' })
    await stopped
    expect(cursor()).toBe(0)
  })

  it('does not hold back retention when its events are rare', async () => {
    await started()
    for (let i = 0; i < 5; i++) {
      await append(100, 'message.queued')
      await append(0)
      await clock.advance(61_000)
    }
    expect(given).toEqual([])
    expect(cursor()).toBeGreaterThanOrEqual(256)
  })

  it.each([
    [['message.received'], [1, 3], 1],
    [['message.received', 'storage.*'], [1, 2, 3], 0],
  ])(
    'of %j counts a damaged event unless it asked for it, and goes on',
    async (types, seqs, missed) => {
      await events.consumers.create({ name: 'hook:notify', from: 'now' }, {})
      await append(3)
      await disk.engine.write([{ type: 'del', key: eventKey(2) }])
      const hook = await started({ events: types })
      expect(given).toEqual(seqs)
      expect(status(hook)).toMatchObject({ missed, state: 'idle', behind: 0, cursor: 3 })
    },
  )

  it('says how many events it has missed when they became too old, and goes on', async () => {
    const hook = await started()
    ends = [fails('timeout')]
    await append(3)
    await store.journal.trim(3)
    // The three it holds already; what comes behind them is read anew.
    await clock.advance(1_000)
    expect(given).toEqual([1, 1, 2, 3])
    ends = Array.from({ length: 3 }, () => fails('exit 1'))
    await append(30)
    await store.journal.trim(30)
    await clock.advance(10_000)
    expect(status(hook)).toMatchObject({ missed: 10, state: 'idle', behind: 0, cursor: 33 })
    expect(given.slice(-4)).toEqual([30, 31, 32, 33])
  })

  it('says over restarts how many it has missed, and when that was found', async () => {
    await started()
    await tasks.stop()
    await append(10)
    await store.journal.trim(6)
    tasks = new TaskGroup(silentLogger)
    const missedAt = new Date(clock.now()).toISOString()
    expect(status(await started())).toMatchObject({ missed: 5, missedAt, cursor: 10 })
    expect(given).toEqual([6, 7, 8, 9, 10])
    await clock.advance(5_000)
    await restart()
    const hook = await started()
    expect(given).toEqual([])
    expect(status(hook)).toMatchObject({ missed: 5, missedAt, state: 'idle', cursor: 10 })
    const later = new Date(clock.now()).toISOString()
    ends = [fails('exit 1')]
    await append(17)
    await store.journal.trim(28)
    await clock.advance(1_000)
    const found = status(hook)
    expect(found).toMatchObject({ missed: 6, state: 'idle', cursor: 27 })
    expect(Date.parse(found.missedAt ?? '')).toBeGreaterThan(Date.parse(later))
  })

  it('has on disk what it missed before its program runs again', async () => {
    await events.consumers.create({ name: 'hook:notify', from: 'now' }, {})
    await append(3)
    await disk.engine.write([{ type: 'del', key: eventKey(1) }])
    const never = Promise.withResolvers<ProgramEnd>()
    ends = [never.promise]
    await started()
    expect(given).toEqual([2])
    never.resolve({ kind: 'stopped' })
    await restart()
    expect(store.consumers.get('hook:notify')).toMatchObject({ cursor: 1, losses: { events: 1 } })
    expect(status(await started())).toMatchObject({ missed: 1, state: 'idle', cursor: 3 })
    expect(given).toEqual([2, 3])
  })

  it('has missed nothing when what was of no interest to it is old by the next start', async () => {
    await started()
    await append(3, 'message.queued')
    await clock.advance(61_000)
    await append(2, 'message.queued')
    await clock.advance(86_400_000 + 61_000)
    await store.journal.trim(6)
    await restart()
    expect(status(await started())).toMatchObject({ missed: 0, missedAt: null, cursor: 5 })
  })

  it('has missed nothing of what its owner has erased', async () => {
    const hook = await started()
    ends = [fails('exit 1')]
    await append(20)
    await eraseAll(store, () => {})
    await append(1)
    await clock.advance(1_000)
    expect(given.at(-1)).toBe(21)
    expect(status(hook)).toMatchObject({ missed: 0, missedAt: null, state: 'idle', cursor: 21 })
  })

  it('makes its place again at the same event when somebody deletes it', async () => {
    await started()
    await append(1)
    await store.consumers.delete('hook:notify')
    await append(1)
    expect(given).toEqual([1, 2])
    expect(cursor()).toBe(2)
  })

  it.each([
    ['before', [1, 2, 3, 1, 2, 3]],
    ['after', [1, 1, 2, 3]],
  ])(
    'whose program ends %s the store is healed to an older state begins again at its place there',
    async (moment, seqs) => {
      await store.close()
      const machine = new CrashDisk()
      machine.inode = 1n
      disk = machine.disk
      await open()
      const program = Promise.withResolvers<ProgramEnd>()
      ends = [program.promise]
      const hook = await started()
      await append(3)
      const { epoch } = store
      machine.stopAfter(0)
      await append(1).catch(() => undefined)
      if (moment === 'before') program.resolve(OK)
      await clock.advance(0)
      machine.inode = 2n
      machine.restart('lost')
      await store.heal()
      expect(store.epoch).not.toBe(epoch)
      expect(cursor()).toBe(0)
      program.resolve(OK)
      await clock.advance(0)
      expect(status(hook)).toMatchObject({ state: 'retrying', lastError: 'cursor-ahead' })
      await clock.advance(1_000)
      expect(given).toEqual(seqs)
      expect(cursor()).toBe(3)
      expect(status(hook)).toMatchObject({ state: 'idle', cursor: 3, behind: 0, missed: 0 })
    },
  )

  it('that is off is not run and keeps its place', async () => {
    await started()
    await append(1)
    await tasks.stop()
    tasks = new TaskGroup(silentLogger)
    const off = await started({ enabled: false })
    await append(2)
    expect(status(off)).toMatchObject({ state: 'off', cursor: 1, behind: 2 })
    await started()
    expect(given).toEqual([1, 2, 3])
  })
})
