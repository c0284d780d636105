import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../src/base/index.ts'
import { BUCKETS, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { CrashDisk, type Fate } from '../../support/crash-disk.ts'
import { storePorts } from '../../support/store-contract.ts'

const bucket = BUCKETS.scratch
const FATES: readonly Fate[] = ['lost', 'kept', 'torn', 'mixed']

function commit(store: Store, name: string) {
  return store
    .batch()
    .put(bucket, utf8('plain'), utf8(name))
    .putSecret(bucket, utf8('secret'), utf8(name))
    .append({ type: 'test.step', data: { name } })
    .commit()
}

async function value(store: Store, key: string): Promise<string | undefined> {
  const found = await store.get(bucket, utf8(key))
  return found && Buffer.from(found).toString()
}

async function names(store: Store): Promise<unknown[]> {
  const { events } = await store.journal.events(0, 100)
  return events.map(({ data }) => data.name)
}

/** A store with two commits whose disk stops `after` further steps. */
async function broken(after: number) {
  const machine = new CrashDisk()
  const store = await openMemoryStore(storePorts, { disk: machine.disk })
  await commit(store, 'one')
  await commit(store, 'two')
  machine.stopAfter(after)
  return { machine, store }
}

describe('a store whose disk fails at any step', () => {
  it('acknowledges nothing after the first error, loses nothing acknowledged, and heals in place', async () => {
    let failures = 0
    for (let after = 0; ; after++) {
      const { machine, store } = await broken(after)
      const outcomes = []
      for (const name of ['three', 'four', 'five']) {
        outcomes.push(
          await commit(store, name).then(
            () => 'ok',
            (error: Error) => error,
          ),
        )
      }
      const acked = outcomes.filter((outcome) => outcome === 'ok').length
      if (acked === 3) break
      failures++
      expect(outcomes.slice(0, acked)).toEqual(Array(acked).fill('ok'))
      expect(outcomes[acked]).toMatchObject({ code: 'storage-failed' })
      for (const later of outcomes.slice(acked + 1)) {
        expect(later).toMatchObject({ code: 'storage-poisoned' })
      }
      const before = ['one', 'two', 'three', 'four', 'five'].slice(0, 2 + acked)
      expect(await value(store, 'plain')).toBeDefined()
      machine.restart(FATES[after % FATES.length] as Fate)
      await store.heal()
      expect(store.state()).toBe('ok')
      // Of the group whose outcome was unknown all is there or nothing.
      const next = ['one', 'two', 'three', 'four', 'five'].slice(0, 3 + acked)
      const now = await names(store)
      expect([before, next]).toContainEqual(now)
      expect(await value(store, 'plain')).toBe(now.at(-1))
      expect(await value(store, 'secret')).toBe(now.at(-1))
      expect((await store.stats()).damagedSecrets).toBe(0)
      await commit(store, 'after')
      expect(await names(store)).toEqual([...now, 'after'])
      await store.close()
    }
    expect(failures).toBeGreaterThan(10)
  })

  it('stays poisoned and says so while opening it fails, at whatever step, and heals afterwards', async () => {
    for (let after = 0; after < 12; after++) {
      const { machine, store } = await broken(0)
      await expect(commit(store, 'lost')).rejects.toMatchObject({ code: 'storage-failed' })
      machine.stopAfter(after)
      const healed = await store.heal().then(
        () => true,
        () => false,
      )
      expect(store.state()).toBe(healed ? 'ok' : 'poisoned')
      machine.restart('mixed')
      const early = healed ? undefined : await commit(store, 'no').catch((error: Error) => error)
      expect((early as { code?: string } | undefined)?.code).toBe(
        healed ? undefined : 'storage-poisoned',
      )
      await store.heal()
      await commit(store, 'three')
      expect(await names(store)).toEqual(['one', 'two', 'three'])
      await store.close()
    }
  })

  it('tells its listeners of every failure and of what the healing brought, and keeps its feeds', async () => {
    const { machine, store } = await broken(0)
    const heard: string[] = []
    store.onPoisoned(() => heard.push('poisoned'))
    store.journal.onAppend((head) => heard.push(`head ${head}`))
    const feed = await store.feed({ after: 2 })
    await commit(store, 'lost').catch(() => undefined)
    machine.restart('lost')
    await store.heal()
    const next = feed.next(1)
    await commit(store, 'three')
    expect((await next).map(({ data }) => data.name)).toEqual(['three'])
    machine.stopAfter(0)
    await commit(store, 'lost').catch(() => undefined)
    expect(heard).toEqual(['poisoned', 'head 2', 'head 3', 'poisoned'])
    await store.close()
  })

  it('heals once for callers that ask together, and lets reads wait for it', async () => {
    const { machine, store } = await broken(0)
    await commit(store, 'lost').catch(() => undefined)
    machine.restart('lost')
    const epoch = store.epoch
    const all = [store.heal(), store.heal()]
    expect(await value(store, 'plain')).toBe('two')
    await Promise.all(all)
    expect({ epoch: store.epoch, restored: store.restored }).toEqual({ epoch, restored: false })
    await store.heal()
    await store.close()
    await store.heal().catch(() => undefined)
    await expect(commit(store, 'closed')).rejects.toMatchObject({ code: 'not-running' })
  })

  it('probes the disk without harm to anything', async () => {
    const { machine, store } = await broken(0)
    await commit(store, 'lost').catch(() => undefined)
    expect(await store.isWritable()).toBe(false)
    machine.restart('lost')
    expect(await store.isWritable()).toBe(true)
    expect(machine.visible('/memory/probe')).toHaveLength(0)
    await store.close()
  })

  it('waits for more room than the first write needs after a full disk', async () => {
    const machine = new CrashDisk()
    let freeBytes = 2 ** 40
    let full = false
    const files = {
      ...machine.disk.files,
      freeBytes: async () => freeBytes,
      open: async (path: string) => {
        const file = await machine.disk.files.open(path)
        const sync = async () => {
          if (full) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
          await file?.sync()
        }
        return file && path.endsWith('.shelf') ? { ...file, sync } : file
      },
    }
    await (await openMemoryStore({ ...storePorts, files }, { disk: machine.disk })).close()
    const store = await openMemoryStore({ ...storePorts, files }, { disk: machine.disk })
    full = true
    await expect(commit(store, 'lost')).rejects.toMatchObject({ code: 'storage-full' })
    full = false
    freeBytes = 1024 * 1024
    expect(await store.isWritable()).toBe(false)
    freeBytes = 2 ** 30
    expect(await store.isWritable()).toBe(true)
    await store.heal()
    await commit(store, 'three')
    await store.close()
  })
})

describe('acknowledgements while the store accepts no writes', () => {
  async function withConsumer() {
    const machine = new CrashDisk()
    const store = await openMemoryStore(storePorts, { disk: machine.disk })
    await store.consumers.create('bot', { from: 'start' })
    for (const name of ['one', 'two', 'three', 'four']) await commit(store, name)
    await store.consumers.ack('bot', 1)
    machine.stopAfter(0)
    return { machine, store }
  }

  it('count at once, only go forward, and are on disk after the healing', async () => {
    const { machine, store } = await withConsumer()
    // The first one breaks the store by itself.
    expect(await store.consumers.ack('bot', 3)).toBe(3)
    expect(store.state()).toBe('poisoned')
    expect(await store.consumers.ack('bot', 2)).toBe(3)
    await expect(store.consumers.ack('bot', 9)).rejects.toMatchObject({ code: 'cursor-ahead' })
    const feed = await store.feed({ consumer: 'bot' })
    expect((await feed.next(10)).map(({ seq }) => seq)).toEqual([4])
    machine.restart('lost')
    await store.heal()
    expect(store.consumers.get('bot').cursor).toBe(3)
    await store.close()
    const again = await openMemoryStore(storePorts, { disk: machine.disk })
    expect(again.consumers.get('bot').cursor).toBe(3)
    await again.close()
  })

  it('are given out again after a stop before the healing', async () => {
    const { machine, store } = await withConsumer()
    await store.consumers.ack('bot', 3)
    machine.restart('lost')
    const again = await openMemoryStore(storePorts, { disk: machine.disk })
    const feed = await again.feed({ consumer: 'bot' })
    expect((await feed.next(10)).map(({ seq }) => seq)).toEqual([2, 3, 4])
    await again.close()
  })

  it('bring along what was lost, once; it is forgotten only where that can be written', async () => {
    const { machine, store } = await withConsumer()
    expect(await store.consumers.ack('bot', 3, 2)).toBe(3)
    await expect(store.consumers.forgetLosses('bot')).rejects.toMatchObject({
      code: 'storage-poisoned',
    })
    expect(store.consumers.get('bot').losses).toMatchObject({ events: 2 })
    expect(await store.consumers.ack('bot', 4, 1)).toBe(4)
    machine.restart('lost')
    await store.heal()
    const healed = { cursor: 4, losses: { events: 3 } }
    expect(store.consumers.get('bot')).toMatchObject(healed)
    await store.close()
    const again = await openMemoryStore(storePorts, { disk: machine.disk })
    expect(again.consumers.get('bot')).toMatchObject(healed)
    expect(await again.consumers.forgetLosses('bot')).toMatchObject({ events: 3 })
    await again.close()
  })

  it('are the only change: consumers are neither made nor deleted, whatever memory thinks', async () => {
    const { machine, store } = await withConsumer()
    await expect(store.consumers.create('new', { from: 'now' })).rejects.toMatchObject({
      code: 'storage-failed',
    })
    await expect(store.consumers.delete('bot')).rejects.toMatchObject({ code: 'storage-poisoned' })
    expect(store.consumers.list().map(({ name }) => name)).toEqual(['bot'])
    machine.restart('lost')
    await store.heal()
    expect(store.consumers.list()).toMatchObject([{ name: 'bot', cursor: 1 }])
    await store.consumers.delete('bot')
    await store.close()
  })
})

describe('a healing that finds an older state of the store', () => {
  it('begins an epoch in which no acknowledgement of the one before counts, and ends its feeds', async () => {
    const machine = new CrashDisk()
    machine.inode = 1n
    const store = await openMemoryStore(storePorts, { disk: machine.disk })
    const { epoch: former } = store
    await store.consumers.create('bot', { from: 'start' })
    for (const name of ['one', 'two', 'three']) await commit(store, name)
    machine.stopAfter(0)
    // In memory only: the first one breaks the store.
    expect(await store.consumers.ack('bot', 2)).toBe(2)
    const durable = await store.feed({ consumer: 'bot' })
    const waiting = (await store.feed({})).next(1).catch((error: unknown) => error)
    machine.inode = 2n
    machine.restart('lost')
    await store.heal()
    const { epoch, restored } = store
    expect(restored).toBe(true)
    expect(epoch).not.toBe(former)
    const refused = { code: 'cursor-ahead', details: { head: 3, epoch } }
    expect(await waiting).toMatchObject(refused)
    await expect(durable.next(1)).rejects.toMatchObject(refused)

    expect(store.consumers.get('bot')).toMatchObject({ cursor: 0, epoch: former })
    const feed = await store.feed({ consumer: 'bot' })
    expect((await feed.next(9)).map(({ seq }) => seq)).toEqual([1, 2, 3])
    await store.consumers.ack('bot', 1)
    expect(store.consumers.get('bot')).toMatchObject({ cursor: 1, epoch })
    await store.close()
  })
})
