import { describe, expect, it } from 'vitest'
import { type BoxBytes, HearsayError } from '../../../src/base/index.ts'
import { UNCONFIRMED_MAX } from '../../../src/conversation/constants.ts'
import type { JobRunner } from '../../../src/conversation/index.ts'
import { boxHash, parseBox } from '../../../src/stream/index.ts'
import { Air, Device, pair } from '../../support/devices.ts'

const DAY_MS = 86_400_000

/** No commit of the other side holds. */
function strict(jobs: JobRunner): JobRunner {
  const refuse = () => Promise.reject(new HearsayError('mls-rejected', 'it does not hold'))
  return { ...jobs, followCommit: refuse, followWelcome: refuse }
}

/** From now on this device hears boxes from one peer only, who may have made them for it alone. */
function exclusively(air: Air, to: Device): { confirmAll: () => void } {
  const seen: BoxBytes[] = []
  to.keeps = false
  air.keepers = false
  air.hears = (box, device) => {
    if (device !== to) return true
    seen.push(box)
    device.conversations.hear(box, { source: 'reconcile', confirmed: false, conflict: false })
    return false
  }
  return {
    confirmAll: () => {
      to.keeps = true
      for (const box of seen) to.conversations.confirmed(boxHash(box))
    },
  }
}

describe('a box that only one peer is known to have', () => {
  it('is shown at once and answered when it is confirmed', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    const { confirmAll } = exclusively(air, bob)
    const before = air.sent.length
    const id = await alice.send('for your eyes only')
    await air.slots(12)
    expect(await bob.received()).toEqual(['for your eyes only'])
    expect(air.sentBy(bob, before)).toBe(0)
    confirmAll()
    await air.until(async () => (await alice.state(id)) === 'delivered', 6)
  })

  it('is not answered after a restart either', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    const { confirmAll } = exclusively(air, bob)
    const before = air.sent.length
    await alice.send('for your eyes only')
    await air.slots(4)
    await alice.crash()
    await bob.crash()
    await bob.restart()
    await air.slots(40)
    expect(air.sentBy(bob, before)).toBe(0)
    confirmAll()
    await air.slots(2)
    expect(air.sentBy(bob, before)).toBe(1)
  })

  it('stays confirmed over a restart, also when nobody here holds the box any more', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    // An ack alone: nothing has to be answered to it, and nothing else is stored because of it.
    bob.linked = true
    await bob.send('please ack')
    await air.slot()
    const { confirmAll } = exclusively(air, bob)
    await air.slots(4)
    confirmAll()
    await air.slots(2)
    await bob.crash()
    bob.keeps = false
    await bob.restart()
    air.hears = () => true
    const id = await alice.send('after it')
    await air.slots(20)
    expect(await alice.state(id)).toBe('delivered')
  })

  it('is confirmed by its keepers when the peers that would have are gone', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    exclusively(air, bob)
    const id = await alice.send('seen in passing')
    await air.slots(2)
    expect(await bob.received()).toEqual(['seen in passing'])
    await bob.crash()
    await air.slots(4)
    air.hears = () => true
    air.keepers = true
    await bob.restart()
    await air.until(async () => (await alice.state(id)) === 'delivered', 100)
    expect(bob.conversations.isCatchingUp()).toBe(true)
    await air.until(() => !bob.conversations.isCatchingUp(), 100)
  })

  it('makes this node ask its keepers for exactly what it would ask for anyway, and when', async () => {
    // As wide as in every preset: wider than is asked ahead.
    const wide = { options: { windowSize: 32 } }
    const asked = async (hears: boolean) => {
      const { air, alice, bob } = await pair({ alice: wide, bob: wide })
      await air.slots(20)
      // A hole, and a box of the day that everybody has.
      bob.keeps = false
      air.hears = (_box, to) => to !== bob
      await alice.send('lost')
      await air.slot()
      air.hears = () => true
      await alice.send('heard by all')
      await air.slots(2)
      const before = air.asked.length
      exclusively(air, bob)
      if (!hears) air.hears = (_box, to) => to !== bob
      air.keepers = true
      air.stillKept = () => false
      const texts = ['one', 'two', 'three', 'four']
      for (const text of texts) {
        // The second of them leaves a hole too.
        const { hears: heard } = air
        if (text === 'two') air.hears = (_box, to) => to !== bob
        await alice.send(text)
        await air.slot()
        air.hears = heard
      }
      await alice.crash()
      await air.slots(100)
      for (let day = 0; day < 2; day++) {
        await air.slot(DAY_MS)
        await air.slots(100)
      }
      expect((await bob.received()).includes('four')).toBe(hears)
      const contact = bob.conversations.contact('friend')
      return { asked: air.asked.slice(before), heardAt: contact.lastHeardAt, sent: air.sentBy(bob) }
    }
    const [withBoxes, without] = [await asked(true), await asked(false)]
    expect(withBoxes.heardAt).toBeGreaterThan(without.heardAt)
    expect(withBoxes.asked.length).toBeGreaterThan(40)
    expect(withBoxes.asked).toEqual(without.asked)
    expect(withBoxes.sent).toBe(without.sent)
  })

  it('begins no recovery by a commit that does not hold', async () => {
    const { air, alice, bob } = await pair({ bob: { tamper: strict } })
    await air.slots(20)
    await air.slot(DAY_MS)
    await air.slots(2)
    const { confirmAll } = exclusively(air, bob)
    const before = air.sent.length
    await alice.send('with new keys')
    await air.slots(40)
    expect(air.sentBy(bob, before)).toBe(0)
    expect(bob.phase()).toBe('ready')
    confirmAll()
    await air.until(() => bob.phase() === 'recovering', 40)
  })

  it('counts as confirmed when gossip brings it too, or the store says so at the next start', async () => {
    for (const how of ['gossip', 'store'] as const) {
      const { air, alice, bob } = await pair()
      await air.slots(20)
      exclusively(air, bob)
      const before = air.sent.length
      await alice.send('first to one')
      await air.slot()
      const [sent] = air.sent.slice(before)
      if (sent === undefined) throw new Error('nothing was sent')
      await air.slots(2)
      if (how === 'gossip') {
        const arrival = { source: 'gossip', confirmed: true, conflict: false } as const
        bob.conversations.hear(sent.box, arrival)
      } else {
        await bob.crash()
        bob.keeps = true
        await bob.restart()
      }
      await air.slots(3)
      expect([how, air.sentBy(bob, before)]).toEqual([how, 1])
    }
  })

  it('betrays nothing any more when it has expired', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    exclusively(air, bob)
    const before = air.sent.length
    await alice.send('for your eyes only')
    await air.slots(4)
    await alice.crash()
    await air.slots(4, DAY_MS)
    expect(air.sentBy(bob, before)).toBeGreaterThan(0)
  })

  it('changes nothing that can be seen by the acks in it', async () => {
    const { air, bob } = await pair()
    await air.slots(20)
    air.hears = (_box, to) => to !== bob
    await bob.send('please ack')
    await air.slot()
    // Alice's ack reaches bob alone: he must offer again as if he had not heard it.
    const { confirmAll } = exclusively(air, bob)
    const before = air.sent.length
    // The first offer comes after two to four round trips.
    await air.slots(34)
    expect(air.sentBy(bob, before)).toBeGreaterThan(0)
    expect(bob.conversations.outbox()).toHaveLength(1)
    confirmAll()
    await air.slots(2)
    expect(bob.conversations.outbox()).toEqual([])
  })

  it('is not fetched for: its gaps wait', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    await alice.send('lost')
    air.hears = (_box, to) => to !== bob
    await air.slot()
    exclusively(air, bob)
    const looked = air.lookUps
    await alice.send('behind')
    // Before alice offers it again.
    await air.slots(14)
    expect(air.lookUps - looked).toBeLessThanOrEqual(6)
    expect(await bob.received()).toEqual([])
  })

  it('moves no key exchange', async () => {
    const air = new Air()
    const alice = await Device.create(air, 'alice')
    const bob = await Device.create(air, 'bob')
    const { confirmAll } = exclusively(air, alice)
    await bob.add(await alice.invite())
    await air.slots(12)
    expect(air.sentBy(alice)).toBe(0)
    expect(alice.phase()).toBe('waiting')
    confirmAll()
    air.hears = () => true
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 60)
  })

  it('is left alone when too many wait, and taken up when they are confirmed', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    const { confirmAll } = exclusively(air, bob)
    const count = UNCONFIRMED_MAX + 6
    for (let i = 0; i < count; i++) {
      await alice.send(`text ${i}`)
      await air.slot()
    }
    expect((await bob.received()).length).toBeLessThanOrEqual(UNCONFIRMED_MAX)
    confirmAll()
    await air.until(async () => (await bob.received()).length === count, 20)
  })
})

