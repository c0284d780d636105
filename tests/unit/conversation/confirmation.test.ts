import { describe, expect, it } from 'vitest'
import type { BoxBytes } from '../../../src/base/index.ts'
import { parseBox } from '../../../src/stream/index.ts'
import { Air, Device, pair } from '../../support/devices.ts'

async function conflicting() {
  const made = await pair()
  const { air, alice } = made
  await air.slots(20)
  // Alice's home was copied: the same state writes two different boxes.
  await alice.send('one version')
  const box = await alice.conversations.nextBox()
  if (box === undefined) throw new Error('no box')
  const other = box.slice() as BoxBytes
  other[60] = (other[60] ?? 0) ^ 1
  return { ...made, box, other }
}

describe('a box that the local store gives out late, when others have it too', () => {
  async function late() {
    const made = await pair()
    const { air, bob } = made
    await air.slots(20)
    bob.keeps = false
    air.keepers = false
    air.hears = (_box, to) => to !== bob
    const before = air.sent.length
    const confirmAll = () => {
      for (const { from, box } of air.sent.slice(before)) if (from === 'alice') bob.confirm(box)
    }
    return { ...made, before, confirmAll }
  }

  it('counts from then on', async () => {
    const { air, alice, bob, before, confirmAll } = await late()
    const id = await alice.send('for your eyes only')
    await air.slots(12)
    expect(await bob.received()).toEqual([])
    expect(air.sentBy(bob, before)).toBe(0)
    confirmAll()
    await air.slots(2)
    expect(await bob.received()).toEqual(['for your eyes only'])
    await air.until(async () => (await alice.state(id)) === 'delivered', 6)
  })

  it('counts when that was said before its address was derived', async () => {
    const { air, alice, bob, confirmAll } = await late()
    const texts = Array.from({ length: 200 }, (_, i) => `text ${i}`)
    for (const text of texts) {
      await alice.send(text)
      await air.slot()
    }
    expect(await bob.received()).toEqual([])
    confirmAll()
    await air.until(async () => (await bob.received()).length === texts.length, 20)
    expect(await bob.received()).toEqual(texts)
  })

  it('counts when that is said while the local store is looked through', async () => {
    const { air, alice, bob, confirmAll } = await late()
    await alice.send('just then')
    await air.slots(2)
    const { find } = bob
    bob.find = async (addresses) => {
      const found = await find.call(bob, addresses)
      bob.find = find
      confirmAll()
      return found
    }
    bob.conversations.catchUp()
    await air.slots(2)
    expect(await bob.received()).toEqual(['just then'])
  })

  it('ends the contact when another one was read under its address', async () => {
    const { air, bob, box, other } = await conflicting()
    bob.conversations.hear(box, { conflict: false })
    await air.slots(2)
    expect(bob.phase()).toBe('ready')
    air.boxes.set(Buffer.from(parseBox(box).address).toString('hex'), [box, other])
    bob.confirm(other)
    await air.slots(2)
    expect(bob.phase()).toBe('failed: equivocation')
  })
})

describe('two boxes under one address', () => {
  it('end the contact, whatever order they come in', async () => {
    for (const order of [0, 1]) {
      const { air, bob, box, other } = await conflicting()
      const [first, second] = order === 0 ? [box, other] : [other, box]
      bob.conversations.hear(first, { conflict: false })
      await air.slot()
      bob.conversations.hear(second, { conflict: true })
      await air.slot()
      expect(bob.phase()).toBe('failed: equivocation')
    }
  })

  it('end the contact when both are found at once, in the store or at the keepers', async () => {
    for (const place of ['store', 'keepers'] as const) {
      const { air, bob, box, other } = await conflicting()
      await bob.crash()
      bob.keeps = place === 'store'
      air.boxes.set(Buffer.from(parseBox(box).address).toString('hex'), [box, other])
      await bob.restart()
      await air.slots(4)
      expect([place, bob.phase()]).toEqual([place, 'failed: equivocation'])
    }
  })

  it('are no conflict when they are the same box', async () => {
    const { air, bob, box } = await conflicting()
    for (let i = 0; i < 3; i++) {
      bob.conversations.hear(box, { conflict: false })
      await air.slot()
    }
    expect(bob.phase()).toBe('ready')
    expect(await bob.received()).toEqual(['one version'])
  })

  it('report every message under way as failed, and erase the keys', async () => {
    const { air, bob, box, other } = await conflicting()
    bob.linked = false
    const id = await bob.send('under way')
    bob.conversations.hear(box, { conflict: false })
    bob.conversations.hear(other, { conflict: true })
    await air.slots(2)
    expect(await bob.conversations.message(id)).toMatchObject({ state: 'failed' })
    expect(bob.conversations.outbox()).toEqual([])
    const failed = await bob.journal('message.failed', 'contact.failed')
    expect(failed.map(({ data }) => data['reason'])).toEqual(['equivocation', 'equivocation'])
    await bob.crash()
    await bob.restart()
    await air.slots(4)
    expect(bob.phase()).toBe('failed: equivocation')
  })
})

describe('a claimer who equivocates', () => {
  it('loses the claim, and the invitation stays open', async () => {
    const air = new Air()
    const alice = await Device.create(air, 'alice')
    const bob = await Device.create(air, 'bob')
    const uri = await alice.invite()
    await bob.add(uri)
    await air.slots(2)
    const boxes = air.sent.filter(({ box }) => {
      return !air.claimAddresses.has(Buffer.from(parseBox(box).address).toString('hex'))
    })
    const box = boxes[0]?.box
    if (box === undefined) throw new Error('no claim')
    alice.conversations.hear(box, { conflict: true })
    await bob.crash()
    await air.slots(2)
    expect(alice.phase()).toBe('exchanging')
    const carol = await Device.create(air, 'carol')
    await carol.add(uri)
    await air.until(() => alice.phase() === 'ready' && carol.phase() === 'ready', 60)
  })
})
