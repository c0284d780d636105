import { describe, expect, it } from 'vitest'
import { equalBytes, readU64be, toBase64Url, toHex } from '../../../src/base/index.ts'
import type { OutRecord } from '../../../src/conversation/out-record.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { damage, damageKeys } from '../../support/copied-disk.ts'
import { type Air, Device, OPTIONS, pair } from '../../support/devices.ts'
import { storedLedger } from '../../support/stored-ledger.ts'

const ID_BYTES = 16

/** Alice with two friends, bob (`friend`) and carol. */
async function three() {
  const { air, alice, bob } = await pair()
  const carol = await Device.create(air, 'carol')
  await carol.add(await alice.invite('carol'))
  await air.until(() => alice.phase('carol') === 'ready' && carol.phase() === 'ready')
  await air.slots(12)
  return { air, alice, bob, carol }
}

const idOf = (device: Device, alias = 'friend') => device.conversations.contact(alias).id
const isOf = (id: Uint8Array) => (key: Uint8Array) => equalBytes(key.subarray(0, ID_BYTES), id)

/** Records under way on disk to one contact. */
async function recordsOf(device: Device, id: Uint8Array): Promise<OutRecord[]> {
  const ledger = await storedLedger(device.store, OPTIONS)
  const writer = ledger.contacts.get(toHex(id))?.writer
  return [...(writer?.outstanding.values() ?? []), ...(writer?.queue ?? [])]
}

/** Damages the row of the record that `hits` names, while the device is off. */
async function damageRecord(
  device: Device,
  id: Uint8Array,
  hits: (record: OutRecord) => boolean,
): Promise<void> {
  const found = (await recordsOf(device, id)).filter(hits)
  expect(found).toHaveLength(1)
  await device.crash()
  const isHit = (key: Uint8Array) =>
    isOf(id)(key) && readU64be(key, ID_BYTES) === (found[0] as OutRecord).queued
  await damage(device.disk, BUCKETS.outbox, isHit)
}

async function talk(air: Air, one: Device, alias: string, other: Device, text: string) {
  await one.send(text, alias)
  await other.send(`${text} back`)
  await air.until(async () => {
    const got = [(await one.received()).at(-1), (await other.received()).at(-1)]
    return got[0] === `${text} back` && got[1] === text
  }, 400)
}

const failures = async (device: Device) =>
  (await device.journal('message.failed')).map(({ data }) => data['reason'])

async function expectWhole({ store }: Device): Promise<void> {
  expect(await store.check()).toMatchObject({ damaged: {}, journalBrokenAt: undefined })
}

describe('a damaged card', () => {
  it('costs its contact, whose messages are reported, and no other', async () => {
    const { air, alice, carol, bob } = await three()
    const id = idOf(alice, 'carol')
    await carol.send('hello')
    await air.slots(8)
    alice.linked = false
    const lost = await alice.send('never leaves', 'carol')
    const kept = await alice.send('goes on')
    await alice.crash()
    await damage(alice.disk, BUCKETS.contacts, isOf(id))
    await alice.restart()
    alice.linked = true
    const alias = `lost-${toBase64Url(id)}`
    expect(alice.phase(alias)).toBe('failed: card lost')
    expect(idOf(alice, alias)).toEqual(id)
    const [failed] = await alice.journal('contact.failed')
    expect(failed?.data).toMatchObject({ alias, reason: 'card lost' })
    expect([await alice.state(lost), await failures(alice)]).toEqual(['failed', ['card lost']])
    await air.until(async () => (await alice.state(kept)) === 'delivered')
    await talk(air, alice, 'friend', bob, 'after')
    expect(await alice.received()).toEqual(['hello', 'after back'])
    await expectWhole(alice)
    // It is told of once, and can be removed like any other.
    await alice.crash()
    await alice.restart()
    expect(await alice.journal('contact.failed')).toHaveLength(1)
    await alice.commit((batch) => alice.conversations.remove(batch, alias))
    expect(alice.conversations.contacts().map((contact) => contact.alias)).toEqual(['friend'])
  })

  it('that stands under a damaged key is known by the keys of its contact', async () => {
    const { air, alice, bob } = await three()
    const id = idOf(alice, 'carol')
    alice.linked = false
    const lost = await alice.send('never leaves', 'carol')
    await alice.crash()
    await damageKeys(alice.disk, BUCKETS.contacts, 3, isOf(id))
    await alice.restart()
    alice.linked = true
    expect(alice.phase(`lost-${toBase64Url(id)}`)).toBe('failed: card lost')
    expect([await alice.state(lost), await failures(alice)]).toEqual(['failed', ['card lost']])
    await talk(air, alice, 'friend', bob, 'after')
  })

  it('of every contact leaves a node that starts', async () => {
    const { air, alice } = await three()
    const ids = [await alice.send('one'), await alice.send('two', 'carol')]
    await alice.crash()
    await damage(alice.disk, BUCKETS.contacts)
    await damage(alice.disk, BUCKETS.sendGroups)
    await damage(alice.disk, BUCKETS.streams)
    await damage(alice.disk, BUCKETS.readWindows)
    await alice.restart()
    for (const id of ids) expect(await alice.state(id)).toBe('failed')
    const bob2 = await Device.create(air, 'bob again')
    await bob2.add(await alice.invite('new'))
    await air.until(() => alice.phase('new') === 'ready' && bob2.phase() === 'ready')
  })
})

