import { describe, expect, it } from 'vitest'
import { copiedDisk } from '../../support/copied-disk.ts'
import { type Air, type Device, OPTIONS, pair, SLOT_MS } from '../../support/devices.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** Until the last offer: twice 2 × 1.5^7 round trips. */
const SPAN_SLOTS = Math.ceil((2 * 2 * 1.5 ** 7 * OPTIONS.ackRoundTripMs) / SLOT_MS)

/** Two devices with clocks of their own, and nothing under way. */
async function devices(ackSettleMs = 0) {
  const steps = { alice: 0, bob: 0 }
  const clock = (name: keyof typeof steps) => (virtual: VirtualClock) =>
    Object.defineProperty(new RoughClock(virtual), 'stepMs', { get: () => steps[name] })
  const made = await pair({
    alice: { clock: clock('alice') },
    bob: { clock: clock('bob'), options: { ackSettleMs } },
  })
  await made.air.slots(20)
  return { ...made, steps }
}

/** While it is deaf nothing reaches this device, not even by the keepers. */
function deafen(air: Air, device: Device, isDeaf: boolean): void {
  air.hears = (_box, to) => !isDeaf || to !== device
  air.keepers = !isDeaf
  device.keeps = !isDeaf
}

describe('a clock that was ahead and is set right', () => {
  it.each([
    ['', false],
    [' and the node started again', true],
  ])('%s does not keep a text that was lost meanwhile from its offers', async (_what, restarts) => {
    const { air, alice, bob, steps } = await devices()
    deafen(air, bob, true)
    steps.alice = DAY_MS
    const id = await alice.send('lost')
    await air.until(async () => (await alice.state(id)) === 'sent')
    if (restarts) await alice.crash()
    steps.alice = 0
    if (restarts) await alice.restart()
    deafen(air, bob, false)
    await air.until(async () => (await alice.state(id)) === 'delivered', SPAN_SLOTS)
    expect(await bob.received()).toEqual(['lost'])
  })

  it('has not used up the offers of a text that was sent before', async () => {
    const { air, alice, bob, steps } = await devices()
    deafen(air, bob, true)
    const before = air.sent.length
    const id = await alice.send('lost')
    await air.until(async () => (await alice.state(id)) === 'sent')
    steps.alice = 2 * HOUR_MS
    await air.slots(8)
    expect(air.sentBy(alice, before)).toBe(2)
    steps.alice = 0
    deafen(air, bob, false)
    await air.until(async () => (await alice.state(id)) === 'delivered', SPAN_SLOTS)
    expect(await bob.received()).toEqual(['lost'])
  })

  it('has texts of that time reported when their own time is over', async () => {
    const { air, alice, bob, steps } = await devices()
    await bob.crash()
    steps.alice = DAY_MS
    const id = await alice.send('anybody?', 'friend', 10 * MINUTE_MS)
    await air.slots(8)
    steps.alice = 0
    await air.slots(9, MINUTE_MS)
    expect(await alice.state(id)).not.toBe('expired')
    await air.slots(2, MINUTE_MS)
    expect(await alice.state(id)).toBe('expired')
    expect(await alice.journal('message.expired')).toHaveLength(1)
  })

  it('owes its acks no later', async () => {
    const { air, alice, bob, steps } = await devices(1000)
    steps.bob = DAY_MS
    const id = await alice.send('hello')
    await air.until(async () => (await bob.received()).length === 1, 8)
    steps.bob = 0
    await air.slots(8)
    expect(await alice.state(id)).toBe('delivered')
  })

  it('is told of a contact that came back since', async () => {
    const { air, alice, bob, steps } = await devices()
    const [ours, theirs] = [await copiedDisk(alice.disk), await copiedDisk(bob.disk)]
    steps.alice = DAY_MS - HOUR_MS
    await alice.restore(ours)
    await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 100)
    steps.alice = 0
    await bob.restore(theirs)
    await air.slots(100)
    expect(await alice.journal('contact.reset')).toHaveLength(1)
    expect([alice.phase(), bob.phase()]).toEqual(['ready', 'ready'])
  })
})

describe('a clock that goes to and fro', () => {
  it('has no record go out more often than nine times', async () => {
    const { air, alice, bob, steps } = await devices()
    await bob.crash()
    const before = air.sent.length
    const id = await alice.send('anybody?')
    for (let i = 0; i < 60; i++) {
      // Each time further ahead than before, and by more than the longest wait.
      steps.alice = i % 2 === 0 ? i * 10 * MINUTE_MS : -HOUR_MS
      await air.slots(10)
    }
    expect(air.sentBy(alice, before)).toBe(9)
    await air.slots(SPAN_SLOTS)
    expect(air.sentBy(alice, before)).toBe(9)
    expect(await alice.state(id)).toBe('stored')
  })
})

describe('a clock that was behind and is set right', () => {
  it('has no text reported before its time', async () => {
    const { air, alice, bob, steps } = await devices()
    await bob.crash()
    const early = await alice.send('before', 'friend', 10 * MINUTE_MS)
    await air.slots(8)
    steps.alice = -30 * DAY_MS
    const late = await alice.send('while', 'friend', 10 * MINUTE_MS)
    await air.slots(8)
    steps.alice = 0
    await air.slots(9, MINUTE_MS)
    const states = async () => Promise.all([early, late].map((id) => alice.state(id)))
    expect(await states()).not.toContain('expired')
    await air.slots(2, MINUTE_MS)
    expect(await states()).toEqual(['expired', 'expired'])
  })
})
