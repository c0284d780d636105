import { beforeEach, describe, expect, it } from 'vitest'
import { HearsayError, silentLogger, TaskGroup } from '../../../src/base/index.ts'
import { Healing } from '../../../src/node/healing.ts'
import { Upkeep } from '../../../src/node/upkeep.ts'
import { openMemoryStore, type Store } from '../../../src/store/index.ts'
import { CrashDisk } from '../../support/crash-disk.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let clock: VirtualClock
let machine: CrashDisk
let store: Store
let steps: string[]
let tasks: TaskGroup
let healing: Healing
let opens: (time: number) => HearsayError | undefined

beforeEach(async () => {
  clock = new VirtualClock()
  machine = new CrashDisk()
  steps = []
  opens = () => undefined
  const ports = { clock, rng: seededRng('repair'), log: silentLogger }
  store = await openMemoryStore(ports, { disk: machine.disk })
  tasks = new TaskGroup(silentLogger)
  const note = (step: string) => steps.push(`${step} ${clock.monotonic()}`)
  const watched: Store = Object.create(store, {
    heal: {
      value: async () => {
        const failure = opens(clock.monotonic())
        note(failure === undefined ? 'heal' : 'try')
        if (failure !== undefined) throw failure
        await store.heal()
      },
    },
    state: { value: () => store.state() },
    onPoisoned: { value: (listener: (cause: Error) => void) => store.onPoisoned(listener) },
    isWritable: { value: () => store.isWritable() },
    batch: { value: () => store.batch() },
  }) as Store
  healing = new Healing({
    clock,
    log: silentLogger,
    store: watched,
    quiesce: async () => {
      note('quiesce')
      throw new HearsayError('storage-poisoned', 'last words')
    },
    forget: () => void note('forget'),
    reload: async () => void note(healing.underWay ? 'reload' : 'reload too late'),
    resume: async () => {
      note(healing.underWay || healing.isOver ? 'resume at the wrong moment' : 'resume')
    },
    fail: (cause) => void note(`fail ${(cause as HearsayError).code}`),
  })
  tasks.spawn('healing', (signal) => healing.run(signal))
  await clock.advance(0)
})

async function breakDisk(cause?: string): Promise<void> {
  machine.stopAfter(0, cause)
  await store
    .batch()
    .append({ type: 'test.step', data: {} })
    .commit()
    .catch(() => undefined)
  await clock.advance(0)
}

describe('the healing of a store', () => {
  it('waits for the disk, and then goes on within a second, in the one right order', async () => {
    await breakDisk()
    expect(healing.underWay).toBe(true)
    await clock.advance(60_500)
    expect(steps).toEqual(['quiesce 0'])
    machine.restart('lost')
    await clock.advance(1000)
    expect(steps).toEqual([
      'quiesce 0',
      'forget 61000',
      'heal 61000',
      'reload 61000',
      'resume 61000',
    ])
    expect({ underWay: healing.underWay, isOver: healing.isOver }).toEqual({
      underWay: false,
      isOver: true,
    })
    const { events } = await store.journal.events(0, 10)
    expect(events.map(({ type, data }) => [type, data.reason, data.readonlyMs])).toEqual([
      ['storage.recovered', 'failed', 61_000],
    ])
    await tasks.stop()
  })

  it('tries an opening that fails at growing distances, at most 30 s', async () => {
    opens = () => new HearsayError('storage-failed', 'not yet')
    await breakDisk()
    machine.restart('lost')
    await clock.advance(160_000)
    const times = steps.filter((step) => step.startsWith('try')).map((step) => +step.slice(4))
    const waits = times.slice(1).map((time, i) => time - (times[i] ?? 0))
    expect(times[0]).toBe(1000)
    expect(waits).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000])
    opens = () => undefined
    await clock.advance(30_000)
    expect(store.state()).toBe('ok')
    await tasks.stop()
  })

  it('tries at growing distances also when the disk has room again, and the opening fails for another reason', async () => {
    opens = () => new HearsayError('storage-failed', 'not yet')
    await breakDisk('no space left on device')
    machine.restart('lost')
    await clock.advance(20_000)
    const times = steps.filter((step) => step.startsWith('try')).map((step) => +step.slice(4))
    expect(times).toEqual([1000, 2000, 4000, 8000, 16_000])
    await tasks.stop()
  })

  it('waits longer when the store breaks again at once, and forgets that after a calm minute', async () => {
    const healings = () => steps.filter((step) => step.startsWith('heal')).map((s) => +s.slice(5))
    for (let i = 0; i < 3; i++) {
      await breakDisk()
      machine.restart('lost')
      await clock.advance(10_000)
    }
    const [first = 0, second = 0, third = 0] = healings()
    expect([first, second - 10_000, third - 20_000]).toEqual([1000, 2000, 4000])
    await clock.advance(70_000)
    const brokenAt = clock.monotonic()
    await breakDisk()
    machine.restart('lost')
    await clock.advance(2000)
    expect(healings().at(-1)).toBe(brokenAt + 1000)
    await tasks.stop()
  })

  it('opens a store that was only full within two seconds, however often it is full', async () => {
    const healings = () => steps.filter((step) => step.startsWith('heal')).map((s) => +s.slice(5))
    for (let i = 0; i < 6; i++) {
      await breakDisk('no space left on device')
      machine.restart('lost')
      await clock.advance(10_000)
    }
    const waits = healings().map((time, i) => time - 10_000 * i)
    expect(waits).toEqual([1000, 1000, 1000, 1000, 1000, 1000])
    await tasks.stop()
  })

  it('gives up on a damaged store, and ends when it is told to', async () => {
    opens = () => new HearsayError('storage-corrupt', 'damaged')
    await breakDisk()
    machine.restart('lost')
    await clock.advance(5000)
    expect(steps.at(-1)).toBe('fail storage-corrupt 1000')
    expect(steps.filter((step) => step.startsWith('resume'))).toEqual([])
    await tasks.stop()
  })
})