describe('two boxes under one address', () => {
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

  it('end the contact, whatever order they come in', async () => {
    for (const order of [0, 1]) {
      const { air, bob, box, other } = await conflicting()
      const [first, second] = order === 0 ? [box, other] : [other, box]
      bob.conversations.hear(first, { source: 'gossip', confirmed: true, conflict: false })
      await air.slot()
      bob.conversations.hear(second, { source: 'gossip', confirmed: true, conflict: true })
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
      bob.conversations.hear(box, { source: 'gossip', confirmed: true, conflict: false })
      await air.slot()
    }
    expect(bob.phase()).toBe('ready')
    expect(await bob.received()).toEqual(['one version'])
  })

  it('report every message under way as failed, and erase the keys', async () => {
    const { air, bob, box, other } = await conflicting()
    bob.linked = false
    const id = await bob.send('under way')
    bob.conversations.hear(box, { source: 'gossip', confirmed: true, conflict: false })
    bob.conversations.hear(other, { source: 'gossip', confirmed: true, conflict: true })
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
    alice.conversations.hear(box, { source: 'gossip', confirmed: true, conflict: true })
    await bob.crash()
    await air.slots(2)
    expect(alice.phase()).toBe('exchanging')
    const carol = await Device.create(air, 'carol')
    await carol.add(uri)
    await air.until(() => alice.phase() === 'ready' && carol.phase() === 'ready', 60)
  })
})
