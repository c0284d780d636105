import { describe, expect, it } from 'vitest'
import { asNetworkId, toHex } from '../../../src/base/index.ts'
import { decodeInvitation, encodeInvitation } from '../../../src/conversation/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { parseBox } from '../../../src/stream/index.ts'
import { Air, codeOf, Device, NETWORK_ID, OPTIONS, pair } from '../../support/devices.ts'
import { storedLedger } from '../../support/stored-ledger.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

async function three() {
  const air = new Air()
  const alice = await Device.create(air, 'alice')
  const bob = await Device.create(air, 'bob')
  const carol = await Device.create(air, 'carol')
  return { air, alice, bob, carol, uri: await alice.invite('friend', DAY_MS) }
}

describe('an invitation', () => {
  it('makes one contact of two claimers who come at once, and the other is told', async () => {
    const { air, alice, bob, carol, uri } = await three()
    await bob.add(uri)
    await carol.add(uri)
    await air.until(() => [bob.phase(), carol.phase()].every((p) => /ready|failed/.test(p)), 100)
    expect([bob.phase(), carol.phase()].sort()).toEqual(['failed: already used', 'ready'])
    expect(alice.phase()).toBe('ready')
    const winner = bob.phase() === 'ready' ? bob : carol
    await alice.send('to the winner')
    await air.until(async () => (await winner.received()).length === 1)
    expect((await bob.received()).length + (await carol.received()).length).toBe(1)
  })

  it('tells a claimer who comes after the contact is ready', async () => {
    const { air, alice, bob, carol, uri } = await three()
    await bob.add(uri)
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 100)
    await carol.add(uri)
    await air.until(() => carol.phase() !== 'waiting', 100)
    expect([alice.phase(), bob.phase(), carol.phase()]).toEqual([
      'ready',
      'ready',
      'failed: already used',
    ])
    const failed = await carol.journal('contact.failed')
    expect(failed).toMatchObject([{ data: { reason: 'already used' } }])
  })

  it('tells a later claimer from the keepers when the inviter is gone', async () => {
    const { air, alice, bob, carol, uri } = await three()
    await carol.crash()
    await bob.add(uri)
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 100)
    const dave = await Device.create(air, 'dave')
    await dave.add(uri)
    await air.until(() => dave.phase() === 'failed: already used', 100)
    await alice.crash()
    await carol.restart()
    carol.keeps = false
    await carol.add(uri)
    await air.until(() => carol.phase() !== 'waiting', 100)
    expect(carol.phase()).toBe('failed: already used')
  })

  it('tells at most nine later claimers, each verdict under its own address', async () => {
    const { air, alice, bob, uri } = await three()
    await bob.add(uri)
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 100)
    await air.slots(10)
    const before = air.sent.length
    for (let i = 0; i < 12; i++) {
      const late = await Device.create(air, `late ${i}`)
      late.keeps = false
      await late.add(uri)
      await air.slots(6)
    }
    expect(air.sentBy(alice, before)).toBeLessThanOrEqual(9)
    expect(alice.phase()).toBe('ready')
  })

  it('survives restarts of both sides at any phase', async () => {
    const { air, alice, bob, uri } = await three()
    await bob.add(uri)
    for (let i = 0; i < 12; i++) {
      await air.slots(7)
      const device = i % 2 === 0 ? alice : bob
      await device.crash()
      await device.restart()
    }
    expect([alice.phase(), bob.phase()]).toEqual(['ready', 'ready'])
  })

  it('shows its progress', async () => {
    const { air, alice, bob, uri } = await three()
    await bob.add(uri)
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 100)
    for (const device of [alice, bob]) {
      const done = (await device.journal('contact.exchanging')).map(({ data }) => data['done'])
      expect(done.length).toBeGreaterThan(3)
      expect(done).toEqual(done.toSorted((a, b) => Number(a) - Number(b)))
      expect(Number(done.at(-1))).toBeLessThanOrEqual(12)
    }
  })

  it('expires: nobody who comes later is heard, and both sides say so', async () => {
    const { air, alice, bob, uri } = await three()
    await alice.crash()
    await bob.add(uri)
    await air.slots(20)
    await air.slot(DAY_MS + HOUR_MS)
    await alice.restart()
    await air.slots(20)
    expect([alice.phase(), bob.phase()]).toEqual(['failed: expired', 'failed: expired'])
  })

  it('that expires half way ends on both sides, the claimer as long after as a box may live', async () => {
    const { air, alice, bob, uri } = await three()
    await bob.add(uri)
    await air.until(() => bob.phase() === 'exchanging', 100)
    air.hears = (_box, to) => to !== alice
    alice.keeps = false
    air.keepers = false
    await air.slots(20)
    await air.slot(DAY_MS + HOUR_MS)
    expect([alice.phase(), bob.phase()]).toEqual(['failed: expired', 'exchanging'])
    await air.slot(2 * DAY_MS)
    expect(bob.phase()).toBe('failed: expired')
  })

  it('can be cancelled until it was used', async () => {
    const { air, alice, bob, uri } = await three()
    const { inviteId } = alice.conversations.contact('friend')
    const cancel = (id: string) =>
      alice.commit((batch) => alice.conversations.cancelInvite(batch, id))
    expect(await codeOf(() => cancel('nonsense'))).toBe('not-found')
    expect(await codeOf(() => cancel(''))).toBe('not-found')
    await cancel(inviteId)
    expect(alice.phase()).toBe('failed: cancelled')
    expect(await codeOf(() => cancel(inviteId))).toBe('invite-used')
    await bob.add(uri)
    await air.slots(20)
    expect(bob.phase()).toBe('waiting')
  })

  it('that is cancelled while keys are made stays cancelled', async () => {
    let hold: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      hold = resolve
    })
    const air = new Air()
    const alice = await Device.create(air, 'alice', {
      tamper: (jobs) => ({
        ...jobs,
        acceptClaim: async (input) => {
          await held
          return jobs.acceptClaim(input)
        },
      }),
    })
    const bob = await Device.create(air, 'bob')
    await bob.add(await alice.invite())
    const running = air.slots(12)
    for (let i = 0; i < 200; i++) await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    const { inviteId } = alice.conversations.contact('friend')
    await alice.commit((batch) => alice.conversations.cancelInvite(batch, inviteId))
    hold()
    await running
    expect(alice.phase()).toBe('failed: cancelled')
    await alice.crash()
    await alice.restart()
    expect(alice.phase()).toBe('failed: cancelled')
  })
})