describe('the eye on the free space', () => {
  const MIB = 1024 * 1024
  let freeBytes = 2 ** 40
  let kept = 0
  let looked = 0
  let renewed = 0
  let pruned = 0
  let isFull = false
  const fitted: number[] = []
  const eye = () => {
    const watched = Object.create(store, {
      space: { value: async () => ({ ...(await store.space()), freeBytes }) },
      state: { value: () => store.state() },
      batch: { value: () => store.batch() },
      keepReserve: { value: async () => void kept++ },
      renewWitness: { value: async () => void renewed++ },
    }) as Store
    const nothing = async () => {}
    return new Upkeep({
      clock,
      log: silentLogger,
      store: watched,
      retry: nothing,
      lookForOrphans: async () => void looked++,
      erase: nothing,
      retain: async () => ({ left: 0 }),
      beat: nothing,
      prune: async () => void pruned++,
      mustPrune: () => isFull,
      fit: (bytes) => void fitted.push(bytes / MIB),
    })
  }

  it('tells once when it becomes scarce and once when it is there again', async () => {
    const upkeep = eye()
    for (const free of [1000, 255, 100, 300, 255, 400, 1000, 10]) {
      freeBytes = free * MIB
      await upkeep.look()
      expect(upkeep.freeBytes).toBe(freeBytes)
    }
    const { events } = await store.journal.events(0, 10)
    expect(events.map(({ type, data }) => [type, Number(data.freeBytes) / MIB])).toEqual([
      ['storage.low', 255],
      ['storage.recovered', 400],
      ['storage.low', 10],
    ])
    await tasks.stop()
  })

  it('gives the home a new mark every ten minutes', async () => {
    freeBytes = 1000 * MIB
    const upkeep = eye()
    tasks.spawn('upkeep', (signal) => upkeep.run(signal))
    for (let i = 0; i < 21; i++) await clock.advance(60_000)
    expect(renewed).toBe(2)
    await tasks.stop()
  })

  it('fits the boxes of others to it at each look, but not in a store that takes no writes', async () => {
    const upkeep = eye()
    fitted.length = 0
    for (const free of [1000, 255, 100, 100]) {
      freeBytes = free * MIB
      await upkeep.look()
    }
    expect(fitted).toEqual([1000, 255, 100, 100])
    await breakDisk()
    await upkeep.tryLook()
    expect(fitted).toHaveLength(4)
    expect(upkeep.freeBytes).toBe(100 * MIB)
    await tasks.stop()
  })

  it('looks every second while it is scarce: who frees some wants to go on at once', async () => {
    const upkeep = eye()
    tasks.spawn('upkeep', (signal) => upkeep.run(signal))
    freeBytes = 10 * MIB
    await clock.advance(10_000)
    expect(upkeep.freeBytes).toBe(10 * MIB)
    freeBytes = 1000 * MIB
    await clock.advance(1_100)
    expect(upkeep.freeBytes).toBe(1000 * MIB)
    // What was given up to open on a full disk has to be there for the next time.
    expect(kept).toBeGreaterThan(9)
    expect(looked).toBe(kept)
    await tasks.stop()
  })

  it('prunes after the start and every six hours, and at the next beat when there is too much', async () => {
    const SIX_HOURS_MS = 6 * 3_600_000
    const upkeep = eye()
    freeBytes = 1000 * MIB
    pruned = 0
    tasks.spawn('upkeep', (signal) => upkeep.run(signal))
    await clock.advance(11_000)
    expect(pruned).toBe(1)
    await clock.advance(SIX_HOURS_MS - 20_000)
    expect(pruned).toBe(1)
    await clock.advance(20_000)
    expect(pruned).toBe(2)
    isFull = true
    await clock.advance(10_000)
    expect(pruned).toBe(3)
    isFull = false
    await clock.advance(60_000)
    expect(pruned).toBe(3)
    await tasks.stop()
  })
})
