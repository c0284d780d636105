import { describe, expect, it } from 'vitest'
import { Air, Device, pair } from '../../support/devices.ts'

const DAY_MS = 86_400_000

/** From now on this device has heard nothing and keeps nothing: only keepers can help it. */
async function leave(device: Device): Promise<void> {
  await device.crash()
  device.keeps = false
}

describe('a device that was away', () => {
  it('gets what was sent meanwhile from the keepers, also when the sender is gone', async () => {
    const { air, alice, bob } = await pair()
    await leave(bob)
    const texts = Array.from({ length: 25 }, (_, i) => `${i} ${'a'.repeat(700)}`)
    for (const text of texts) await alice.send(text)
    await air.slots(30)
    await alice.crash()
    await bob.restart()
    await air.until(async () => (await bob.received()).length === texts.length, 120)
    expect(await bob.received()).toEqual(texts)
  })

  it('gets what was sent on every one of the days', async () => {
    const { air, alice, bob } = await pair()
    await leave(bob)
    const texts: string[] = []
    for (let i = 0; i < 4; i++) {
      texts.push(`part ${i}`)
      await alice.send(`part ${i}`)
      await air.slot(DAY_MS / 3)
      await air.slots(7)
    }
    await alice.crash()
    await bob.restart()
    await air.until(async () => (await bob.received()).length === texts.length, 200)
    expect(await bob.received()).toEqual(texts)
  })

  it('gets the boxes of a long gap when a later one was heard live', async () => {
    const { air, alice, bob } = await pair()
    await leave(bob)
    for (let i = 0; i < 3; i++) {
      await alice.send(`part ${i}`)
      await air.slot(DAY_MS / 4)
    }
    air.keepers = false
    await bob.restart()
    await air.slots(2)
    await alice.send('live')
    await air.slots(2)
    await alice.crash()
    air.keepers = true
    await air.until(async () => (await bob.received()).length === 4, 200, 1000)
    expect(await bob.received()).toEqual(['part 0', 'part 1', 'part 2', 'live'])
  })

  it('asks for the days of a gap also when it begins to catch up once more, and when it is restarted meanwhile', async () => {
    const options = { options: { windowSize: 32 } }
    for (const isRestarted of [false, true]) {
      const { air, alice, bob } = await pair({ alice: options, bob: options })
      await air.slots(20)
      const heardAt = bob.conversations.contact('friend').lastHeardAt
      await leave(bob)
      await alice.send('of the first day')
      // All its offers are made on it.
      await air.slots(600)
      await air.slot(DAY_MS)
      await air.slot(DAY_MS)
      const before = air.sent.length
      await alice.send('of the third')
      await air.slots(12)
      await alice.crash()
      // What is hot is heard first, and then everything is asked for that may be older.
      air.keepers = false
      await bob.restart()
      await air.slots(2)
      for (const { box } of air.sent.slice(before)) {
        bob.conversations.hear(box, { conflict: false })
      }
      await air.slots(2)
      expect(bob.conversations.contact('friend').lastHeardAt).toBeGreaterThan(heardAt)
      bob.conversations.catchUp()
      await air.slots(8)
      if (isRestarted) {
        await bob.crash()
        await bob.restart()
      }
      air.keepers = true
      await air.until(async () => (await bob.received()).length === 2, 200, 1_000)
      expect(await bob.received()).toEqual(['of the first day', 'of the third'])
    }
  })

  it('asks once more for a day that was not over when it asked, though it has not caught up since', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    await leave(bob)
    await bob.restart()
    await air.slots(6)
    expect(bob.conversations.isCatchingUp()).toBe(true)
    // The machine sleeps for the rest of the day.
    air.hears = (_box, to) => to !== bob
    bob.up = false
    await air.slot()
    await alice.send('later that day')
    await air.slots(4)
    await alice.crash()
    await air.slot(DAY_MS)
    bob.up = true
    bob.conversations.catchUp()
    await air.until(async () => (await bob.received()).length === 1, 200)
  })

  it('asks again when no keeper could be reached, at a slow pace', async () => {
    const { air, alice, bob } = await pair()
    await leave(bob)
    await alice.send('kept')
    await air.slots(3)
    await alice.crash()
    air.keepers = false
    await bob.restart()
    const before = air.lookUps
    await air.slots(40)
    expect(air.lookUps - before).toBeLessThan(10)
    expect(bob.conversations.depth().toFetch).toBe(1)
    air.keepers = true
    await air.until(async () => (await bob.received()).length === 1, 60)
  })

  it('that was deaf for longer than its window is wide hears again within a day', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    bob.keeps = false
    air.keepers = false
    air.hears = (_box, to) => to !== bob
    const texts = Array.from({ length: 40 }, (_, i) => `${i} ${'w'.repeat(1500)}`)
    for (const text of texts) {
      await alice.send(text)
      await air.slot()
    }
    air.hears = () => true
    air.keepers = true
    await alice.send('after')
    await air.slots(200)
    expect(await bob.received()).toEqual([])
    await air.slot(DAY_MS)
    // One look-up for each box that alice wrote meanwhile, offers included.
    await air.until(async () => (await bob.received()).length === 41, 800)
    expect(await bob.received()).toEqual([...texts, 'after'])
  })

  it('finds boxes behind a run of addresses that were never used', async () => {
    const { air, alice, bob } = await pair()
    await leave(bob)
    for (let i = 0; i < 6; i++) {
      alice.linked = true
      await alice.send(`part ${i}`)
      // The box is sealed and the device dies over it.
      await alice.conversations.nextBox()
      await alice.crash()
      await alice.restart()
    }
    await air.slots(4)
    await alice.crash()
    await bob.restart()
    await air.until(async () => (await bob.received()).length === 6, 100)
    expect(await bob.received()).toEqual([0, 1, 2, 3, 4, 5].map((i) => `part ${i}`))
  })

  it('stops asking when it is up to date', async () => {
    const { air, bob } = await pair()
    await leave(bob)
    await bob.restart()
    await air.until(() => bob.conversations.depth().toFetch === 0, 100)
    const before = air.lookUps
    await air.slots(40)
    expect(air.lookUps).toBe(before)
  })

  it('has caught up one day also while a contact writes all the time', async () => {
    const { air, alice, bob } = await pair()
    await leave(bob)
    const texts: string[] = []
    const write = async (): Promise<void> => {
      texts.push(`${texts.length} ${'k'.repeat(1000)}`)
      await alice.send(texts.at(-1) ?? '')
      await air.slot()
    }
    // Fewer than the window is wide: what comes live is recognised.
    for (let i = 0; i < 6; i++) await write()
    await bob.restart()
    const before = air.lookUps
    let slots = 0
    while (bob.conversations.depth().toFetch > 0 && slots < 200) {
      await write()
      slots++
    }
    const { done, total } = bob.conversations.catchUpProgress()
    expect(total - done).toBe(0)
    // Every box of the absence, and what may lie behind the last one.
    expect(air.lookUps - before).toBeLessThan(60)
    await air.until(async () => (await bob.received()).length === texts.length)
    expect(await bob.received()).toEqual(texts)
  })

  it('finds what came before it watched, in its own store', async () => {
    const { air, alice, bob } = await pair()
    await bob.crash()
    air.keepers = false
    await alice.send('heard by the mailbox')
    await air.slots(3)
    await alice.crash()
    await bob.restart()
    await air.slots(2)
    expect(await bob.received()).toEqual(['heard by the mailbox'])
  })
})