describe('adding an invitation', () => {
  it('refuses what is broken, foreign, expired, one’s own or known', async () => {
    const { air, alice, bob, uri } = await three()
    const add = (text: string, alias = 'x') => codeOf(() => bob.add(text, alias))
    expect(await add('hello')).toBe('invite-invalid')
    expect(await add(uri.slice(0, -1))).toBe('invite-invalid')
    expect(await add(uri.replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')))).toBe('invite-invalid')
    const { secret, inviterRoot, expiresAt } = decodeInvitation(uri, NETWORK_ID, 0)
    const foreign = asNetworkId(new Uint8Array(32).fill(1))
    const invitation = { secret, inviterRoot, expiresAt }
    expect(await add(encodeInvitation(foreign, invitation))).toBe('network-mismatch')
    const old = { ...invitation, expiresAt: air.clock.now() - HOUR_MS }
    expect(await add(encodeInvitation(NETWORK_ID, old))).toBe('invite-expired')
    expect(await codeOf(() => alice.add(uri, 'x'))).toBe('contact-exists')
    expect(bob.conversations.contacts()).toEqual([])
    await bob.add(`  ${uri}\n`, 'first')
    expect(await add(uri)).toBe('contact-exists')
    expect(bob.conversations.contacts()).toHaveLength(1)
  })

  it('refuses one whose R_I is no key', async () => {
    const { air, bob } = await three()
    const expiresAt = air.clock.now() + HOUR_MS
    for (const inviterRoot of [new Uint8Array(32), new Uint8Array(32).fill(255)]) {
      const secret = new Uint8Array(32).fill(7)
      const uri = encodeInvitation(NETWORK_ID, { secret, inviterRoot, expiresAt })
      expect(await codeOf(() => bob.add(uri))).toBe('invite-invalid')
    }
    expect(bob.conversations.contacts()).toEqual([])
  })

  it.each([
    ['', 'bad-value'],
    ['x'.repeat(65), 'bad-value'],
    ['tab\t', 'bad-value'],
    [' space', 'bad-value'],
    ['zero​width', 'bad-value'],
    ['friend', 'contact-exists'],
  ])('refuses the name %j', async (alias, code) => {
    const { alice } = await three()
    const invite = () =>
      alice.commit((batch) => alice.conversations.invite(batch, { alias, ttlMs: HOUR_MS }))
    expect(await codeOf(invite)).toBe(code)
  })
})

describe('two contacts of one person', () => {
  it('see different keys, devices and addresses', async () => {
    const { air, alice, bob } = await pair()
    const carol = await Device.create(air, 'carol')
    const other = await carol.invite()
    await alice.add(other, 'carol')
    await air.until(() => alice.phase('carol') === 'ready' && carol.phase() === 'ready', 100)
    const seen = new Set<string>()
    for (const device of [alice, bob, carol]) {
      const ledger = await storedLedger(device.store, OPTIONS)
      for (const { keys } of ledger.contacts.values()) {
        for (const value of [
          signKeyPairFromSeed(keys.accountSeed ?? new Uint8Array(32)).publicKey,
          keys.deviceId,
          keys.ownGroup?.writerRoot,
          keys.conversation,
        ]) {
          seen.add(toHex(value ?? new Uint8Array()))
        }
      }
    }
    // Four sides of two conversations; both sides of one share its id.
    expect(seen.size).toBe(4 * 3 + 2)
    const numbers = [alice.conversations.contact('friend'), alice.conversations.contact('carol')]
    expect(numbers[0]?.safetyNumber).not.toBe(numbers[1]?.safetyNumber)
    const addresses = air.sent.map(({ box }) => toHex(parseBox(box).address))
    expect(new Set(addresses).size).toBe(addresses.length)
  })
})
