import { describe, expect, it } from 'vitest'
import type { JobRunner } from '../../../src/conversation/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { decodeRecord, encodeRecord, type RecordOf } from '../../../src/conversation/records.ts'
import { Air, Device, type DeviceOptions } from '../../support/devices.ts'

type Tamper = (jobs: JobRunner) => Partial<JobRunner>

const with_ = (tamper: Tamper): DeviceOptions => ({
  realJobs: true,
  tamper: (jobs) => {
    // Methods of a class do not survive a spread.
    const bound: JobRunner = {
      introduce: (input) => jobs.introduce(input),
      acceptClaim: (input) => jobs.acceptClaim(input),
      acceptOffer: (input) => jobs.acceptOffer(input),
      acceptFinish: (input) => jobs.acceptFinish(input),
      refresh: (input) => jobs.refresh(input),
      followCommit: (input) => jobs.followCommit(input),
      followWelcome: (input) => jobs.followWelcome(input),
    }
    return { ...bound, ...tamper(bound) }
  },
})

async function meet(options: { alice?: DeviceOptions; bob?: DeviceOptions }) {
  const air = new Air()
  const alice = await Device.create(air, 'alice', options.alice ?? { realJobs: true })
  const bob = await Device.create(air, 'bob', options.bob ?? { realJobs: true })
  const uri = await alice.invite()
  await bob.add(uri)
  return { air, alice, bob, uri }
}

