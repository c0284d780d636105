import { describe, expect, it } from 'vitest'
import { uniform, uniformInt } from '../../../src/base/index.ts'
import { type Device, pair } from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const HOUR_MS = 3_600_000

/** Two devices in bad weather: losses, crashes, absences, lost links, keepers that come and go, refreshes. */
async function storm(seed: string) {
  const { air, alice, bob } = await pair()
  const rng = seededRng(seed)
  const chance = (share: number) => uniform(rng) < share
  const devices = [alice, bob] as const
  const sent: Record<string, string[]> = { alice: [], bob: [] }
  const crash = async (device: Device) => {
    if (chance(0.5)) device.crashAt = device.steps + 1 + uniformInt(rng, 6)
    else await device.crash()
  }
  air.hears = () => chance(0.8)
  for (const device of devices) device.keeps = false
  for (let turn = 0; turn < 160; turn++) {
    const device = devices[uniformInt(rng, 2)] as Device
    air.keepers = chance(0.6)
    device.linked = chance(0.8)
    device.peers = chance(0.85) ? 1 : 0
    if (!device.up) await device.restart()
    else if (chance(0.15)) await crash(device)
    else if (chance(0.5)) {
      const text = `${turn} ${'.'.repeat(uniformInt(rng, chance(0.1) ? 9000 : 900))}`
      await device.send(text)
      // A device that died over it has promised nothing, and may have accepted it all the same.
      sent[device.name]?.push(text)
      if (!device.up) {
        await device.restart()
        const accepted = (await device.sentMessages()).some((message) => message.text === text)
        if (!accepted) sent[device.name]?.pop()
      }
    }
    await air.slots(1 + uniformInt(rng, 4), chance(0.02) ? HOUR_MS : undefined)
  }
  air.hears = () => true
  air.keepers = true
  for (const device of devices) {
    device.linked = true
    device.peers = 1
    device.keeps = true
    device.crashAt = undefined
    if (device.up) await device.crash()
    await device.restart()
  }
  const quiet = () => devices.every((device) => device.conversations.outbox().length === 0)
  await air.until(quiet, 3000)
  return { sent, alice, bob }
}

describe('after a storm', () => {
  it.each(['one', 'two', 'three', 'four'])(
    'every text is there once, in order but for those behind a reported gap: %s',
    async (seed) => {
      const { sent, alice, bob } = await storm(seed)
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        const received = await to.received()
        const gaps = await to.journal('message.gap')
        const expected = sent[from.name] ?? []
        const inOrder = gaps.length === 0
        expect(inOrder ? received : received.toSorted()).toEqual(
          inOrder ? expected : expected.toSorted(),
        )
        expect((await from.sentMessages()).map((message) => message.state)).toEqual(
          expected.map(() => 'delivered'),
        )
        expect(to.phase()).toBe('ready')
        expect(await to.journal('contact.refused')).toEqual([])
      }
    },
  )
})
