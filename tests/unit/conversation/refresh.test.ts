import { describe, expect, it } from 'vitest'
import { HearsayError } from '../../../src/base/index.ts'
import { invitationBinding } from '../../../src/conversation/identifiers.ts'
import { ConversationJobs, type JobRunner, MlsAdapter } from '../../../src/conversation/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import {
  type Device,
  type DeviceOptions,
  NETWORK_ID,
  OPTIONS,
  pair,
} from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { storedLedger } from '../../support/stored-ledger.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** What is on the disk of a device about its contact. */
async function stored(device: Device) {
  const ledger = await storedLedger(device.store, OPTIONS)
  const [contact] = [...ledger.contacts.values()]
  if (contact?.writer === undefined) throw new Error('no contact')
  const { keys, writer, reader } = contact
  const tags = new Set(reader?.watched().map((entry) => entry.tag))
  return {
    tag: writer.state.epoch.tag,
    boxes: writer.state.epoch.chain.index,
    staged: writer.state.staged?.epoch.tag,
    reads: [...tags],
    keyPackages: keys.keyPackages.length,
    theirs: keys.theirKeyPackage !== undefined,
    peerEpoch: keys.peerGroup?.epoch,
  }
}

async function talk(from: Device, to: Device, count: number): Promise<void> {
  const { air } = from
  const before = (await to.received()).length
  for (let i = 0; i < count; i++) {
    await from.send(`${from.name} ${before + i}`)
    await air.slot()
  }
  await air.until(async () => (await to.received()).length === before + count, 60)
}

const inOrder = (from: Device, count: number) =>
  Array.from({ length: count }, (_, i) => `${from.name} ${i}`)

const tampering = (tamper: (jobs: JobRunner) => Partial<JobRunner>): DeviceOptions => ({
  tamper: (jobs) => ({ ...jobs, ...tamper(jobs) }),
})