const flip = (bytes: Uint8Array, at = bytes.length - 1) => {
  const copy = bytes.slice()
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

describe('an inviter refuses the claim of a device', () => {
  const otherSeed = new Uint8Array(32).fill(77)
  const otherDevice = new Uint8Array(16).fill(78)
  const otherContext = new Uint8Array(32).fill(79)
  const claims: [string, Tamper][] = [
    [
      'whose leaf another account vouches for',
      (jobs) => ({
        introduce: (input) =>
          jobs.introduce({ ...input, self: { ...input.self, accountSeed: otherSeed } }),
      }),
    ],
    [
      'whose leaf names another device',
      (jobs) => ({
        introduce: (input) =>
          jobs.introduce({ ...input, self: { ...input.self, deviceId: otherDevice } }),
      }),
    ],
    [
      'whose leaf was signed for another invitation',
      (jobs) => ({ introduce: (input) => jobs.introduce({ ...input, context: otherContext }) }),
    ],
    [
      'whose leaf stands at another root than R_C',
      (jobs) => ({
        introduce: (input) => {
          const mailboxRoot = signKeyPairFromSeed(otherSeed).publicKey
          return jobs.introduce({ ...input, mailboxRoot })
        },
      }),
    ],
    [
      'whose KeyPackage was changed',
      (jobs) => ({
        introduce: async (input) => {
          const made = await jobs.introduce(input)
          return { ...made, keyPackage: flip(made.keyPackage, 900) }
        },
      }),
    ],
    [
      'whose KeyPackage has expired',
      (jobs) => ({
        introduce: (input) => jobs.introduce({ ...input, now: input.now - 29 * 86_400_000 }),
      }),
    ],
  ]

  it.each(claims)('%s, and stays open for others', async (_what, tamper) => {
    const { air, alice, bob, uri } = await meet({ bob: with_(tamper) })
    await air.slots(12)
    expect(alice.phase()).toBe('exchanging')
    expect(bob.phase()).toBe('waiting')
    const carol = await Device.create(air, 'carol', { realJobs: true })
    await carol.add(uri)
    await air.until(() => alice.phase() === 'ready' && carol.phase() === 'ready', 60)
  })
})

describe('a claimer refuses an inviter', () => {
  const offerOf = (bytes: Uint8Array) => decodeRecord(bytes) as RecordOf<'offer'>
  const changing = (change: (offer: RecordOf<'offer'>) => object): Tamper => {
    return (jobs) => ({
      acceptClaim: async (input) => {
        const done = await jobs.acceptClaim(input)
        const offer = offerOf(done.offer)
        return { ...done, offer: encodeRecord({ ...offer, ...change(offer) }) }
      },
    })
  }
  it.each<[string, Tamper]>([
    ['who names another account', changing((offer) => ({ accountKey: flip(offer.accountKey) }))],
    ['who names another device', changing((offer) => ({ deviceId: flip(offer.deviceId) }))],
    ['whose Welcome was changed', changing((offer) => ({ welcome: flip(offer.welcome) }))],
    ['whose KeyPackage was changed', changing((offer) => ({ keyPackage: flip(offer.keyPackage) }))],
    [
      'who did not know the secret of the invitation',
      (jobs) => ({
        acceptClaim: (input) =>
          jobs.acceptClaim({ ...input, inviteSecret: new Uint8Array(32).fill(1) }),
      }),
    ],
    [
      'whose view of the groups differs in the confirmation',
      (jobs) => ({
        acceptFinish: async (input) => {
          const done = await jobs.acceptFinish(input)
          const confirm = decodeRecord(done.confirm) as RecordOf<'confirm'>
          const claimerGroup = flip(confirm.claimerGroup)
          return { ...done, confirm: encodeRecord({ ...confirm, claimerGroup }) }
        },
      }),
    ],
  ])('%s', async (_what, tamper) => {
    const { air, bob } = await meet({ alice: with_(tamper) })
    await air.until(() => bob.phase().startsWith('failed'), 60)
    expect(bob.phase()).toBe('failed: refused by the key exchange')
    expect(bob.conversations.contact('friend').safetyNumber).toBeUndefined()
  })
})

describe('an inviter refuses a finish', () => {
  const changing = (change: (finish: RecordOf<'finish'>) => object): Tamper => {
    return (jobs) => ({
      acceptOffer: async (input) => {
        const done = await jobs.acceptOffer(input)
        const finish = decodeRecord(done.finish) as RecordOf<'finish'>
        return { ...done, finish: encodeRecord({ ...finish, ...change(finish) }) }
      },
    })
  }
  it.each<[string, Tamper]>([
    ['whose Welcome was changed', changing((finish) => ({ welcome: flip(finish.welcome) }))],
    [
      'with another view of its own group',
      changing((finish) => ({ inviterGroup: flip(finish.inviterGroup) })),
    ],
    [
      'with another view of the claimer’s group',
      changing((finish) => ({ claimerGroup: flip(finish.claimerGroup) })),
    ],
  ])('%s', async (_what, tamper) => {
    const { air, alice } = await meet({ bob: with_(tamper) })
    await air.until(() => alice.phase().startsWith('failed'), 60)
    expect(alice.phase()).toBe('failed: refused by the key exchange')
  })
})

describe('a device of the middle', () => {
  it('is betrayed by the safety numbers', async () => {
    const air = new Air()
    const real = { realJobs: true }
    const alice = await Device.create(air, 'alice', real)
    const mallory = await Device.create(air, 'mallory', real)
    const bob = await Device.create(air, 'bob', real)
    await mallory.add(await alice.invite(), 'alice')
    await bob.add(await mallory.invite('bob'))
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 60)
    const number = (device: Device) => device.conversations.contact('friend').safetyNumber ?? ''
    expect(number(alice)).not.toBe(number(bob))
    const verify = (device: Device, text: string) =>
      device.commit((batch) => device.conversations.verify(batch, 'friend', text))
    await expect(verify(alice, number(bob))).rejects.toMatchObject({ code: 'identity-changed' })
    expect(alice.conversations.contact('friend').verified).toBe(false)
    await verify(alice, number(alice).replaceAll(' ', ''))
    expect(alice.conversations.contact('friend').verified).toBe(true)
  })
})

describe('a contact who sends what is not due', () => {
  it('cannot make texts count before the exchange is confirmed', async () => {
    let sentEarly = false
    const { air, bob, alice } = await meet({
      alice: with_((jobs) => ({
        acceptFinish: async (input) => {
          const done = await jobs.acceptFinish(input)
          sentEarly = true
          const text = { kind: 'text', messageId: new Uint8Array(16), text: 'early', sentAt: 1 }
          return { ...done, confirm: encodeRecord(text as RecordOf<'text'>) }
        },
      })),
    })
    await air.slots(40)
    expect([sentEarly, alice.phase(), bob.phase()]).toEqual([true, 'ready', 'exchanging'])
    expect(await bob.received()).toEqual([])
  })
})
