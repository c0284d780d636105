import { describe, expect, it } from 'vitest'
import { silentLogger, u64be } from '../../../src/base/index.ts'
import { MESSAGES_PER_LOOK } from '../../../src/conversation/constants.ts'
import { History } from '../../../src/conversation/history.ts'
import type { Message, MessageState } from '../../../src/conversation/message.ts'
import { Orphans } from '../../../src/conversation/orphans.ts'
import { BUCKETS, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { damage, damageKeys } from '../../support/copied-disk.ts'
import { type Device, OPTIONS, pair } from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const DAY_MS = 86_400_000
/** The first byte of a key: its bucket. */
const BUCKET_BYTE = -1

const failures = async (device: Device) =>
  (await device.journal('message.failed')).map(({ data }) => data['reason'])

describe('a message whose record stands in another bucket', () => {
  /** Alice with such a message to bob, started anew, and whatever she sends not leaving. */
  async function orphaned() {
    const two = await pair()
    const { air, alice } = two
    await air.slots(12)
    alice.linked = false
    const id = await alice.send('lost')
    await alice.crash()
    await damageKeys(alice.disk, BUCKETS.outbox, BUCKET_BYTE)
    await alice.restart()
    return { ...two, id }
  }

  it('is told of as failed, once, and its contact recovers', async () => {
    const { air, alice, bob, id } = await orphaned()
    // The start itself sees nothing of it, and it would not even expire.
    expect([await alice.state(id), alice.phase()]).toEqual(['queued', 'ready'])
    const kept = await alice.send('kept')
    await alice.conversations.lookForOrphans()
    await air.slot()
    expect([await alice.state(id), await failures(alice)]).toEqual(['failed', ['record lost']])
    expect([await alice.state(kept), alice.phase()]).toEqual(['queued', 'recovering'])
    alice.linked = true
    await air.until(async () => (await alice.state(kept)) === 'delivered', 400)
    expect(await bob.received()).toEqual(['kept'])
    for (let i = 0; i < 3; i++) {
      await alice.conversations.lookForOrphans()
      await air.slot()
    }
    await alice.crash()
    await alice.restart()
    await alice.conversations.lookForOrphans()
    await air.slot()
    expect(await failures(alice)).toEqual(['record lost'])
  })

  it('costs its contact one recovery, however many there are', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(12)
    alice.linked = false
    for (let i = 0; i <= MESSAGES_PER_LOOK; i++) await alice.send(`lost ${i}`)
    await alice.crash()
    await damageKeys(alice.disk, BUCKETS.outbox, BUCKET_BYTE)
    await alice.restart()
    alice.linked = true
    const failed: number[] = []
    for (let look = 0; look < 2; look++) {
      await alice.conversations.lookForOrphans()
      await air.slot()
      await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 400)
      failed.push((await failures(alice)).length)
    }
    expect(failed).toEqual([MESSAGES_PER_LOOK, MESSAGES_PER_LOOK + 1])
    expect(await alice.journal('contact.recovering')).toHaveLength(1)
  })

  it('is found after any time', async () => {
    const { air, alice, id } = await orphaned()
    await air.slot(2 * OPTIONS.ttlDays * DAY_MS)
    expect(await alice.state(id)).toBe('queued')
    await alice.conversations.lookForOrphans()
    await air.slot()
    expect(await alice.state(id)).toBe('failed')
  })

  it('stays erased when its contact is removed meanwhile', async () => {
    const { air, alice } = await orphaned()
    await alice.conversations.lookForOrphans()
    await alice.commit((batch) => alice.conversations.remove(batch, 'friend'))
    await air.slot()
    expect(await failures(alice)).toEqual([])
  })
})

/** A history of so many messages, in states by number. */
async function historyOf(count: number, stateOf: (number: number) => MessageState) {
  const ports = { clock: new VirtualClock(), rng: seededRng('orphans'), log: silentLogger }
  const store = await openMemoryStore(ports)
  const history = new History({ store })
  await history.load()
  const batch = store.batch()
  for (let i = 0; i < count; i++) history.add(batch, messageOf(history.allocate(), stateOf))
  await batch.commit()
  return store
}

