import { describe, expect, it } from 'vitest'
import { dayOf, toHex, uniform } from '../../../src/base/index.ts'
import type { JobRunner } from '../../../src/conversation/index.ts'
import { RESET_SLOTS, RESETS_PER_DAY } from '../../../src/conversation/constants.ts'
import type { Contact, ContactKeys } from '../../../src/conversation/contact.ts'
import { keysAt } from '../../../src/conversation/rendezvous.ts'
import {
  accountKeyOf,
  type Announcement,
  encodeAnnouncement,
  resetPlace,
} from '../../../src/conversation/reset-stream.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { sealSaltedBox } from '../../../src/stream/index.ts'
import { copiedDisk, damage } from '../../support/copied-disk.ts'
import {
  type Air,
  type Device,
  type DeviceOptions,
  NETWORK_ID,
  OPTIONS,
  pair,
} from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { storedLedger } from '../../support/stored-ledger.ts'

const DAY_MS = 86_400_000

const areReady = (...devices: Device[]) => devices.every((device) => device.phase() === 'ready')

/** Runs until both have keys again and nothing waits. */
async function settled(air: Air, [alice, bob]: readonly [Device, Device], limit = 300) {
  await air.until(() => {
    const waits = [alice, bob].some((device) => device.conversations.outbox().length > 0)
    return areReady(alice, bob) && !waits
  }, limit)
}

/** Sends one text each way and waits until both have arrived. */
async function talk(air: Air, both: readonly [Device, Device], text: string): Promise<void> {
  for (const device of both) await device.send(`${text} of ${device.name}`)
  await settled(air, both)
  for (const [device, other] of [both, both.toReversed()] as [Device, Device][]) {
    const last = (await device.received()).at(-1)
    expect(last).toBe(`${text} of ${other.name}`)
  }
}

/** The contact of a device as it is on disk. */
async function contactOf({ store }: Device): Promise<Contact> {
  const ledger = await storedLedger(store, OPTIONS)
  const [contact] = ledger.contacts.values()
  if (contact === undefined) throw new Error('no contact')
  return contact
}

let salts = 0

/** Whoever has the keys of an account may say this, as often as it likes. */
function announce(air: Air, keys: ContactKeys, said: Announcement): void {
  const { resetSecret, accountSeed } = keys
  if (resetSecret === undefined || accountSeed === undefined) throw new Error('not ready')
  const day = dayOf(air.clock.now())
  const place = resetPlace(NETWORK_ID, resetSecret, accountKeyOf(accountSeed), day)
  const box = sealSaltedBox({
    networkId: NETWORK_ID,
    expiryDay: day + OPTIONS.ttlDays,
    rootSeed: accountSeed,
    keys: keysAt(place, salts % RESET_SLOTS),
    payload: encodeAnnouncement(said),
    salt: new Uint8Array(32).fill(salts++),
  })
  air.spread('alice', box)
}

const contactEvents = async (device: Device) =>
  (await device.events()).filter((type) => /^contact\.(re|failed|gap)/.test(type))

describe('a device that was put back and cannot know it', () => {
  const noted = async (...devices: Device[]) => {
    const told = await Promise.all(
      devices.map((device) => device.journal('contact.recovering', 'contact.equivocated')),
    )
    return told.flat().length
  }

  it.each([
    ['both go on', 1, 'before'],
    ['both go on', 12, 'before'],
    ['both go on', 3, 'after'],
    ['both go on', 12, 'after'],
    ['the contact has started again', 5, 'before'],
    ['the contact has no old boxes', 5, 'before'],
  ])(
    'begins anew, or its contact does, and both lives are read: %s, %i texts, catching up %s it writes',
    async (what, texts, catchesUp) => {
      const { air, alice, bob } = await pair()
      await talk(air, [alice, bob], 'before')
      const copy = await copiedDisk(alice.disk)
      for (let i = 0; i < texts; i++) await alice.send(`of a former life ${i}`)
      await settled(air, [alice, bob])
      if (what !== 'both go on') {
        bob.keeps = what === 'the contact has started again'
        await bob.crash()
        await bob.restart()
        await air.slots(3)
      }
      await alice.restore(copy, { noticed: false })
      expect(alice.phase()).toBe('ready')
      // What the contact acknowledged is found before it writes, or names numbers that it has given again.
      if (catchesUp === 'before') await air.slots(20)
      for (let i = 0; i < texts + 3; i++) {
        await alice.send(`of the present life ${i}`)
        if (catchesUp === 'before') await air.slots(2)
      }
      await settled(air, [alice, bob])
      await talk(air, [alice, bob], 'after')
      expect(await noted(alice, bob)).toBeGreaterThan(0)
      const sent = [
        ...Array.from({ length: texts }, (_, i) => `of a former life ${i}`),
        ...Array.from({ length: texts + 3 }, (_, i) => `of the present life ${i}`),
      ]
      const read = (await bob.received()).filter((text) => text.startsWith('of '))
      expect(read.toSorted()).toEqual(sent.toSorted())
    },
  )

  it('and again to the same copy: the conversation goes on', async () => {
    const { air, alice, bob } = await pair()
    await talk(air, [alice, bob], 'before')
    const copy = await copiedDisk(alice.disk)
    for (const life of ['second', 'third', 'fourth']) {
      for (let i = 0; i < 3; i++) await alice.send(`${life} ${i}`)
      await settled(air, [alice, bob])
      await alice.restore(copy, { noticed: false })
      await air.slots(3)
    }
    await air.slots(40, OPTIONS.ttlDays * DAY_MS * 0.05)
    await settled(air, [alice, bob])
    await talk(air, [alice, bob], 'after')
    expect([alice.phase(), bob.phase()]).toEqual(['ready', 'ready'])
  })
})