describe('a refresh', () => {
  it('comes at the first sending after 100 boxes, while texts keep flowing in order', async () => {
    const { air, alice, bob } = await pair()
    await talk(alice, bob, 99)
    expect(await stored(alice)).toMatchObject({ tag: '0.1', staged: undefined })
    await talk(alice, bob, 20)
    await air.slots(10)
    const after = await stored(alice)
    expect(after).toMatchObject({ tag: '0.2', staged: undefined, keyPackages: 1 })
    expect(after.boxes).toBeLessThan(30)
    // The old epoch is erased at the reader, whose next refresh will be a Welcome.
    expect(await stored(bob)).toMatchObject({ reads: ['0.2'], theirs: true, peerEpoch: 2 })
    expect(await bob.received()).toEqual(inOrder(alice, 119))
  })

  it('comes after a day on both sides, and with a fresh KeyPackage renews the other’s leaf too', async () => {
    const { air, alice, bob } = await pair()
    await air.slot(DAY_MS)
    await talk(alice, bob, 2)
    await air.slots(30)
    // An ack is a sending too. Neither side had a KeyPackage of the other yet: commits.
    expect(await stored(alice)).toMatchObject({ tag: '0.2', reads: ['0.2'], theirs: true })
    expect(await stored(bob)).toMatchObject({ tag: '0.2', reads: ['0.2'], theirs: true })
    await air.slot(DAY_MS)
    await talk(alice, bob, 1)
    await air.slots(30)
    // A Welcome skips the epoch of the commit that nobody else sees.
    for (const device of [alice, bob]) {
      const { tag, reads, keyPackages, theirs } = await stored(device)
      const expected = { tag: '0.4', reads: ['0.4'], keyPackages: 1, theirs: true }
      expect({ tag, reads, keyPackages, theirs }).toEqual(expected)
    }
    await talk(alice, bob, 3)
    await talk(bob, alice, 3)
    expect(await bob.received()).toEqual(inOrder(alice, 6))
  })

  it('works with real keys, both ways, by commit and by Welcome', async () => {
    const real = { realJobs: true }
    const { air, alice, bob } = await pair({ alice: real, bob: real })
    for (let day = 0; day < 3; day++) {
      await air.slot(DAY_MS)
      await talk(alice, bob, 1)
      await talk(bob, alice, 1)
      await air.slots(30)
    }
    for (const device of [alice, bob]) {
      expect(await stored(device)).toMatchObject({ tag: '0.6', reads: ['0.6'] })
      expect(await device.journal('contact.refused')).toEqual([])
    }
    expect(await bob.received()).toEqual(inOrder(alice, 3))
    expect(await alice.received()).toEqual(inOrder(bob, 3))
  })

  it('does not come without something to send', async () => {
    const { air, alice } = await pair()
    await air.slots(20)
    const before = air.sent.length
    await air.slots(3, DAY_MS)
    expect(air.sent.length).toBe(before)
    expect(await stored(alice)).toMatchObject({ tag: '0.1', staged: undefined })
  })

  it('survives a crash of either side at any slot', async () => {
    for (const name of ['alice', 'bob'] as const) {
      for (let slot = 0; slot < 12; slot += 2) {
        const { air, ...devices } = await pair()
        await air.slot(DAY_MS)
        await devices.alice.send('alice 0')
        await air.slots(slot)
        await devices[name].crash()
        await devices[name].restart()
        await air.slots(25)
        await talk(devices.alice, devices.bob, 1)
        expect(await devices.bob.received()).toEqual(['alice 0', 'alice 1'])
        expect(await stored(devices.alice)).toMatchObject({ tag: '0.2' })
        expect(await stored(devices.bob)).toMatchObject({ reads: ['0.2'] })
      }
    }
  })

  it('moves on after an hour without the reader, who catches up in one go when it is back', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(10)
    await air.slot(DAY_MS)
    await bob.crash()
    await alice.send('alice 0')
    await air.slots(10)
    expect(await stored(alice)).toMatchObject({ tag: '0.1', staged: '0.2' })
    await air.slots(600)
    await air.slot(HOUR_MS)
    await alice.send('alice 1')
    await air.slots(4)
    expect(await stored(alice)).toMatchObject({ tag: '0.2', staged: undefined })
    await air.slot(DAY_MS)
    await alice.send('alice 2')
    await air.slots(600)
    await air.slot(HOUR_MS)
    await alice.send('alice 3')
    await air.slots(20)
    expect(await stored(alice)).toMatchObject({ tag: '0.3', staged: undefined })
    await alice.crash()
    bob.keeps = false
    await bob.restart()
    await air.until(async () => (await bob.received()).length === 4, 300)
    expect(await bob.received()).toEqual(inOrder(alice, 4))
    await alice.restart()
    await talk(alice, bob, 1)
  })

  it('is followed with an older KeyPackage when two refreshes cross', async () => {
    const { air, alice, bob } = await pair()
    await air.slot(DAY_MS)
    await talk(alice, bob, 1)
    await air.slots(30)
    // Now alice hears nothing: she offers another KeyPackage while bob answers the first with a Welcome.
    air.hears = (_box, to) => to !== alice
    air.keepers = false
    await air.slot(DAY_MS)
    await bob.send('bob 0')
    await alice.send('alice 1')
    await air.slots(30)
    expect(await stored(bob)).toMatchObject({ staged: '0.4', theirs: true })
    expect(await stored(alice)).toMatchObject({ keyPackages: 2, peerEpoch: 2 })
    await alice.crash()
    air.hears = () => true
    air.keepers = true
    await alice.restart()
    await air.until(async () => (await alice.received()).length === 1, 200)
    await air.slots(30)
    // The one that was answered and all before it are erased, the newer one is kept.
    expect(await stored(alice)).toMatchObject({ keyPackages: 1, peerEpoch: 4, reads: ['0.4'] })
    await talk(bob, alice, 2)
    expect(await alice.received()).toEqual(inOrder(bob, 3))
  })

  it('holds a bounded number of KeyPackages when the other side never uses one', async () => {
    const { air, alice, bob } = await pair()
    for (let day = 0; day < 7; day++) {
      await air.slot(DAY_MS)
      await alice.send(`alice ${day}`)
      await air.slots(15)
      await bob.crash()
      await bob.restart()
    }
    expect((await stored(alice)).keyPackages).toBeLessThanOrEqual(4)
    expect(await bob.received()).toEqual(inOrder(alice, 7))
  })
})

