import { describe, expect, it } from 'vitest'
import { type BoxBytes, DAY_MS } from '../../../src/base/index.ts'
import { RESETS_PER_DAY } from '../../../src/conversation/constants.ts'
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
  return { ...made, box, other: otherThan(box) }
}

function otherThan(box: BoxBytes): BoxBytes {
  const other = box.slice() as BoxBytes
  other[60] = (other[60] ?? 0) ^ 1
  return other
}

const isReady = (device: Device) => device.phase() === 'ready'

/** Texts arrive in both directions, once; the writer of both boxes is told of one new device. */
async function goesOn({ air, alice, bob }: Awaited<ReturnType<typeof conflicting>>): Promise<void> {
  await air.until(() => isReady(alice) && isReady(bob), 200)
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const id = await from.send('still here')
    await air.until(async () => (await from.state(id)) === 'delivered', 60)
    expect((await to.received()).filter((text) => text === 'still here')).toHaveLength(1)
  }
  expect(await alice.journal('contact.reset')).toHaveLength(1)
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

  it('is a conflict when another one was read under its address', async () => {
    const { air, bob, box, other } = await conflicting()
    bob.conversations.hear(box, { conflict: false })
    await air.slots(2)
    expect(bob.phase()).toBe('ready')
    air.boxes.set(Buffer.from(parseBox(box).address).toString('hex'), [box, other])
    bob.confirm(other)
    await air.slots(2)
    expect(await bob.journal('contact.equivocated')).toHaveLength(1)
  })
})

describe('two boxes under one address', () => {
  it('end the stream, whatever order they come in: the contact goes on under new keys', async () => {
    for (const order of [0, 1]) {
      const made = await conflicting()
      const { air, bob, box, other } = made
      const [first, second] = order === 0 ? [box, other] : [other, box]
      bob.conversations.hear(first, { conflict: false })
      await air.slot()
      bob.conversations.hear(second, { conflict: true })
      await air.slot()
      expect(bob.phase()).toBe('recovering')
      await goesOn(made)
    }
  })

  it('end the stream when both are found at once, in the store or at the keepers', async () => {
    for (const place of ['store', 'keepers'] as const) {
      const made = await conflicting()
      const { air, bob, box, other } = made
      await bob.crash()
      bob.keeps = place === 'store'
      air.boxes.set(Buffer.from(parseBox(box).address).toString('hex'), [box, other])
      await bob.restart()
      await air.slots(4)
      expect([place, (await bob.journal('contact.equivocated')).length]).toEqual([place, 1])
      air.boxes.clear()
      await goesOn(made)
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

  it('take nothing with them that is under way', async () => {
    const made = await conflicting()
    const { air, alice, bob, box, other } = made
    bob.linked = false
    await bob.send('under way')
    bob.conversations.hear(box, { conflict: false })
    bob.conversations.hear(other, { conflict: true })
    await air.slots(2)
    bob.linked = true
    await goesOn(made)
    expect((await alice.received()).filter((text) => text === 'under way')).toHaveLength(1)
    expect(await bob.journal('message.failed')).toEqual([])
  })

  it('are one conflict, however many addresses of the stream have two', async () => {
    const made = await conflicting()
    const { air, bob } = made
    const before = air.sent.length
    for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) {
      await made.alice.send(text)
      await air.slot()
    }
    const boxes = air.sent.slice(before).flatMap(({ from, box }) => (from === 'alice' ? [box] : []))
    expect(boxes.length).toBeGreaterThan(4)
    for (const box of boxes) {
      bob.conversations.hear(otherThan(box), { conflict: true })
      await air.slot()
    }
    expect(await bob.journal('contact.equivocated')).toHaveLength(1)
    await goesOn(made)
    expect(await bob.journal('contact.recovering')).toHaveLength(1)
  })

  it('wait for the next day when it happens again and again', async () => {
    const { air, alice, bob } = await conflicting()
    for (const device of [alice, bob]) await device.noteResetPlaces()
    for (let i = 0; i < RESETS_PER_DAY + 1; i++) {
      await alice.send(`again ${i}`)
      const box = await alice.conversations.nextBox()
      if (box === undefined) throw new Error('no box')
      bob.conversations.hear(box, { conflict: false })
      bob.conversations.hear(otherThan(box), { conflict: true })
      await air.slot()
      if (i < RESETS_PER_DAY) await air.until(() => isReady(alice) && isReady(bob), 200)
    }
    const times = async () => (await bob.journal('contact.equivocated')).length
    expect([bob.phase(), await times()]).toEqual(['ready', RESETS_PER_DAY])
    await air.slot(DAY_MS)
    await air.slot()
    expect([bob.phase(), await times()]).toEqual(['recovering', RESETS_PER_DAY + 1])
  })

  it('tell of the conflict before the device begins anew', async () => {
    const { air, bob, box, other } = await conflicting()
    bob.conversations.hear(box, { conflict: false })
    bob.conversations.hear(other, { conflict: true })
    await air.slot()
    const told = await bob.journal('contact.equivocated', 'contact.recovering')
    expect(told.map(({ type }) => type)).toEqual(['contact.equivocated', 'contact.recovering'])
  })

  it('are noticed whenever the device stops', async () => {
    for (let after = 1; after < 6; after++) {
      const { air, bob, box, other } = await conflicting()
      await bob.crash()
      air.boxes.set(Buffer.from(parseBox(box).address).toString('hex'), [box, other])
      await bob.restart()
      bob.crashAt = bob.steps + after
      await air.slots(3)
      await bob.restart()
      await air.slots(3)
      expect([after, (await bob.journal('contact.equivocated')).length]).toEqual([after, 1])
    }
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
