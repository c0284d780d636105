import { afterEach, describe, expect, it } from 'vitest'
import { HOUR_MS } from '../../../src/base/index.ts'
import { healthOf } from '../../../src/node/health.ts'
import type { Networks } from '../../../src/node/networks.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'
import { LogBook, World, type WorldNode } from '../../support/world.ts'

const OFF_MS = 2 * HOUR_MS
/** Two rounds of reconciliation, and a look of the keys at the clock. */
const RECOVERY_MS = 180_000

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Codes of what the status of a node complains of. */
async function complaints({ store, session, world }: WorldNode): Promise<string[]> {
  const networks = { joined: world.network } as unknown as Networks
  const ports = { store, networks, state: () => 'running' as const, hooks: () => [] }
  const space = { ...(await store.space()), freeBytes: 1e12 }
  return healthOf(ports, session, space).map(({ code }) => code)
}

describe('a whole node that starts under a clock that is two hours', () => {
  it.each([
    ['behind', -OFF_MS],
    ['ahead', OFF_MS],
  ])('%s is not linked, says why, and links when the clock is right', async (_, stepMs) => {
    const clocks = new Map<string, RoughClock>()
    const log = new LogBook()
    const world = await World.of(['alice', 'bob', 'carol'], {
      seed: 'wrong clock',
      log: (node) => log.logger(node),
      clock: (name, clock) => {
        if (name !== 'erin') return clock
        const own = new RoughClock(clock as VirtualClock)
        own.stepMs = stepMs
        clocks.set(name, own)
        return own
      },
    })
    running.push(world)
    const erin = await world.add('erin')
    const directory = () => erin.session.directory
    await world.until('its clock is named', () => directory().clockSkew?.atLeast === false)
    expect(Math.abs((directory().clockSkew?.ms ?? 0) - stepMs)).toBeLessThan(1_000)
    expect(erin.session.shownLink).toBe('joining')
    const told = await complaints(erin)
    expect(told).toContain('CLOCK_SKEW')
    expect(told).not.toContain('NO_ROUTE')
    for (const node of world.nodes.filter((other) => other !== erin)) {
      expect(await complaints(node)).not.toContain('CLOCK_SKEW')
    }
    const own = clocks.get('erin')
    if (own === undefined) throw new Error('erin has no clock')
    own.stepMs = 0
    expect(directory().clockSkew).toBeUndefined()
    await world.until('it links', () => erin.session.shownLink === 'linked', RECOVERY_MS)
    expect(await complaints(erin)).not.toContain('CLOCK_SKEW')
    // What is found is for the owner alone.
    expect(log.text().filter((line) => line.includes('skew'))).toEqual([])
  })
})
