import { afterEach, describe, expect, it } from 'vitest'
import { HOUR_MS } from '../../../src/base/index.ts'
import { createInvitation, skewByFile, withInvitation } from '../../../src/directory/index.ts'
import { CLOCK_TOLERANCE_MS } from '../../../src/directory/constants.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { OPERATOR_SEED, T0, testNetwork } from './fixtures.ts'
import { directoryWorld } from './world.ts'

const OFF_MS = 2 * HOUR_MS
/** Every node has said several heartbeats in it. */
const HEARD_MS = 60_000

const ends: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** Four nodes whose clocks are right, and one whose clock is not. */
async function worldWithOne(stepMs: number) {
  const { clock, add, close } = directoryWorld()
  ends.push(close)
  const right = []
  for (let index = 0; index < 4; index++) right.push((await add(index)).directory)
  await clock.advance(5_000)
  const own = new RoughClock(clock)
  own.stepMs = stepMs
  const { directory: wrong } = await add(9, {}, own)
  return { clock, own, right, wrong }
}

describe('a node whose clock is wrong', () => {
  it.each([
    ['behind', -OFF_MS],
    ['ahead', OFF_MS],
  ])('hears so from its peers, who say nothing of theirs: %s', async (_, stepMs) => {
    const { clock, own, right, wrong } = await worldWithOne(stepMs)
    await clock.advance(HEARD_MS)
    const skew = wrong.clockSkew
    expect(skew?.atLeast).toBe(false)
    expect(Math.abs((skew?.ms ?? 0) - stepMs)).toBeLessThan(1_000)
    expect(wrong.knowsOthers).toBe(false)
    for (const directory of right) {
      expect([directory.clockSkew, directory.knowsOthers]).toEqual([undefined, true])
    }
    own.stepMs = 0
    expect(wrong.clockSkew).toBeUndefined()
    await clock.advance(2 * HEARD_MS)
    expect([wrong.clockSkew, wrong.knowsOthers]).toEqual([undefined, true])
  })

  it('by less than the network bears is left alone', async () => {
    const { clock, wrong } = await worldWithOne(-CLOCK_TOLERANCE_MS + 1_000)
    await clock.advance(HEARD_MS)
    expect([wrong.clockSkew, wrong.knowsOthers]).toEqual([undefined, true])
  })

  it('that shows a time before the network was founded needs no peer for that', async () => {
    const { clock, add, close } = directoryWorld()
    ends.push(close)
    const own = new RoughClock(clock)
    own.stepMs = -3_650 * 24 * HOUR_MS
    const { directory } = await add(0, {}, own)
    expect(directory.clockSkew).toEqual({ ms: own.now() - T0, atLeast: true })
    own.stepMs = 0
    expect(directory.clockSkew).toBeUndefined()
  })
})

describe('a network file', () => {
  it('tells a clock that is behind its founding, or behind its invitation', () => {
    const network = testNetwork()
    const at = (now: number, of = network) => skewByFile(of, now)
    expect(at(T0 - CLOCK_TOLERANCE_MS)).toBeUndefined()
    const ms = -CLOCK_TOLERANCE_MS - 1
    expect(at(T0 + ms)).toEqual({ ms, atLeast: true })
    expect(at(T0 + 1_000 * HOUR_MS)).toBeUndefined()
    const invitation = createInvitation(network, {
      operatorSeed: OPERATOR_SEED,
      now: T0 + HOUR_MS,
      expiresAt: T0 + 2 * HOUR_MS,
      maxUses: 1,
      rng: seededRng('invitation'),
    })
    const invited = withInvitation(network, invitation)
    expect(at(T0, invited)).toEqual({ ms: -HOUR_MS, atLeast: true })
    expect(at(T0 + HOUR_MS, invited)).toBeUndefined()
  })
})
