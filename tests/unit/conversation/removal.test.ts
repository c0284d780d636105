import { describe, expect, it } from 'vitest'
import { toBase64Url, toHex } from '../../../src/base/index.ts'
import { hash, LABELS } from '../../../src/crypto/index.ts'
import { type JobRunner, Removals } from '../../../src/conversation/index.ts'
import { Outbox } from '../../../src/conversation/outbox.ts'
import { encodeRecord } from '../../../src/conversation/records.ts'
import { BUCKETS, type Bucket } from '../../../src/store/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { Air, codeOf, Device, pair } from '../../support/devices.ts'

/** Rows of every bucket, but for the clock of waits, which is of no contact. */
async function rows(device: Device): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const [name, bucket] of Object.entries(BUCKETS)) {
    if (bucket === BUCKETS.waitClock) continue
    let count = 0
    for await (const _ of device.store.iterate(bucket as Bucket)) count++
    if (count > 0) found[name] = count
  }
  return found
}

async function remove(device: Device): Promise<void> {
  const id = await device.commit((batch) => device.conversations.remove(batch, 'friend'))
  const removals = new Removals({ store: device.store })
  while (await removals.eraseSome(id)) continue
  await removals.done(id)
}

describe('removing a contact', () => {
  it('erases keys, streams, records, history and everything that is on its way', async () => {
    const { air, alice, bob } = await pair()
    const id = await alice.send('one')
    await bob.send('two')
    await air.slots(10)
    await alice.send('never leaves')
    await remove(alice)
    // What is left says how far message numbers have come.
    expect(await rows(alice)).toEqual({ messageIndex: 1 })
    expect(alice.conversations.contacts()).toEqual([])
    expect(alice.conversations.outbox()).toEqual([])
    expect(await codeOf(() => alice.conversations.message(id))).toBe('message-not-found')
    const [removed] = await alice.journal('contact.removed')
    expect(removed?.data).toEqual({ contactId: expect.any(String) as string })
    await bob.send('nobody listens')
    const before = air.sent.length
    await air.slots(20)
    expect(air.sentBy(alice, before)).toBe(0)
    await alice.crash()
    await alice.restart()
    expect(await rows(alice)).toEqual({ messageIndex: 1 })
  })

  it('shows nothing of it from then on, before all is erased and after a crash', async () => {
    const { air, alice, bob } = await pair()
    await bob.send('early')
    await air.slots(3)
    const newest = { direction: 'in', reverse: true, from: undefined, limit: 1 } as const
    const [early] = await alice.conversations.messages(newest)
    await alice.commit((batch) => alice.conversations.remove(batch, 'friend'))
    await bob.send('late')
    await air.slots(3)
    const expectNothing = async () => {
      expect(await alice.received()).toEqual([])
      const id = early?.id ?? new Uint8Array()
      expect(await codeOf(() => alice.conversations.message(id))).toBe('message-not-found')
    }
    await expectNothing()
    await alice.crash()
    await alice.restart()
    await expectNothing()
    const removals = new Removals({ store: alice.store })
    for (const id of await removals.pending()) {
      while (await removals.eraseSome(id)) continue
      await removals.done(id)
    }
    expect(await rows(alice)).toEqual({ messageIndex: 1 })
  })

  it('holds while a job of the contact runs and when its box is sealed', async () => {
    const gate = Promise.withResolvers<void>()
    const slow = (jobs: JobRunner): JobRunner => ({
      ...jobs,
      refresh: async (input) => {
        await gate.promise
        return jobs.refresh(input)
      },
    })
    const { air, alice } = await pair({ alice: { tamper: slow } })
    await air.slots(10)
    await alice.send('text')
    await air.clock.advance(86_400_000)
    const work = alice.work()
    const publish = alice.publish()
    await new Promise((resolve) => setImmediate(resolve))
    await remove(alice)
    gate.resolve()
    await Promise.all([work, publish])
    await air.slots(4)
    expect(await rows(alice)).toEqual({ messageIndex: 1 })
  })

  it('never gives a message number twice', async () => {
    const { air, alice, bob } = await pair()
    await bob.send('last')
    await air.slots(4)
    const newest = { direction: 'in', reverse: true, from: undefined, limit: 1 } as const
    const [last] = await alice.conversations.messages(newest)
    await remove(alice)
    await alice.crash()
    await alice.restart()
    await bob.commit((batch) => bob.conversations.rename(batch, 'friend', 'old'))
    await bob.add(await alice.invite())
    await air.until(() => bob.phase() === 'ready' && alice.phase() === 'ready', 60)
    await bob.send('next')
    await air.until(async () => (await alice.received()).length === 1)
    const [next] = await alice.conversations.messages(newest)
    expect(next?.number).toBeGreaterThan(last?.number ?? 0)
  })

  it('leaves a message that was being marked as read erased', async () => {
    const { air, alice, bob } = await pair()
    await bob.send('read me')
    await air.slots(4)
    const all = { direction: 'in' as const, reverse: false, from: undefined, limit: 10 }
    const ids = (await alice.conversations.messages(all)).map((message) => message.id)
    const messages = await alice.conversations.toMarkRead(ids)
    expect(messages).toHaveLength(1)
    await remove(alice)
    await alice.commit((batch) => alice.conversations.markRead(batch, messages))
    expect(await rows(alice)).toEqual({ messageIndex: 1 })
  })
})