describe('a device that was restored from a backup', () => {
  it('becomes a new device by itself, and the conversation goes on in both directions', async () => {
    const real: DeviceOptions = { realJobs: true }
    const { air, alice, bob } = await pair({ alice: real, bob: real })
    const { safetyNumber } = bob.conversations.contact('friend')
    await bob.commit((batch) => bob.conversations.verify(batch, 'friend', safetyNumber ?? ''))
    const copy = await copiedDisk(alice.disk)
    await talk(air, [alice, bob], 'before')
    await alice.restore(copy)
    expect(alice.phase()).toBe('recovering')
    await talk(air, [alice, bob], 'after')
    expect(await contactEvents(alice)).toEqual([
      'contact.ready',
      'contact.recovering',
      'contact.recovered',
    ])
    expect(await contactEvents(bob)).toEqual(['contact.ready', 'contact.reset'])
    const [reset] = await bob.journal('contact.reset')
    expect(reset?.data).toMatchObject({ alias: 'friend', reason: 'new device' })
    expect(bob.conversations.contact('friend')).toMatchObject({ verified: true, safetyNumber })
    expect(alice.conversations.contact('friend').safetyNumber).toBe(safetyNumber)
  })

  it('gets and sends once what was on its way, what came meanwhile and what it knows no more', async () => {
    const { air, alice, bob } = await pair()
    await talk(air, [alice, bob], 'early')
    bob.linked = false
    air.hears = (_box, to) => to !== bob
    await alice.send('under way')
    await air.slots(2)
    await alice.send('still queued')
    await bob.send('queued at bob')
    const copy = await copiedDisk(alice.disk)
    air.hears = () => true
    bob.linked = true
    await air.until(
      () => alice.conversations.outbox().length + bob.conversations.outbox().length === 0,
      60,
    )
    await alice.send('after the backup')
    await talk(air, [alice, bob], 'acknowledged after the backup')
    await alice.crash()
    await bob.send('during the outage')
    await air.slots(5)
    await alice.restore(copy)
    await settled(air, [alice, bob])
    await talk(air, [alice, bob], 'new')
    expect((await bob.received()).toSorted()).toEqual(
      [
        'early of alice',
        'under way',
        'still queued',
        'after the backup',
        'acknowledged after the backup of alice',
        'new of alice',
      ].toSorted(),
    )
    expect((await alice.received()).toSorted()).toEqual(
      [
        'early of bob',
        'queued at bob',
        'acknowledged after the backup of bob',
        'during the outage',
        'new of bob',
      ].toSorted(),
    )
  })

  it('never gives a key or a group state of its former life to anything that writes', async () => {
    const states = new Set<string>()
    const used: string[] = []
    let isNew = false
    const note = (jobs: JobRunner): JobRunner => ({
      ...jobs,
      refresh: async (input) => {
        used.push(toHex(input.ownGroup.state))
        const done = await jobs.refresh(input)
        if (!isNew) states.add(toHex(done.ownGroup.state))
        return done
      },
      acceptClaim: async (input) => {
        const done = await jobs.acceptClaim(input)
        if (!isNew) states.add(toHex(done.ownGroup.state))
        return done
      },
    })
    const { air, alice, bob } = await pair({ alice: { tamper: note } })
    const copy = await copiedDisk(alice.disk)
    await air.slot(DAY_MS)
    await talk(air, [alice, bob], 'refreshed')
    expect(used).toHaveLength(1)
    used.length = 0
    isNew = true
    await alice.restore(copy)
    await talk(air, [alice, bob], 'restored')
    await air.slot(DAY_MS)
    await talk(air, [alice, bob], 'refreshed again')
    expect(used).toHaveLength(1)
    expect(states.size).toBe(2)
    expect(states.has(used[0] ?? '')).toBe(false)
  })

  it.each([0, 1, 7])('twice from the same copy, %i slots after the first time', async (slots) => {
    const { air, alice, bob } = await pair()
    const copy = await copiedDisk(alice.disk)
    await talk(air, [alice, bob], 'before')
    await alice.restore(copy)
    await air.slots(slots)
    await alice.restore(copy)
    await talk(air, [alice, bob], 'after')
    await alice.restore(copy)
    await talk(air, [alice, bob], 'after all')
    expect((await bob.received()).length).toBe(3)
  })

  it.each([0, 1, 4, 9])('like its contact, %i slots before it: one goes first', async (slots) => {
    const { air, alice, bob } = await pair()
    const copies = [await copiedDisk(alice.disk), await copiedDisk(bob.disk)] as const
    await talk(air, [alice, bob], 'before')
    for (const [first, second] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const copyOf = (device: Device) => copies[device === alice ? 0 : 1]
      await first.restore(copyOf(first))
      await air.slots(slots)
      await second.restore(copyOf(second))
      await talk(air, [alice, bob], `after ${first.name}`)
    }
    expect((await contactEvents(alice)).at(-1)).toMatch(/contact\.re(set|covered)/)
  })

  it('finds a contact that came back before it did, and that it had heard of', async () => {
    const { air, alice, bob } = await pair()
    const [copyOfAlice, copyOfBob] = [await copiedDisk(alice.disk), await copiedDisk(bob.disk)]
    await alice.restore(copyOfAlice)
    await talk(air, [alice, bob], 'alice is back')
    await bob.restore(copyOfBob)
    await talk(air, [alice, bob], 'bob is back')
    await alice.restore(copyOfAlice)
    await talk(air, [alice, bob], 'alice is back again')
    expect(await contactEvents(alice)).toContain('contact.recovered')
  })

  it.each(['b', 'c', '1', '3'])(
    'is heard when a third of all is lost for good: %s',
    async (seed) => {
      const { air, alice, bob } = await pair()
      const copy = await copiedDisk(alice.disk)
      const rng = seededRng(`loss/${seed}`)
      air.keepers = false
      air.hears = () => uniform(rng) > 1 / 3
      bob.keeps = false
      alice.keeps = false
      await alice.restore(copy)
      await air.until(() => areReady(alice, bob), 2000)
      expect(await contactEvents(bob)).toEqual(['contact.ready', 'contact.reset'])
    },
  )

  it('is heard on the next day when all that it said on the first is lost', async () => {
    const { air, alice, bob } = await pair()
    const copy = await copiedDisk(alice.disk)
    air.keepers = false
    air.hears = () => false
    bob.keeps = false
    await alice.restore(copy)
    await air.slots(600)
    expect(bob.phase()).toBe('ready')
    air.hears = () => true
    await air.slot(DAY_MS)
    await air.slots(40)
    await air.slot(DAY_MS / 2)
    await talk(air, [alice, bob], 'after')
  })

  it('finds a contact that comes back days later', async () => {
    const { air, alice, bob } = await pair()
    const copy = await copiedDisk(alice.disk)
    bob.keeps = false
    await bob.crash()
    await alice.restore(copy)
    for (let i = 0; i < 10; i++) {
      await air.slot(DAY_MS / 2)
      await air.slots(30)
    }
    await alice.send('are you there?')
    await bob.restart()
    await air.until(async () => (await bob.received()).length === 1, 600)
    await talk(air, [alice, bob], 'here')
    expect(await contactEvents(bob)).toEqual(['contact.ready', 'contact.reset'])
  })
})