describe('a damaged record under way', () => {
  it('that waits in the queue is reported; its contact gets all others once, in order', async () => {
    const { air, alice, bob, carol } = await three()
    alice.linked = false
    const ids = [await alice.send('a'), await alice.send('b'), await alice.send('c')]
    const other = await alice.send('to carol', 'carol')
    const { number } = await alice.conversations.message(ids[1] as Uint8Array)
    await damageRecord(alice, idOf(alice), ({ message }) => message === number)
    await alice.restart()
    expect(await Promise.all(ids.map((id) => alice.state(id)))).toEqual([
      'queued',
      'failed',
      'queued',
    ])
    expect(await failures(alice)).toEqual(['record lost'])
    expect([alice.phase(), alice.phase('carol')]).toEqual(['recovering', 'ready'])
    await expectWhole(alice)
    alice.linked = true
    await air.until(() => alice.conversations.outbox().length === 0, 400)
    expect(await bob.received()).toEqual(['a', 'c'])
    expect(await alice.state(other)).toBe('delivered')
    await talk(air, alice, 'friend', bob, 'after')
    expect(await bob.journal('contact.reset')).toHaveLength(1)
    expect(await bob.events()).not.toContain('message.gap')
    expect(await carol.journal('contact.reset')).toHaveLength(0)
  })

  it('that has a number already leaves no hole that the reader waits for', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(12)
    air.hears = (_box, to) => to !== bob
    air.keepers = false
    const ids = [await alice.send('a'), await alice.send('b')]
    await air.slots(4)
    expect(await Promise.all(ids.map((id) => alice.state(id)))).toEqual(['sent', 'sent'])
    const { number } = await alice.conversations.message(ids[0] as Uint8Array)
    await damageRecord(alice, idOf(alice), ({ message }) => message === number)
    await alice.restart()
    air.hears = () => true
    air.keepers = true
    expect([await alice.state(ids[0] as Uint8Array), alice.phase()]).toEqual([
      'failed',
      'recovering',
    ])
    await air.until(() => alice.conversations.outbox().length === 0, 400)
    await talk(air, alice, 'friend', bob, 'after')
    expect((await bob.received()).filter((text) => text === 'b')).toEqual(['b'])
    expect(await bob.events()).not.toContain('message.gap')
  })

  it('of new keys costs no message: the contact recovers', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(12)
    air.hears = (_box, to) => to !== bob
    air.keepers = false
    await air.clock.advance(86_400_000)
    const id = await alice.send('beside new keys')
    await air.slots(8)
    const isOfKeys = ({ kind }: OutRecord) => kind === 'commit' || kind === 'welcome'
    await damageRecord(alice, idOf(alice), isOfKeys)
    await alice.restart()
    air.hears = () => true
    air.keepers = true
    expect([await alice.state(id), alice.phase()]).not.toContain('failed')
    expect(alice.phase()).toBe('recovering')
    await air.until(async () => (await alice.state(id)) === 'delivered', 400)
    await talk(air, alice, 'friend', bob, 'after')
    expect(await failures(alice)).toEqual([])
  })

  it('of a key exchange ends that exchange, and no other contact', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    const carol = await Device.create(air, 'carol')
    air.hears = (_box, to) => to !== carol
    await alice.add(await carol.invite(), 'carol')
    await air.slots(4)
    const id = idOf(alice, 'carol')
    await damageRecord(alice, id, ({ kind }) => kind === 'claim')
    await alice.restart()
    expect(alice.phase('carol')).toBe('failed: keys lost')
    await talk(air, alice, 'friend', bob, 'after')
  })

  it('whose key is damaged is found by its message', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.linked = false
    const id = await alice.send('lost')
    await alice.crash()
    await damageKeys(alice.disk, BUCKETS.outbox, 0)
    await alice.restart()
    alice.linked = true
    expect([await alice.state(id), alice.phase()]).toEqual(['failed', 'recovering'])
    await expectWhole(alice)
    await talk(air, alice, 'friend', bob, 'after')
  })
})