function messageOf(number: number, stateOf: (number: number) => MessageState): Message {
  const state = stateOf(number)
  return {
    number,
    id: new Uint8Array([...u64be(number), ...u64be(7)]),
    contactId: new Uint8Array(16).fill(1),
    direction: 'out',
    text: `text ${number}`,
    sentAt: 1,
    receivedAt: undefined,
    read: true,
    state,
    history: [{ state, at: 1 }],
  }
}

/** All that a start finds, and how many messages it read for it in how many looks. */
async function afterStart(store: Store, live: readonly number[] = []) {
  const history = new History({ store })
  await history.load()
  let read = 0
  const after: History['after'] = async (number, limit) => {
    const rows = await history.after(number, limit)
    read += rows.length
    return rows
  }
  const outbox = {
    live: (number: number) =>
      live.includes(number) ? messageOf(number, () => 'queued') : undefined,
  }
  const counted = { count: history.count, after, tryGet: (n: number) => history.tryGet(n) }
  const orphans = new Orphans({ store, history: counted, outbox })
  const found: number[] = []
  const perLook: number[] = []
  for (let look = 0; look < 20; look++) {
    const before = read
    await orphans.look()
    if (read > before) perLook.push(read - before)
    found.push(...orphans.take().map(({ number }) => number))
  }
  return { found, read, perLook }
}

describe('looking for messages without a record', () => {
  const COUNT = 3 * MESSAGES_PER_LOOK + 10

  it('reads a long history once, a little at a time, and later only what may be open', async () => {
    const store = await historyOf(COUNT, (n) => (n === COUNT - 5 ? 'sent' : 'delivered'))
    const first = await afterStart(store, [COUNT - 5])
    expect([first.found, first.read]).toEqual([[], COUNT])
    expect(Math.max(...first.perLook)).toBe(MESSAGES_PER_LOOK)
    const second = await afterStart(store, [COUNT - 5])
    expect([second.found, second.read]).toEqual([[], 6])
    const third = await afterStart(store)
    expect([third.found, third.read]).toEqual([[COUNT - 5], 6])
  })

  it('finds every one, also in front of and behind those that are under way', async () => {
    const open = [1, 2, MESSAGES_PER_LOOK, MESSAGES_PER_LOOK + 1, COUNT]
    const store = await historyOf(COUNT, (n) => (open.includes(n) ? 'queued' : 'failed'))
    const { found } = await afterStart(store, [2, MESSAGES_PER_LOOK + 1])
    expect(found).toEqual([1, MESSAGES_PER_LOOK, COUNT])
  })

  it('reads nothing that came after its first look', async () => {
    const store = await historyOf(3, () => 'delivered')
    await afterStart(store)
    const history = new History({ store })
    await history.load()
    let reads = 0
    const orphans = new Orphans({
      store,
      history: {
        get count() {
          return history.count
        },
        after: async (number, limit) => {
          reads++
          return history.after(number, limit)
        },
        tryGet: (number) => history.tryGet(number),
      },
      outbox: { live: () => undefined },
    })
    await orphans.look()
    const batch = store.batch()
    history.add(
      batch,
      messageOf(history.allocate(), () => 'queued'),
    )
    await batch.commit()
    await orphans.look()
    expect([reads, orphans.take()]).toEqual([0, []])
  })

  it('begins anew when it is damaged how far it came', async () => {
    const { air, alice } = await pair()
    await air.slots(12)
    await alice.send('one')
    await air.until(() => alice.conversations.outbox().length === 0)
    await alice.conversations.lookForOrphans()
    await alice.crash()
    await damage(alice.disk, BUCKETS.messageIndex)
    await alice.restart()
    const { read, found } = await afterStart(alice.store)
    expect([read, found]).toEqual([1, []])
  })

  it('takes no message for one that ends while it is read', async () => {
    const store = await historyOf(1, () => 'sent')
    const history = new History({ store })
    await history.load()
    // Its end is on its way to the disk, and in memory it has ended.
    const live = () => {
      const batch = store.batch()
      history.put(
        batch,
        messageOf(1, () => 'delivered'),
      )
      batch.commit().catch(() => undefined)
      return undefined
    }
    const orphans = new Orphans({ store, history, outbox: { live } })
    await orphans.look()
    expect(orphans.take()).toEqual([])
  })
})