describe('a contact who abuses refreshes', () => {
  it('cannot stop ours with a KeyPackage of nonsense, of another account or out of date', async () => {
    const mls = new MlsAdapter({ rng: seededRng('mls'), clock: { now: () => 1e12 } })
    const jobs = new ConversationJobs({ mls, rng: seededRng('jobs') })
    const device = (fill: number) => ({
      networkId: NETWORK_ID,
      accountSeed: new Uint8Array(32).fill(fill),
      deviceId: new Uint8Array(16).fill(fill),
    })
    const [alice, bob] = [device(1), device(2)]
    const root = (fill: number) => signKeyPairFromSeed(new Uint8Array(32).fill(fill)).publicKey
    const context = invitationBinding(NETWORK_ID, root(3))
    const first = await jobs.introduce({ self: bob, context, mailboxRoot: root(4), now: 1e12 })
    const accepted = await jobs.acceptClaim({
      self: alice,
      inviteSecret: new Uint8Array(32).fill(5),
      inviterRoot: root(3),
      claimerRoot: root(4),
      claim: {
        accountKey: signKeyPairFromSeed(bob.accountSeed).publicKey,
        deviceId: bob.deviceId,
        keyPackage: first.keyPackage,
      },
      now: 1e12,
    })
    const { conversation, ownGroup } = accepted
    const offer = (self: typeof bob, of: Uint8Array, now = 1e12) =>
      jobs.introduce({ self, context: of, mailboxRoot: root(6), now })
    const offers = [
      undefined,
      new Uint8Array(2700).fill(1),
      first.keyPackage,
      (await offer({ ...bob, accountSeed: alice.accountSeed }, conversation)).keyPackage,
      (await offer({ ...bob, deviceId: alice.deviceId }, conversation)).keyPackage,
      (await offer(bob, context)).keyPackage,
      (await offer(bob, conversation, 1e12 - 29 * DAY_MS)).keyPackage,
      (await offer(bob, conversation)).keyPackage,
    ]
    const peer = {
      conversation,
      deviceId: bob.deviceId,
      accountKey: signKeyPairFromSeed(bob.accountSeed).publicKey,
    }
    const kinds: string[] = []
    for (const theirKeyPackage of offers) {
      const input = { self: alice, peer, ownGroup, theirKeyPackage, offersKeyPackage: false }
      kinds.push((await jobs.refresh({ ...input, now: 1e12 })).kind)
    }
    expect(kinds).toEqual([...Array.from({ length: 7 }, () => 'commit'), 'welcome'])
  })

  it('is met with new keys when it repeats a Welcome or sends a commit of another group', async () => {
    let replay: Uint8Array | undefined
    const { air, alice, bob } = await pair({
      alice: tampering((jobs) => ({
        refresh: async (input) => {
          const done = await jobs.refresh(input)
          const record = replay ?? done.record
          replay ??= done.record
          return { ...done, record }
        },
      })),
    })
    await air.slot(DAY_MS)
    await talk(alice, bob, 1)
    await air.slots(20)
    await air.slot(DAY_MS)
    await alice.send('alice 1')
    await air.slots(20)
    expect(await bob.journal('contact.recovering')).toHaveLength(1)
    await air.until(() => bob.phase() === 'ready' && alice.phase() === 'ready', 60)
    expect(await bob.received()).toEqual(['alice 0', 'alice 1'])
    await talk(bob, alice, 2)
    await talk(alice, bob, 2)
  })

  it('keeps us busy with a job now and then when its records kill the worker, then has new keys', async () => {
    let tries = 0
    const { air, alice, bob } = await pair({
      bob: tampering(() => ({
        followCommit: async () => {
          tries++
          throw new HearsayError('bug', 'lost')
        },
      })),
    })
    await air.slots(8)
    await air.slot(DAY_MS)
    await alice.send('alice 0')
    await air.slots(40)
    expect(tries).toBeLessThan(4)
    await air.slots(600)
    expect(tries).toBe(6)
    expect(await bob.journal('contact.recovering')).toHaveLength(1)
    expect([alice.phase(), bob.phase()]).toEqual(['ready', 'ready'])
    expect(await bob.received()).toEqual(['alice 0'])
  })

  it('is no excuse: a refresh of ours that fails is tried again, without an event', async () => {
    let tries = 0
    const { air, alice, bob } = await pair({
      alice: tampering((jobs) => ({
        refresh: async (input) => {
          if (++tries < 4) throw new HearsayError('bug', 'lost')
          return jobs.refresh(input)
        },
      })),
    })
    await air.slots(8)
    await air.slot(DAY_MS)
    for (let i = 0; i < 15; i++) {
      await alice.send(`alice ${i}`)
      await air.slots(10)
    }
    expect(tries).toBe(4)
    expect(await alice.journal('contact.refused')).toEqual([])
    expect((await stored(alice)).tag).toMatch(/^0\.[23]$/)
    expect(await bob.received()).toEqual(inOrder(alice, 15))
  })
})