describe('a damaged window', () => {
  it('behind which texts waited that were acknowledged tells of them', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(12)
    air.keepers = false
    bob.keeps = false
    air.hears = (_box, to) => to !== bob
    await alice.send('missed')
    await air.slot()
    const isOfAlice = () => air.sent.at(-1)?.from === 'alice'
    let boxes = 0
    air.hears = (_box, to) => to !== bob || !isOfAlice() || boxes++ === 0
    const id = await alice.send('held')
    await air.until(async () => (await alice.state(id)) === 'delivered')
    expect(await bob.received()).toEqual([])
    await bob.crash()
    await damage(bob.disk, BUCKETS.readWindows)
    await bob.restart()
    air.hears = () => true
    await air.until(() => bob.phase() === 'ready' && alice.phase() === 'ready', 400)
    await air.until(() => alice.conversations.outbox().length === 0, 400)
    expect(await bob.received()).toEqual(['missed'])
    const gaps = await bob.journal('message.gap')
    expect(gaps.map(({ data }) => data['missing'])).toEqual(['1'])
  })

  it('behind which nothing waited costs nothing', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(12)
    await bob.crash()
    await damage(bob.disk, BUCKETS.readWindows)
    await bob.restart()
    await talk(air, alice, 'friend', bob, 'after')
    expect(await bob.events()).not.toContain('message.gap')
  })
})

describe('a damaged row of the history', () => {
  it('of a message under way is written anew from its record', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.linked = false
    const id = await alice.send('kept')
    const before = await alice.conversations.message(id)
    await alice.crash()
    await damage(alice.disk, BUCKETS.messages)
    await alice.restart()
    alice.linked = true
    expect(await alice.conversations.message(id)).toEqual(before)
    await expectWhole(alice)
    await air.until(async () => (await alice.state(id)) === 'delivered')
    expect(await bob.received()).toEqual(['kept'])
    expect(alice.phase()).toBe('ready')
  })

  it.each([true, false])(
    'of a message under way is told no state twice; it was given to new keys: %s',
    async (isMoved) => {
      const { air, alice, bob } = await pair()
      await air.slots(12)
      air.hears = (_box, to) => to !== bob
      bob.keeps = false
      // Bob asks the keepers too, and must not learn of it from them.
      const isAsking = bob.conversations.nextLookUp.bind(bob.conversations)
      bob.conversations.nextLookUp = () => void isAsking()
      const id = await alice.send('kept')
      await air.until(async () => (await alice.state(id)) === 'stored')
      for (const buckets of isMoved
        ? [[BUCKETS.streams], [BUCKETS.messages]]
        : [[BUCKETS.messages]]) {
        await alice.crash()
        for (const bucket of buckets) await damage(alice.disk, bucket)
        await alice.restart()
      }
      expect(await alice.state(id)).toBe('stored')
      for (const each of [alice, bob]) await each.noteResetPlaces()
      bob.conversations.nextLookUp = isAsking
      air.hears = () => true
      bob.keeps = true
      await air.until(async () => (await alice.state(id)) === 'delivered', 600)
      const messageId = toBase64Url(id)
      const told = await alice.journal('message.queued', 'message.sent', 'message.stored')
      const types = told.filter(({ data }) => data['messageId'] === messageId)
      expect(types.map(({ type }) => type)).toEqual([
        'message.queued',
        'message.sent',
        'message.stored',
      ])
      const states = (await alice.conversations.message(id)).history.map(({ state }) => state)
      expect(states).toEqual(['queued', 'sent', 'stored', 'delivered'])
      expect(await bob.received()).toEqual(['kept'])
    },
  )

  it('costs that message alone, and its number is not used twice', async () => {
    const { air, alice, bob } = await pair()
    for (const text of ['one', 'two', 'three']) await bob.send(text)
    await air.until(async () => (await alice.received()).length === 3)
    const all = { direction: 'in', reverse: false, from: undefined, limit: 9 } as const
    const numbers = (await alice.conversations.messages(all)).map(({ number }) => number)
    await alice.crash()
    const last = numbers.at(-1) ?? 0
    await damage(alice.disk, BUCKETS.messages, (key) => readU64be(key) === last)
    await alice.restart()
    expect(await alice.received()).toEqual(['one', 'two'])
    expect((await alice.store.space()).damagedValues).toBe(1)
    await bob.send('four')
    await air.until(async () => (await alice.received()).length === 3)
    const now = (await alice.conversations.messages(all)).map(({ number }) => number)
    expect(now.at(-1)).toBeGreaterThan(last)
  })

  it('in its index shows no message of another contact', async () => {
    const { air, alice, carol, bob } = await three()
    await carol.send('of carol')
    await bob.send('of bob')
    await air.until(async () => (await alice.received()).length === 2)
    const [mine, theirs] = [idOf(alice), idOf(alice, 'carol')]
    await alice.crash()
    // The entry of carol's message stands under bob now.
    await moveTo(alice, BUCKETS.conversations, theirs, mine)
    await alice.restart()
    const of = { contactId: mine, reverse: false, from: undefined, limit: 9 } as const
    expect((await alice.conversations.messages(of)).map(({ text }) => text)).toEqual(['of bob'])
  })
})

async function moveTo({ disk }: Device, bucket: number, from: Uint8Array, to: Uint8Array) {
  const range = { gte: Uint8Array.of(bucket), lt: Uint8Array.of(bucket + 1) }
  for await (const [key, value] of disk.engine.iterate(range)) {
    if (!isOf(from)(key.slice(1))) continue
    const other = key.slice()
    other.set(to, 1)
    await disk.engine.write([
      { type: 'del', key },
      { type: 'put', key: other, value },
    ])
  }
}