describe('a device that was away for longer than boxes live', () => {
  const HOUR_MS = 3_600_000

  /** Alice writes meanwhile, and moves to keys that bob cannot get any more. */
  async function missedKeys() {
    const made = await pair()
    const { air, alice, bob } = made
    await air.slots(20)
    await air.slot(DAY_MS)
    await leave(bob)
    const missed = await alice.send('never read')
    await air.slots(600)
    await air.slot(HOUR_MS)
    await alice.send('in new keys')
    await air.slots(20)
    for (let day = 0; day < 5; day++) {
      await air.slot(DAY_MS)
      await air.slots(8)
    }
    expect(await alice.state(missed)).toBe('expired')
    await bob.restart()
    for (const device of [alice, bob]) await device.noteResetPlaces()
    return made
  }

  async function talkAgain(alice: Device, bob: Device): Promise<void> {
    const { air } = alice
    await air.until(async () => (await alice.events()).includes('contact.recovered'), 2_000)
    const sent = [await alice.send('again'), await bob.send('me too')]
    const all = async () => [await alice.state(sent[0]!), await bob.state(sent[1]!)].join()
    await air.until(async () => (await all()) === 'delivered,delivered', 200)
    expect((await bob.received()).at(-1)).toBe('again')
    // Each side is told once.
    expect((await alice.events()).filter((type) => type === 'contact.recovering')).toHaveLength(1)
    expect((await bob.events()).filter((type) => type === 'contact.reset')).toHaveLength(1)
  }

  it('is written to again once it says something, under keys that both make anew', async () => {
    const { air, alice, bob } = await missedKeys()
    const said = await bob.send('back')
    await air.until(async () => (await alice.received()).includes('back'), 60)
    await talkAgain(alice, bob)
    await air.until(async () => (await bob.state(said)) === 'delivered', 200)
    expect(await alice.received()).toEqual(['back', 'me too'])
  })

  it('is written to again also when it has nothing to say', async () => {
    const { alice, bob } = await missedKeys()
    await talkAgain(alice, bob)
    expect(await alice.received()).toEqual(['me too'])
  })

  it('loses no keys over it when nothing was written to it', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    await leave(bob)
    for (let day = 0; day < 5; day++) await air.slot(DAY_MS)
    await bob.restart()
    await air.slots(300)
    const id = await alice.send('hello')
    await air.until(async () => (await alice.state(id)) === 'delivered', 60)
    for (const device of [alice, bob]) {
      expect((await device.events()).filter((type) => /reset|recover/.test(type))).toEqual([])
    }
  })
})

describe('a key exchange whose sides are never up together', () => {
  it('gets done through the keepers alone', async () => {
    const air = new Air()
    const alice = await Device.create(air, 'alice')
    const bob = await Device.create(air, 'bob')
    alice.keeps = false
    bob.keeps = false
    await bob.add(await alice.invite('friend', DAY_MS))
    await alice.crash()
    for (let turn = 0; turn < 4; turn++) {
      const [off, on] = turn % 2 === 0 ? [bob, alice] : [alice, bob]
      await air.slots(40)
      await off.crash()
      await on.restart()
      await air.slots(40)
    }
    if (!alice.up) await alice.restart()
    if (!bob.up) await bob.restart()
    await air.slots(40)
    expect([alice.phase(), bob.phase()]).toEqual(['ready', 'ready'])
  })

  it('survives a restart of the inviter between two announcements', async () => {
    const air = new Air()
    const alice = await Device.create(air, 'alice')
    const bob = await Device.create(air, 'bob')
    alice.keeps = false
    await bob.add(await alice.invite())
    await air.slots(2)
    expect(alice.phase()).toBe('exchanging')
    await alice.crash()
    await alice.restart()
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 100)
  })
})
