import { describe, expect, it } from 'vitest'
import { equalBytes, HearsayError, toBase64Url, u64be } from '../../../src/base/index.ts'
import { Conversations, Removals } from '../../../src/conversation/index.ts'
import { History } from '../../../src/conversation/history.ts'
import { ContactErasure } from '../../../src/node/contact-erasure.ts'
import { contactsApi } from '../../../src/node/contacts-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { type Batch, BUCKETS, type Bucket, type Store } from '../../../src/store/index.ts'
import { copiedDisk, damage } from '../../support/copied-disk.ts'
import { codeOf, Device, pair } from '../../support/devices.ts'

const MESSAGES = 600
const EVENTS = 1300
/** The store's own bucket of events. */
const JOURNAL = 1

/** The store, and what its commits delete and redact. */
function counted(store: Store) {
  const made: { dels: number; redactions: number }[] = []
  const batch = () => {
    const fresh = store.batch()
    const counts = { dels: 0, redactions: 0 }
    const del = fresh.del.bind(fresh)
    const redact = fresh.redact.bind(fresh)
    const commit = fresh.commit.bind(fresh)
    return Object.assign(fresh, {
      del: (...args: Parameters<Batch['del']>) => {
        counts.dels++
        return del(...args)
      },
      redact: (seq: number) => {
        counts.redactions++
        return redact(seq)
      },
      commit: () => {
        made.push(counts)
        return commit()
      },
    })
  }
  const over = new Proxy(store, {
    get: (target, name) => {
      if (name === 'batch') return batch
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return { store: over, made }
}

/** Begins something and kills the device after so many commits of it. */
async function killed(device: Device, commits: number, begin: () => Promise<unknown>) {
  device.crashAt = device.steps + commits
  begin().catch(() => undefined)
  while (device.up) await new Promise((resolve) => setImmediate(resolve))
  await device.crash()
}

function erasureOver(store: Store, device: Device, signal = new AbortController().signal) {
  const running = new RunningClock({ store, clock: device.air.clock })
  const idempotency = new Idempotency({ store, running })
  const erasure = new ContactErasure({ store, idempotency, signal })
  const contacts = contactsApi({
    store,
    idempotency,
    erasure,
    conversations: () => device.conversations,
  })
  return { erasure, contacts, idempotency }
}

/** Alice, whose friend has written very much. */
async function talkative(): Promise<Device> {
  const { alice } = await pair()
  const { id } = alice.conversations.contact('friend')
  const contactId = toBase64Url(id)
  const history = new History({ store: alice.store })
  await history.load()
  for (let n = 0; n < EVENTS; n++) {
    await alice.commit((batch) => {
      const number = n < MESSAGES ? history.allocate() : 0
      const text = `a secret text ${n}`
      if (number > 0) {
        history.add(batch, {
          number,
          id: new Uint8Array([...u64be(number), ...u64be(7)]),
          contactId: id,
          direction: 'in',
          text,
          sentAt: 1,
          receivedAt: 1,
          read: false,
          state: 'received',
          history: [{ state: 'received', at: 1 }],
        })
      }
      batch.append({ type: 'message.received', data: { contactId, body: { text } } })
    })
  }
  await alice.commit((batch) => batch.append({ type: 'test.other', data: { text: 'kept' } }))
  await alice.crash()
  await alice.restart()
  return alice
}

/** Clocks, and the record of the removal itself. */
const OF_NOBODY: ReadonlySet<number> = new Set([
  BUCKETS.waitClock,
  BUCKETS.runningClock,
  BUCKETS.idempotency,
])

/** What is left of the contact, wherever. */
async function leftOf(store: Store, contactId: string) {
  const rows: Record<string, number> = {}
  for (const [name, bucket] of Object.entries(BUCKETS)) {
    if (OF_NOBODY.has(bucket)) continue
    let count = 0
    for await (const _ of store.keys(bucket as Bucket)) count++
    if (count > 0) rows[name] = count
  }
  const events: string[] = []
  let others = 0
  for (let after = 0; after < store.headSeq(); ) {
    const page = await store.journal.entries(after, 500)
    for (const { event } of page.entries) {
      if (event?.data['contactId'] === contactId) events.push(event.type)
      if (event?.data['text'] === 'kept') others++
    }
    after = page.scannedTo
  }
  return { rows, events, others }
}

/** The store, from which the messages of one contact cannot be read. */
function unreadable(store: Store, contactId: Uint8Array): Store {
  const entries: Store['entries'] = (bucket, range) => {
    if (bucket === BUCKETS.conversations && isOf(range?.gte, contactId)) {
      throw new HearsayError('storage-failed', 'the disk does not answer')
    }
    return store.entries(bucket, range)
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'entries') return entries
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function isOf(key: Uint8Array | undefined, contactId: Uint8Array): boolean {
  return key !== undefined && equalBytes(key.subarray(0, contactId.length), contactId)
}

const NOTHING = { rows: { messageIndex: 1 }, events: ['contact.removed'], others: 1 }
const KEY = { idempotency: { scope: 'owner', key: 'k', requestHash: new Uint8Array(32) } }

describe('a removal that was cut off', () => {
  it('goes on when its note is damaged: its event tells whose it is', async () => {
    const { air, alice, bob } = await pair()
    await bob.send('a secret text')
    await air.slots(4)
    await alice.commit((batch) => batch.append({ type: 'test.other', data: { text: 'kept' } }))
    const id = await alice.commit((batch) => alice.conversations.remove(batch, 'friend'))
    await alice.crash()
    await damage(alice.disk, BUCKETS.removals)
    await alice.restart()
    expect(await alice.received()).toEqual([])
    await erasureOver(alice.store, alice).erasure.finishAll()
    expect(await leftOf(alice.store, toBase64Url(id))).toEqual(NOTHING)
  })

  it.each([0, 1])('and fails goes on for the others: number %i', async (failing) => {
    const { air, alice, bob } = await pair()
    const carol = await Device.create(air, 'carol')
    await carol.add(await alice.invite('carol'))
    await air.until(() => alice.phase('carol') === 'ready' && carol.phase() === 'ready')
    for (const each of [bob, carol]) await each.send('a secret text')
    await air.until(async () => (await alice.received()).length === 2)
    await alice.commit((batch) => batch.append({ type: 'test.other', data: { text: 'kept' } }))
    for (const alias of ['friend', 'carol']) {
      await alice.commit((batch) => alice.conversations.remove(batch, alias))
    }
    const ids = await new Removals({ store: alice.store }).pending()
    const [broken, whole] = failing === 0 ? ids : ids.toReversed()
    if (broken === undefined || whole === undefined) throw new Error('two were removed')
    const { erasure } = erasureOver(unreadable(alice.store, broken), alice)
    expect(await codeOf(() => erasure.finishAll())).toBe('storage-failed')
    const others = await leftOf(alice.store, toBase64Url(whole))
    expect(others.events).toEqual(['contact.removed'])
    expect(await new Removals({ store: alice.store }).pending()).toEqual([broken])
    await erasureOver(alice.store, alice).erasure.finishAll()
    expect(await leftOf(alice.store, toBase64Url(broken))).toEqual(NOTHING)
  })

  it('waits for whoever has the home alone', async () => {
    const { alice } = await pair()
    const { erasure } = erasureOver(alice.store, alice)
    const id = await alice.commit((batch) => alice.conversations.remove(batch, 'friend'))
    const gate = Promise.withResolvers<void>()
    const order: string[] = []
    const wipe = erasure.alone(async () => {
      await gate.promise
      order.push('wiped')
    })
    const erased = erasure.finish(id).then(() => order.push('erased'))
    await new Promise((resolve) => setImmediate(resolve))
    gate.resolve()
    await Promise.all([wipe, erased])
    expect(order).toEqual(['wiped', 'erased'])
  })
})

describe('removing a contact with very many messages and events', () => {
  it('takes commits of a bounded size, and leaves nothing when it answers', async () => {
    const alice = await talkative()
    const { store, made } = counted(alice.store)
    const { contacts } = erasureOver(store, alice)
    const { contactId } = await contacts.remove({ contact: 'friend' }, {})
    expect(await leftOf(alice.store, contactId)).toEqual(NOTHING)
    const redactions = made.map((each) => each.redactions)
    expect(redactions.reduce((a, b) => a + b)).toBeGreaterThanOrEqual(EVENTS)
    expect(Math.max(...redactions)).toBeLessThanOrEqual(500)
    expect(Math.max(...made.map(({ dels }) => dels))).toBeLessThanOrEqual(3 * 256)
    const numbers = new History({ store: alice.store })
    await numbers.load()
    expect(numbers.allocate()).toBe(MESSAGES + 1)
  })

  it('goes on after a kill between any two commits, and answers the call that was cut off', {
    timeout: 60_000,
  }, async () => {
    const alice = await talkative()
    const before = await copiedDisk(alice.disk)
    const whole = counted(alice.store)
    const { contactId } = await erasureOver(whole.store, alice).contacts.remove(
      { contact: 'friend' },
      KEY,
    )
    expect(whole.made.length).toBeGreaterThan(6)
    for (let kill = 1; kill < whole.made.length; kill++) {
      await alice.crash()
      alice.disk = await copiedDisk(before)
      await alice.start({ restored: false })
      const cut = erasureOver(alice.store, alice)
      await killed(alice, kill, () => cut.contacts.remove({ contact: 'friend' }, KEY))
      await alice.restart()
      expect(alice.conversations.contacts()).toEqual([])
      expect(await alice.received()).toEqual([])
      const next = erasureOver(alice.store, alice)
      await next.erasure.finishAll()
      expect({ kill, ...(await leftOf(alice.store, contactId)) }).toEqual({ kill, ...NOTHING })
      const replay = await next.contacts.remove({ contact: 'friend' }, KEY)
      expect(replay).toEqual({ contactId, replayed: true })
      expect(await leftOf(alice.store, contactId)).toEqual(NOTHING)
    }
  })

  it('stops with the node, which answers that and goes on later', async () => {
    const alice = await talkative()
    const stopping = new AbortController()
    stopping.abort()
    const cut = erasureOver(alice.store, alice, stopping.signal)
    const { id } = alice.conversations.contact('friend')
    const remove = () => cut.contacts.remove({ contact: 'friend' }, {})
    expect(await codeOf(remove)).toBe('not-running')
    expect(alice.conversations.contacts()).toEqual([])
    await erasureOver(alice.store, alice).erasure.finishAll()
    expect(await leftOf(alice.store, toBase64Url(id))).toEqual(NOTHING)
  })

  it('is not stopped by damage, which goes whole where it may be of the contact', async () => {
    const alice = await talkative()
    await alice.crash()
    const isSome = (key: Uint8Array) => (key.at(-1) ?? 0) % 64 === 9
    await damage(alice.disk, JOURNAL, isSome)
    await damage(alice.disk, BUCKETS.messages, isSome)
    await damage(alice.disk, BUCKETS.idempotency)
    await alice.restart()
    const { contacts } = erasureOver(alice.store, alice)
    const { contactId } = await contacts.remove({ contact: 'friend' }, {})
    const { rows, events, others } = await leftOf(alice.store, contactId)
    expect([events, others]).toEqual([['contact.removed'], 1])
    // Entries of damaged messages in the index by id, which say nothing without them.
    expect(Object.keys(rows)).toEqual(['messageIndex'])
    let damaged = 0
    for await (const [, value] of alice.store.entries(BUCKETS.messages)) if (!value) damaged++
    expect(damaged).toBe(0)
  })
})

describe('a contact that was removed', () => {
  it('leaves in recorded answers only that it was', async () => {
    const { alice } = await pair()
    const { contacts, idempotency } = erasureOver(alice.store, alice)
    const other = { idempotency: { ...KEY.idempotency, key: 'other' } }
    await contacts.rename({ contact: 'friend', alias: 'secret name' }, other)
    const { contactId } = await contacts.remove({ contact: 'secret name' }, KEY)
    expect(await contacts.remove({ contact: 'secret name' }, KEY)).toEqual({
      contactId,
      replayed: true,
    })
    await idempotency.settled()
    let records = 0
    for await (const _ of alice.store.keys(BUCKETS.idempotency)) records++
    expect(records).toBe(1)
  })

  it('is unknown to a second call at once', async () => {
    const { alice } = await pair()
    const { contacts } = erasureOver(alice.store, alice)
    const both = await Promise.allSettled([
      contacts.remove({ contact: 'friend' }, {}),
      contacts.remove({ contact: 'friend' }, {}),
    ])
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(alice.conversations).toBeInstanceOf(Conversations)
    expect(await alice.events()).toContain('contact.removed')
  })
})
