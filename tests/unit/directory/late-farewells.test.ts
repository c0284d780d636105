import { describe, expect, it } from 'vitest'
import { type HearsayError, silentLogger } from '../../../src/base/index.ts'
import { FAREWELL_TURNS, HEARTBEAT_TURN_MS } from '../../../src/directory/constants.ts'
import { LateFarewells } from '../../../src/directory/late-farewells.ts'
import { decodeMessage } from '../../../src/directory/messages.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { T0, testNode } from './fixtures.ts'
import { beat, livenessRig } from './liveness-rig.ts'

const A = 1
const PEERS = [5, 6, 7].map((index) => testNode(index).nodeId)

function setUp(vouchersNeeded = 1) {
  const clock = new VirtualClock(T0)
  const { liveness, isHere } = livenessRig(clock)
  const passed: Uint8Array[] = []
  const late = new LateFarewells({
    liveness,
    log: silentLogger,
    vouchersNeeded: () => vouchersNeeded,
    pubsub: {
      publish: async (_topic, message) => passed.push(decodeMessage(message).payload),
    },
  })
  const hear = (bytes: Uint8Array, from = 0) =>
    late.hear(bytes, PEERS[from]!).then(
      () => 'none',
      ({ code }: HearsayError) => code,
    )
  return { clock, liveness, isHere, passed, hear }
}

describe('a farewell that peers kept', () => {
  it('counts, and is gossiped once, as it was signed', async () => {
    const { hear, isHere, passed } = setUp()
    const farewell = beat(A, T0, { isLeaving: true })
    for (const from of [0, 1]) expect(await hear(farewell, from)).toBe('none')
    expect(isHere(A)).toBe(false)
    expect(passed).toEqual([farewell])
  })

  it('counts when enough of them handed it on, whatever one alone says how often', async () => {
    const { hear, isHere, passed } = setUp(3)
    const farewell = beat(A, T0, { isLeaving: true })
    for (const from of [0, 0, 0, 1, 1]) await hear(farewell, from)
    expect([isHere(A), passed]).toEqual([true, []])
    await hear(beat(A, T0 + 1, { isLeaving: true }), 2)
    expect([isHere(A), passed]).toEqual([true, []])
    await hear(farewell, 2)
    expect([isHere(A), passed]).toEqual([false, [farewell]])
  })

  it('changes nothing, and is not gossiped, when something later is known', async () => {
    const { clock, hear, isHere, liveness, passed } = setUp()
    const farewell = beat(A, T0, { isLeaving: true })
    await clock.advance((FAREWELL_TURNS + 1) * HEARTBEAT_TURN_MS)
    liveness.hear(beat(A, clock.now()))
    expect(await hear(farewell)).toBe('none')
    expect([isHere(A), passed]).toEqual([true, []])
  })

  it('must be one, and be signed by its node', async () => {
    const { hear, isHere, passed } = setUp()
    const forged = beat(A, T0, { isLeaving: true })
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    for (const bytes of [beat(A, T0), forged]) expect(await hear(bytes)).toBe('bad-value')
    expect([isHere(A), passed]).toEqual([true, []])
  })
})
