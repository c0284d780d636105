import { describe, expect, it } from 'vitest'
import { pair } from '../../support/devices.ts'

describe('two devices with real keys', () => {
  it('become contacts with one safety number and exchange messages both ways', async () => {
    const real = { realJobs: true }
    const { air, alice, bob } = await pair({ alice: real, bob: real })
    const number = alice.conversations.contact('friend').safetyNumber
    expect(number).toMatch(/^(\d{5} ){11}\d{5}$/)
    expect(bob.conversations.contact('friend').safetyNumber).toBe(number)
    const id = await alice.send('hello bob')
    await bob.send('hello alice')
    await air.until(async () => (await alice.state(id)) === 'delivered')
    expect(await bob.received()).toEqual(['hello bob'])
    expect(await alice.received()).toEqual(['hello alice'])
  })
})
