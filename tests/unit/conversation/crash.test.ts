import { describe, expect, it } from 'vitest'
import { Air, Device, pair } from '../../support/devices.ts'

type Name = 'alice' | 'bob'

/** Two devices exchange keys and a text each; one of them dies at `crashAt` and comes back 3 slots later. */
async function exchangeWithCrash(victim: Name, crashAt: number | undefined) {
  const air = new Air()
  const alice = await Device.create(air, 'alice')
  const bob = await Device.create(air, 'bob')
  const devices = { alice, bob }
  const device = devices[victim]
  const uri = await alice.invite()
  await bob.add(uri)
  device.steps = 0
  device.crashAt = crashAt
  /** Sends unless it was accepted before, also when the device died before it could say so. */
  const sendOnce = async (from: Device, words: string) => {
    if (!from.up || from.phase() !== 'ready' || (await from.sentMessages()).length > 0) return
    await from.send(words)
  }
  const delivered = async () => {
    for (const from of [alice, bob]) {
      const states = from.up ? (await from.sentMessages()).map((message) => message.state) : []
      if (states.join() !== 'delivered') return false
    }
    return true
  }
  for (let slot = 0; slot < 400; slot++) {
    await air.slot()
    if (!device.up) {
      await air.slots(3)
      await device.restart()
      await air.slot()
    }
    await sendOnce(alice, 'from alice')
    await sendOnce(bob, 'from bob')
    if (await delivered()) break
  }
  return { alice, bob, steps: device.steps, delivered: await delivered() }
}

// In slices, so that no test takes long on a busy machine.
const SLICES = 3

describe.each(['alice', 'bob'] as const)('a crash of %s', (victim) => {
  it.each([1, 2, 3])(
    'at any step of exchange and texts loses nothing, repeats nothing, uses no address twice (%i/3)',
    async (slice) => {
      const { steps, delivered } = await exchangeWithCrash(victim, undefined)
      expect(delivered).toBe(true)
      expect(steps).toBeGreaterThan(25)
      for (let crashAt = slice; crashAt <= steps; crashAt += SLICES) {
        const run = await exchangeWithCrash(victim, crashAt)
        const seen = [await run.alice.received(), await run.bob.received()]
        const expected = [crashAt, true, ['from bob'], ['from alice']]
        expect([crashAt, run.delivered, ...seen]).toEqual(expected)
      }
    },
  )
})

describe('a crash of the writer between boxes', () => {
  it('of one large text offers it again from the start, and it arrives once', async () => {
    const { air, alice, bob } = await pair()
    const text = 'x'.repeat(20_000)
    await alice.send(text)
    await air.slots(4)
    await alice.crash()
    await air.slots(2)
    await alice.restart()
    await air.until(async () => (await bob.received()).length > 0)
    await air.slots(100)
    expect(await bob.received()).toEqual([text])
  })

  it('again and again delivers every text once and in order', async () => {
    const { air, alice, bob } = await pair()
    const texts: string[] = []
    for (let round = 0; round < 8; round++) {
      const words = `${round} ${'y'.repeat(600 * round)}`
      await alice.send(words)
      texts.push(words)
      await air.slots(round % 3)
      await alice.crash()
      await alice.restart()
    }
    await air.until(async () => (await bob.received()).length === texts.length, 400)
    expect(await bob.received()).toEqual(texts)
  })
})