describe('a home that cannot go on', () => {
  it('restored from a backup ends a key exchange instead of using addresses twice', async () => {
    const air = new Air()
    const alice = await Device.create(air, 'alice')
    const bob = await Device.create(air, 'bob')
    await alice.add(await bob.invite())
    await air.slots(1)
    await alice.crash()
    await alice.start({ restored: true })
    expect(alice.phase()).toBe('failed: restored from a backup')
    const before = air.sent.length
    await air.slots(10)
    expect(air.sentBy(alice, before)).toBe(0)
    await alice.crash()
    await alice.restart()
    await alice.add(await bob.invite('again'), 'again')
    await air.until(() => alice.phase('again') === 'ready', 60)
  })

  it('with damaged keys of one contact starts and says so', async () => {
    const { alice } = await pair()
    const id = await alice.send('under way')
    await alice.crash()
    await damage(alice.disk, BUCKETS.sendGroups)
    await alice.restart()
    expect(alice.phase()).toBe('failed: keys lost')
    expect(await alice.state(id)).toBe('failed')
    expect(await rows(alice)).not.toHaveProperty('outbox')
  })
})

describe('the id of a received message', () => {
  it('is bound to the contact, so that a contact cannot shadow another message', async () => {
    const { air, alice, bob } = await pair()
    const id = await alice.send('mine')
    await bob.send('theirs')
    await air.slots(6)
    // Bob knows the id that alice chose and would like a second message under it.
    const [got] = await bob.journal('message.received')
    expect(got?.data['messageId']).not.toBe(toBase64Url(id))
    const [received] = await alice.journal('message.received')
    const contactId = received?.data['contactId']
    expect(typeof contactId).toBe('string')
    const forged = hash(LABELS.messageRef, alice.conversations.contact('friend').id, id)
    expect(toHex(forged)).not.toContain(toHex(id))
    expect(await alice.conversations.message(id)).toMatchObject({ text: 'mine', direction: 'out' })
  })

  it('is taken once by a contact that repeats itself, and times of the future are cut', async () => {
    const messageId = new Uint8Array(16).fill(7)
    const far = Number.MAX_SAFE_INTEGER
    const { air, bob, alice } = await pair()
    await air.slots(10)
    for (const text of ['first', 'second']) {
      const record = encodeRecord({ kind: 'text', messageId, text, sentAt: far })
      const enqueue = Outbox.prototype.enqueue
      Outbox.prototype.enqueue = function (batch, contact, kind, bytes, more) {
        return enqueue.call(this, batch, contact, kind, kind === 'text' ? record : bytes, more)
      }
      await bob.send(text)
      Outbox.prototype.enqueue = enqueue
      await air.slots(3)
    }
    const got = await alice.journal('message.received')
    expect(got.map(({ data }) => data['body'])).toEqual([{ text: 'first' }])
    // Repeated or not, it is here: nobody need send it again.
    expect(bob.conversations.outbox()).toEqual([])
    for (const { data } of got) {
      expect(Date.parse(data['sentAt'] as string)).toBeLessThanOrEqual(air.clock.now())
    }
  })
})