describe('a device whose streams are damaged', () => {
  it.each([BUCKETS.streams, BUCKETS.readWindows])('recovers: bucket %i', async (bucket) => {
    const { air, alice, bob } = await pair()
    await talk(air, [alice, bob], 'before')
    await alice.send('on its way')
    await alice.crash()
    await damage(alice.disk, bucket)
    await alice.restart()
    await settled(air, [alice, bob])
    await talk(air, [alice, bob], 'after')
    expect(await bob.received()).toEqual(['before of alice', 'on its way', 'after of alice'])
  })
})

describe('a contact that comes back again and again', () => {
  it('is answered a few times a day, and then waits', async () => {
    const { air, alice, bob } = await pair()
    const copy = await copiedDisk(alice.disk)
    const began = await bob.journal('contact.reset')
    expect(began).toEqual([])
    for (let i = 0; i < 10; i++) {
      await alice.restore(copy)
      await air.slots(14)
    }
    expect(await bob.journal('contact.reset')).toHaveLength(RESETS_PER_DAY)
    expect(alice.phase()).toBe('recovering')
    await air.slot(DAY_MS)
    await air.slots(20)
    await air.slot(DAY_MS / 3)
    await talk(air, [alice, bob], 'on the next day')
  })

  it('and repeats a claim that is long over is not answered where it was answered before', async () => {
    const { air, alice, bob } = await pair()
    const copy = await copiedDisk(alice.disk)
    const rng = seededRng('again')
    await alice.restore(copy)
    await air.slots(1)
    const { keys } = await contactOf(alice)
    await talk(air, [alice, bob], 'first claim')
    await alice.restore(copy)
    await talk(air, [alice, bob], 'second claim')
    const root = keys.recovery?.claimerRoot ?? rng.bytes(32)
    // Its boxes are still there, and alice is of another device by now: bob answers what nobody waits for.
    announce(air, keys, { kind: 'claim', root, at: air.clock.now(), other: new Uint8Array(32) })
    await air.slots(20)
    expect(bob.phase()).toBe('recovering')
    await alice.restore(copy)
    await talk(air, [alice, bob], 'third claim')
  })

  it('fills neither memory nor time with a thousand claims that never come', async () => {
    const { air, alice, bob } = await pair()
    const { keys } = await contactOf(alice)
    const rng = seededRng('hostile')
    for (let i = 0; i < 1000; i++) {
      const root = signKeyPairFromSeed(rng.bytes(32)).publicKey
      announce(air, keys, {
        kind: 'claim',
        root,
        at: air.clock.now() + i,
        other: new Uint8Array(32),
      })
      if (i % 50 === 0) await air.slot()
    }
    await air.slots(10)
    expect(bob.phase()).toBe('ready')
    const before = air.lookUps
    await air.slots(100)
    expect(air.lookUps - before).toBeLessThan(200)
    await talk(air, [alice, bob], 'still here')
    await alice.restore(alice.disk)
    await air.slots(400)
    await talk(air, [alice, bob], 'and back')
  })
})

