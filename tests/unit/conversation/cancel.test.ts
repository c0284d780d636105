import { describe, expect, it } from 'vitest'
import { type BoxBytes, isHearsayError } from '../../../src/base/index.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { copiedDisk, damage } from '../../support/copied-disk.ts'
import { type Device, pair } from '../../support/devices.ts'

type Outcome = 'cancelled' | { readonly alreadySent: unknown }

/** What an API call that takes the message back would answer. */
async function cancel(device: Device, id: Uint8Array): Promise<Outcome> {
  const message = await device.conversations.message(id)
  try {
    await device.commit((batch) => device.conversations.cancel(batch, message))
    return 'cancelled'
  } catch (error) {
    if (!isHearsayError(error, 'message-too-late')) throw error
    return { alreadySent: error.details['alreadySent'] }
  }
}

const TOO_LATE = { alreadySent: true }

describe('taking a message back, whatever else happens at that moment', () => {
  it('between the choice of a box and its seal is too late: its number is bound', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    const id = await alice.send('bound')
    const sealing = alice.conversations.nextBox()
    expect(await cancel(alice, id)).toEqual(TOO_LATE)
    const box = (await sealing) as BoxBytes
    air.emit('alice', box)
    await alice.conversations.published(box, true)
    await air.until(async () => (await alice.state(id)) === 'delivered')
    expect(await bob.received()).toEqual(['bound'])
  })

  it('before that, in the same turn, is final: the box does not carry it', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    const id = await alice.send('taken back')
    const message = await alice.conversations.message(id)
    const taken = alice.commit((batch) => alice.conversations.cancel(batch, message))
    const box = await alice.conversations.nextBox()
    await taken
    if (box !== undefined) {
      air.emit('alice', box)
      await alice.conversations.published(box, true)
    }
    await air.slots(40)
    expect(await bob.received()).toEqual([])
    expect(await alice.state(id)).toBe('cancelled')
  })

  it('is too late for a box that no peer took, and for a text of which one box of many has gone', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.peers = 0
    const first = await alice.send('sealed')
    await air.slots(1)
    expect(await cancel(alice, first)).toEqual(TOO_LATE)
    alice.peers = 1
    await air.until(async () => (await alice.state(first)) === 'delivered')
    const long = await alice.send('y'.repeat(20_000))
    await air.slots(1)
    expect(await alice.state(long)).toBe('queued')
    expect(await cancel(alice, long)).toEqual(TOO_LATE)
    await air.until(async () => (await bob.received()).length === 2)
  })

  it('twice says the second time that nothing had left', async () => {
    const { air, alice } = await pair()
    await air.slots(8)
    const id = await alice.send('once')
    const both = await Promise.all([cancel(alice, id), cancel(alice, id)])
    expect(both).toEqual(['cancelled', { alreadySent: false }])
    expect(await cancel(alice, id)).toEqual({ alreadySent: false })
    const types = (await alice.events()).filter((type) => type === 'message.cancelled')
    expect(types).toHaveLength(1)
  })

  it('after its time is over says whether anything of it had left, also after a restart', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    await bob.crash()
    const left = await alice.send('left', 'friend', 60_000)
    await air.slots(4)
    alice.linked = false
    const unsent = await alice.send('stayed', 'friend', 60_000)
    await air.slots(4, 120_000)
    expect([await alice.state(left), await alice.state(unsent)]).toEqual(['expired', 'expired'])
    expect(await cancel(alice, unsent)).toEqual({ alreadySent: false })
    await alice.crash()
    await alice.restart()
    expect(await cancel(alice, unsent)).toEqual({ alreadySent: false })
    expect(await cancel(alice, left)).toEqual(TOO_LATE)
    const told = await alice.journal('message.expired')
    expect(told.map(({ data }) => data['reason'])).toEqual(
      expect.arrayContaining([undefined, 'not sent']),
    )
  })

  it('that came from the other side is refused as what it is', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    await alice.send('yours')
    await air.until(async () => (await bob.received()).length === 1)
    const [message] = await bob.conversations.messages({
      direction: 'in',
      reverse: false,
      from: undefined,
      limit: 1,
    })
    if (message === undefined) throw new Error('no message')
    const refused = bob.commit((batch) => bob.conversations.cancel(batch, message))
    await expect(refused).rejects.toMatchObject({ code: 'bad-value' })
  })

  it('holds after a crash, and leaves no hole that the reader would wait for', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.linked = false
    const ids = [await alice.send('a'), await alice.send('b'), await alice.send('c')]
    expect(await cancel(alice, ids[1] ?? new Uint8Array())).toBe('cancelled')
    await alice.crash()
    await alice.restart()
    alice.linked = true
    await air.until(async () => (await bob.received()).length === 2)
    await air.slots(60)
    expect(await bob.received()).toEqual(['a', 'c'])
    expect(await bob.events()).not.toContain('message.gap')
    expect(await cancel(alice, ids[1] ?? new Uint8Array())).toEqual({ alreadySent: false })
    expect(await cancel(alice, ids[2] ?? new Uint8Array())).toEqual(TOO_LATE)
  })

  it('that a crash follows before the answer has happened', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.linked = false
    const id = await alice.send('taken back')
    alice.crashAt = alice.steps + 1
    await cancel(alice, id)
    expect(alice.up).toBe(false)
    await alice.restart()
    alice.linked = true
    await air.slots(60)
    expect([await bob.received(), await alice.state(id)]).toEqual([[], 'cancelled'])
  })
})

describe('taking a message back after a recovery', () => {
  it('of the other side is exact: what was in no box can be, also after a restart', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(12)
    const copy = await copiedDisk(bob.disk)
    air.hears = (_box, to) => to !== bob
    air.keepers = false
    const gone = await alice.send('left')
    await air.slots(3)
    alice.linked = false
    const kept = [await alice.send('one'), await alice.send('two'), await alice.send('three')]
    await bob.restore(copy)
    air.hears = () => true
    air.keepers = true
    await air.until(() => alice.phase() === 'recovering', 60)
    const during = await alice.send('while it recovers')
    expect(await cancel(alice, gone)).toEqual(TOO_LATE)
    expect(await cancel(alice, kept[0] ?? gone)).toBe('cancelled')
    await alice.crash()
    await alice.restart()
    expect(await cancel(alice, gone)).toEqual(TOO_LATE)
    expect(await cancel(alice, kept[1] ?? gone)).toBe('cancelled')
    expect(await cancel(alice, during)).toBe('cancelled')
    alice.linked = true
    await air.until(() => alice.conversations.outbox().length === 0, 400)
    expect(await bob.received()).toEqual(['left', 'three'])
  })

  it('from damaged streams is exact too: nobody else has written in them', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(12)
    air.hears = (_box, to) => to !== bob
    const gone = await alice.send('left')
    await air.slots(3)
    alice.linked = false
    const kept = await alice.send('kept')
    await alice.crash()
    await damage(alice.disk, BUCKETS.streams)
    await alice.restart()
    expect(alice.phase()).toBe('recovering')
    expect(await cancel(alice, gone)).toEqual(TOO_LATE)
    expect(await cancel(alice, kept)).toBe('cancelled')
  })

  it('from an older state is too late for all that it knows: its former life may have sent it', async () => {
    const { air, alice } = await pair()
    await air.slots(12)
    alice.linked = false
    const id = await alice.send('queued in the backup')
    const copy = await copiedDisk(alice.disk)
    await alice.restore(copy)
    const fresh = await alice.send('of the new life')
    expect(await cancel(alice, id)).toEqual(TOO_LATE)
    expect(await cancel(alice, fresh)).toBe('cancelled')
  })
})
