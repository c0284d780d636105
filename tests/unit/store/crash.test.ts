import { describe, expect, it } from 'vitest'
import { type Rng, systemRng, toHex, utf8 } from '../../../src/base/index.ts'
import { BUCKETS, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { CrashDisk, type Fate } from '../../support/crash-disk.ts'
import { storePorts } from '../../support/store-contract.ts'

const bucket = BUCKETS.scratch
const SHELF = '/memory/secrets.shelf'
const FATES: readonly Fate[] = ['lost', 'kept', 'torn', 'mixed']

type State = Record<string, string>
interface Step {
  secrets?: State
  plain?: State
  deleted?: string[]
}

/** Every transition that a slot can make: new, renewed, freed, reused, shared group, plain over secret. */
const SCRIPT: readonly Step[] = [
  { secrets: { a: 'a1', b: 'b1' } },
  { secrets: { a: 'a2' } },
  { deleted: ['b'], secrets: { c: 'c1' } },
  { secrets: { a: 'a3', d: 'd1' }, plain: { p: 'p1' } },
  { plain: { c: 'now plain' } },
  { deleted: ['a', 'd'] },
  { secrets: { a: 'a4', b: 'b2', c: 'secret again' } },
]

function after(state: State, step: Step): State {
  const next = { ...state, ...step.secrets, ...step.plain }
  for (const key of step.deleted ?? []) delete next[key]
  return next
}

function commit(store: Store, step: Step) {
  const batch = store.batch().append({ type: 'test.step', data: {} })
  for (const key of step.deleted ?? []) batch.delSecret(bucket, utf8(key))
  for (const [key, value] of Object.entries(step.secrets ?? {})) {
    batch.putSecret(bucket, utf8(key), utf8(value))
  }
  for (const [key, value] of Object.entries(step.plain ?? {})) {
    batch.put(bucket, utf8(key), utf8(value))
  }
  return batch.commit()
}

async function read(store: Store): Promise<State> {
  const state: State = {}
  for await (const [key, value] of store.iterate(bucket)) {
    state[Buffer.from(key).toString()] = Buffer.from(value).toString()
  }
  return state
}

/** Remembers every 32-byte draw: the keys of the shelf are among them. */
function recordingRng(): Rng & { keys: string[] } {
  const keys: string[] = []
  return {
    keys,
    bytes: (length) => {
      const bytes = systemRng.bytes(length)
      if (length === 32) keys.push(toHex(bytes))
      return bytes
    },
  }
}

const liveKeys = (image: Uint8Array, keys: readonly string[]) =>
  keys.filter((key) => toHex(image).includes(key)).length

async function runUntilStop(machine: CrashDisk, rng: Rng, stop: number) {
  machine.stopAfter(stop)
  let acknowledged: State = {}
  let attempted: State = {}
  let done = 0
  try {
    const store = await openMemoryStore({ ...storePorts, rng }, { disk: machine.disk })
    for (const step of SCRIPT) {
      attempted = after(acknowledged, step)
      await commit(store, step)
      acknowledged = attempted
      done++
    }
  } catch {
    // The machine has stopped.
  }
  return { acknowledged, attempted, done }
}

describe('the store after a stop at any step', () => {
  it('holds all or nothing of the commit under way, and every acknowledged one', async () => {
    const whole = new CrashDisk()
    const { done } = await runUntilStop(whole, systemRng, Number.POSITIVE_INFINITY)
    expect(done).toBe(SCRIPT.length)
    expect(whole.steps).toBeGreaterThan(30)
    for (let stop = 0; stop < whole.steps; stop++) {
      for (const fate of FATES) {
        const machine = new CrashDisk()
        const rng = recordingRng()
        const { acknowledged, attempted, done: acked } = await runUntilStop(machine, rng, stop)
        machine.restart(fate)
        const store = await openMemoryStore(storePorts, { disk: machine.disk })
        const state = await read(store)
        const where = `stop ${stop}, unsynced writes ${fate}`
        const possible = [acknowledged, attempted].map((outcome) => ({ where, state: outcome }))
        expect(possible).toContainEqual({ where, state })
        const { secrets, damagedSecrets, headSeq } = await store.stats()
        expect([acked, acked + 1]).toContain(headSeq)
        const visible = liveKeys(machine.visible(SHELF), rng.keys)
        const durable = liveKeys(machine.durable(SHELF), rng.keys)
        // Recovery leaves no key but those of the live secrets.
        const keys = { where, damagedSecrets: 0, visible: secrets, durable: secrets }
        expect({ where, damagedSecrets, visible, durable }).toEqual(keys)
        // And the store goes on.
        await commit(store, { secrets: { a: 'later', z: 'later' } })
        expect(await read(store)).toMatchObject({ a: 'later', z: 'later' })
        await store.close()
      }
    }
  })

  it('recovers when it stops again while it recovers', async () => {
    for (let stop = 0; stop < 12; stop++) {
      const machine = new CrashDisk()
      const first = await runUntilStop(machine, systemRng, 25)
      machine.restart('kept')
      machine.stopAfter(stop)
      await openMemoryStore(storePorts, { disk: machine.disk }).catch(() => undefined)
      machine.restart('mixed')
      const store = await openMemoryStore(storePorts, { disk: machine.disk })
      expect([first.acknowledged, first.attempted]).toContainEqual(await read(store))
      expect((await store.stats()).damagedSecrets).toBe(0)
      await store.close()
    }
  })

  it('has erased an old key when the commit resolves, in the file and on the disk', async () => {
    const machine = new CrashDisk()
    const rng = recordingRng()
    const store = await openMemoryStore({ ...storePorts, rng }, { disk: machine.disk })
    let state: State = {}
    for (const step of SCRIPT) {
      await commit(store, step)
      state = after(state, step)
      const { secrets } = await store.stats()
      expect(liveKeys(machine.visible(SHELF), rng.keys)).toBe(secrets)
      expect(liveKeys(machine.durable(SHELF), rng.keys)).toBe(secrets)
      expect(await read(store)).toEqual(state)
    }
    await store.close()
  })

  it('reads on after the first failed write and refuses to write until it is opened again', async () => {
    const machine = new CrashDisk()
    const store = await openMemoryStore(storePorts, { disk: machine.disk })
    await commit(store, { plain: { p: 'kept' } })
    const poisoned: string[] = []
    store.onPoisoned((cause) => poisoned.push(cause.message))
    machine.stopAfter(0)
    const first = commit(store, { plain: { p: 'broken' } })
    await expect(first).rejects.toMatchObject({ code: 'storage-failed' })
    machine.restart('kept')
    await expect(commit(store, {})).rejects.toMatchObject({ code: 'storage-poisoned' })
    expect(store.state()).toBe('poisoned')
    expect(poisoned).toHaveLength(1)
    expect(await read(store)).toEqual({ p: 'kept' })
    expect((await store.journal.events(0, 10)).events).toHaveLength(1)
    await store.close()
    const again = await openMemoryStore(storePorts, { disk: machine.disk })
    await commit(again, { plain: { p: 'works' } })
    expect(again.headSeq()).toBe(2)
    await again.close()
  })
})