describe('a crash during a recovery', () => {
  /** Alice is restored and both have a text on their way; one of them dies at `crashAt` and is back 3 slots later. */
  async function recoveryWithCrash(victim: 'alice' | 'bob', crashAt: number | undefined) {
    const { air, alice, bob } = await pair()
    const copy = await copiedDisk(alice.disk)
    const device = victim === 'alice' ? alice : bob
    await bob.send('from bob')
    await alice.restore(copy)
    await alice.send('from alice')
    device.steps = 0
    device.crashAt = crashAt
    const isDone = () =>
      alice.up &&
      bob.up &&
      areReady(alice, bob) &&
      [alice, bob].every((each) => each.conversations.outbox().length === 0)
    for (let slot = 0; slot < 400 && !isDone(); slot++) {
      await air.slot()
      if (device.up) continue
      await air.slots(3)
      await device.restart()
    }
    return {
      steps: device.steps,
      isDone: isDone(),
      seen: [await alice.received(), await bob.received()],
    }
  }

  // In slices, so that no test takes long on a busy machine.
  const SLICES = 4
  const slices = Array.from({ length: SLICES }, (_, i) => i + 1)

  it.each(slices.flatMap((slice) => [['alice', slice] as const, ['bob', slice] as const]))(
    'of %s at any step loses and repeats nothing (%i/4)',
    async (victim, slice) => {
      const { steps, isDone } = await recoveryWithCrash(victim, undefined)
      expect([isDone, steps > 15]).toEqual([true, true])
      for (let crashAt = slice; crashAt <= steps; crashAt += SLICES) {
        const run = await recoveryWithCrash(victim, crashAt)
        const expected = [crashAt, true, ['from bob'], ['from alice']]
        expect([crashAt, run.isDone, ...run.seen]).toEqual(expected)
      }
    },
  )
})
