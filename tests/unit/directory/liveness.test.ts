import { describe, expect, it } from 'vitest'
import {
  CLOCK_TOLERANCE_MS,
  FAREWELL_TURNS,
  HEARTBEAT_MIN_MS,
  HEARTBEAT_PER_NODE_MS,
  HEARTBEAT_TURN_MS,
  HEARTBEATS_MISSED,
} from '../../../src/directory/constants.ts'
import { readHeartbeat } from '../../../src/directory/heartbeat.ts'
import { errorCode } from '../../support/outcome.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { T0, testNetwork } from './fixtures.ts'
import { beat, type LivenessRigOptions, livenessRig } from './liveness-rig.ts'

const A = 1
const B = 2
const PATIENCE_MS = HEARTBEATS_MISSED * HEARTBEAT_MIN_MS
const FAREWELL_MS = FAREWELL_TURNS * HEARTBEAT_TURN_MS

function setUp(o: LivenessRigOptions = {}) {
  const clock = new VirtualClock(T0)
  const rig = livenessRig(clock, o)
  const hear = (index: number, said: { at?: number; isLeaving?: boolean } = {}) =>
    rig.liveness.hear(beat(index, said.at ?? clock.now(), { isLeaving: said.isLeaving ?? false }))
  /** Another node is heard all the time. */
  const advance = async (ms: number, heard: readonly number[] = [B]): Promise<void> => {
    for (let left = ms; left > 0; left -= HEARTBEAT_MIN_MS) {
      for (const index of heard) hear(index)
      await clock.advance(Math.min(left, HEARTBEAT_MIN_MS))
    }
  }
  return { clock, hear, advance, ...rig }
}

describe('a heartbeat', () => {
  it('counts once', () => {
    const { clock, liveness } = setUp()
    const bytes = beat(A, clock.now())
    expect(liveness.hear(bytes)).toBe('accept')
    expect(liveness.hear(bytes)).toBe('ignore')
  })

  it('counts once for every turn, whatever order they come in', () => {
    const { hear } = setUp()
    const turn = (n: number, ms = 0) => ({ at: T0 + n * HEARTBEAT_TURN_MS + ms })
    expect(hear(A, turn(2))).toBe('accept')
    expect(hear(A, turn(2, HEARTBEAT_TURN_MS - 1))).toBe('ignore')
    expect(hear(A, turn(1))).toBe('ignore')
    expect(hear(A, turn(3))).toBe('accept')
    expect(hear(A, turn(0))).toBe('ignore')
  })

  it('of the far past or future is ignored, within what clocks differ by it counts', () => {
    const { hear } = setUp()
    expect(hear(A, { at: T0 - CLOCK_TOLERANCE_MS - HEARTBEAT_TURN_MS - 1 })).toBe('ignore')
    expect(hear(A, { at: T0 - CLOCK_TOLERANCE_MS })).toBe('accept')
    expect(hear(A, { at: T0 + CLOCK_TOLERANCE_MS + 1 })).toBe('ignore')
    expect(hear(A, { at: T0 + CLOCK_TOLERANCE_MS })).toBe('accept')
  })

  it('that others forged, or made for another network, is rejected', () => {
    const { clock, liveness, hear } = setUp()
    const bytes = beat(A, clock.now())
    expect(liveness.hear(bytes.with(90, bytes[90]! ^ 1))).toBe('reject')
    expect(liveness.hear(beat(A, clock.now(), { network: testNetwork('lab') }))).toBe('reject')
    expect(errorCode(() => liveness.hear(bytes.slice(1)))).not.toBe('none')
    // Nothing of it was believed.
    expect(hear(A)).toBe('accept')
  })

  it('of a node that may not mix is ignored unread, and leaves nothing behind', async () => {
    const { clock, liveness, advance, hear, isHere, setCandidate } = setUp()
    setCandidate(A, false)
    const bytes = beat(A, clock.now())
    expect(liveness.hear(bytes)).toBe('ignore')
    expect(liveness.hear(bytes.with(90, bytes[90]! ^ 1))).toBe('ignore')
    await advance(PATIENCE_MS + 1)
    expect(isHere(A)).toBe(false)
    setCandidate(A, true)
    expect(isHere(A)).toBe(false)
    expect(hear(A)).toBe('accept')
    expect(isHere(A)).toBe(true)
  })

  it('comes from one node at a bounded rate, however often it beats, leaves and returns', async () => {
    const { clock, hear } = setUp()
    let taken = 0
    const minutes = 20
    for (let at = 0; at < minutes * 60_000; at += 250) {
      const isLeaving = at % 500 === 0
      const ahead = (at % 1_000) * 100
      if (hear(A, { at: clock.now() + ahead, isLeaving }) === 'accept') taken++
      if (at % 1_000 === 0) await clock.advance(1_000)
    }
    const turns = (minutes * 60_000 + CLOCK_TOLERANCE_MS) / HEARTBEAT_TURN_MS
    expect(taken).toBeLessThanOrEqual(2 * turns)
    expect(taken).toBeGreaterThan(0)
  })
})

describe('a node that falls silent', () => {
  it('is away after three periods, and here again with its next heartbeat', async () => {
    const { advance, hear, isHere } = setUp()
    await advance(PATIENCE_MS)
    hear(A)
    await advance(PATIENCE_MS)
    expect(isHere(A)).toBe(true)
    await advance(1)
    expect(isHere(A)).toBe(false)
    hear(A)
    expect(isHere(A)).toBe(true)
  })

  it('is given more time in a large network, where everybody beats less often', async () => {
    const { advance, hear, isHere, liveness } = setUp({ candidates: 400 })
    expect(liveness.periodMs).toBe(400 * HEARTBEAT_PER_NODE_MS)
    const patience = HEARTBEATS_MISSED * liveness.periodMs
    await advance(patience)
    hear(A)
    await advance(patience)
    expect(isHere(A)).toBe(true)
    await advance(1)
    expect(isHere(A)).toBe(false)
  })

  it('with a clock that is behind is given as much time', async () => {
    const { clock, advance, hear, isHere } = setUp()
    await advance(PATIENCE_MS)
    hear(A, { at: clock.now() - 90_000 })
    await advance(PATIENCE_MS)
    expect(isHere(A)).toBe(true)
    await advance(1)
    expect(isHere(A)).toBe(false)
  })

  it('is not here because somebody repeats what it said', async () => {
    const { clock, liveness, advance, isHere } = setUp()
    await advance(PATIENCE_MS)
    const bytes = beat(A, clock.now())
    liveness.hear(bytes)
    await advance(PATIENCE_MS)
    liveness.hear(bytes)
    await advance(1)
    expect(isHere(A)).toBe(false)
  })

  it('is away everywhere at about the same time', async () => {
    const clock = new VirtualClock(T0)
    const rigs = [10, 11, 12].map((index) => livenessRig(clock, { index }))
    const hear = (index: number) => {
      for (const { liveness } of rigs) liveness.hear(beat(index, clock.now()))
    }
    const steps = async (ms: number) => {
      for (let at = 0; at < ms; at += 10_000) {
        hear(B)
        await clock.advance(10_000)
      }
    }
    await steps(PATIENCE_MS)
    const said = beat(A, clock.now())
    for (const { liveness } of rigs) {
      liveness.hear(said)
      // The way through gossip.
      await clock.advance(200)
    }
    await steps(PATIENCE_MS - 10_000)
    await clock.advance(9_300)
    hear(B)
    expect(rigs.map(({ isHere }) => isHere(A))).toEqual([true, true, true])
    await clock.advance(800)
    expect(rigs.map(({ isHere }) => isHere(A))).toEqual([false, false, false])
  })
})

describe('a node that leaves', () => {
  it('is away at once, also right after a heartbeat', () => {
    const { hear, isHere } = setUp()
    hear(A)
    expect(hear(A, { isLeaving: true })).toBe('accept')
    expect(isHere(A)).toBe(false)
  })

  it('is away whichever of the two comes first', () => {
    const { hear, isHere } = setUp()
    hear(A, { isLeaving: true })
    expect(hear(A, { at: T0 + 1 })).toBe('ignore')
    expect(isHere(A)).toBe(false)
  })

  it('is here again with a heartbeat of some turns later, not before', async () => {
    const { clock, hear, isHere } = setUp()
    hear(A, { isLeaving: true })
    await clock.advance(FAREWELL_MS - 1)
    expect(hear(A)).toBe('ignore')
    expect(isHere(A)).toBe(false)
    await clock.advance(1)
    expect(hear(A)).toBe('accept')
    expect(isHere(A)).toBe(true)
  })

  it('stays away for a node that hears nobody any more', async () => {
    const { clock, hear, isHere } = setUp()
    hear(A, { isLeaving: true })
    await clock.advance(10 * PATIENCE_MS)
    expect(isHere(A)).toBe(false)
  })
})

describe('a node that knows nothing', () => {
  it('because it has just started has everybody for here, until they could have been heard', async () => {
    const { advance, isHere } = setUp()
    expect(isHere(A)).toBe(true)
    await advance(PATIENCE_MS)
    expect(isHere(A)).toBe(true)
    await advance(1)
    expect(isHere(A)).toBe(false)
  })

  it('because it was cut off has everybody for here, and counts anew when it hears again', async () => {
    const { clock, advance, hear, isHere } = setUp()
    await advance(2 * PATIENCE_MS)
    expect([isHere(A), isHere(B)]).toEqual([false, true])
    await clock.advance(2 * PATIENCE_MS)
    expect([isHere(A), isHere(B)]).toEqual([true, true])
    hear(B)
    await advance(PATIENCE_MS)
    expect(isHere(A)).toBe(true)
    await advance(1)
    expect(isHere(A)).toBe(false)
  })
})

describe('the own heartbeats', () => {
  const start = (o: LivenessRigOptions = {}) => {
    const made = setUp(o)
    const controller = new AbortController()
    made.liveness.run(controller.signal).catch(() => undefined)
    return { ...made, stop: () => controller.abort() }
  }
  const SELF = 0

  it.each([3, 20, 200])(
    'of %i nodes are two a second at most, and irregular',
    async (candidates) => {
      const { clock, liveness, published, stop } = start({ candidates })
      const periods = 60
      await clock.advance(periods * liveness.periodMs)
      stop()
      const perSecond = (published.length * candidates) / (clock.monotonic() / 1_000)
      expect(perSecond).toBeLessThan(2.2)
      expect(published.length).toBeGreaterThan(periods * 0.9)
      const gaps = published.slice(1).map(({ at }, i) => at - published[i]!.at)
      for (const gap of gaps.slice(1)) {
        expect(gap).toBeGreaterThanOrEqual(0.75 * liveness.periodMs)
        expect(gap).toBeLessThanOrEqual(1.25 * liveness.periodMs)
      }
      expect(new Set(gaps.map(Math.round)).size).toBeGreaterThan(periods / 2)
    },
  )

  it('are taken by others, each of them', async () => {
    const { clock, published, stop } = start()
    const other = livenessRig(clock, { index: 9 })
    for (let minute = 0; minute < 20; minute++) {
      await clock.advance(60_000)
      for (const { bytes } of published.splice(0)) expect(other.liveness.hear(bytes)).toBe('accept')
    }
    stop()
  })

  it('bring a node that restarts at once back within a minute, also in a large network', async () => {
    const clock = new VirtualClock(T0)
    const other = livenessRig(clock, { index: 9, candidates: 1_000 })
    const listen = ({ published }: ReturnType<typeof livenessRig>) => {
      for (const { bytes } of published.splice(0)) other.liveness.hear(bytes)
    }
    const before = livenessRig(clock, { candidates: 1_000 })
    await before.liveness.leave()
    listen(before)
    expect(other.isHere(SELF)).toBe(false)
    const after = livenessRig(clock, { candidates: 1_000 })
    const controller = new AbortController()
    after.liveness.run(controller.signal).catch(() => undefined)
    await clock.advance(60_000)
    controller.abort()
    listen(after)
    expect(other.isHere(SELF)).toBe(true)
  })

  it('make the node be here for itself, as for everybody else', async () => {
    const { clock, advance, isHere, stop, liveness } = start()
    await advance(4 * PATIENCE_MS)
    expect(isHere(SELF)).toBe(true)
    await liveness.leave()
    expect(isHere(SELF)).toBe(false)
    stop()
    expect(clock.pendingTimers).toBe(0)
  })

  it('come again soon when nobody was there to take them', async () => {
    const { clock, published, state, stop } = start()
    state.peers = 0
    await clock.advance(60_000)
    expect(published.length).toBeGreaterThan(12)
    const before = published.length
    state.peers = 1
    await clock.advance(60_000)
    stop()
    expect(published.length - before).toBeLessThan(12)
  })

  it('are never dated ahead because nobody took those before: the first that is taken counts', async () => {
    const { clock, published, state, stop } = start()
    const other = livenessRig(clock, { index: 9 })
    state.peers = 0
    await clock.advance(3_600_000)
    published.length = 0
    state.peers = 1
    await clock.advance(20_000)
    stop()
    const [first] = published
    expect(readHeartbeat(first!.bytes).at).toBeLessThanOrEqual(T0 + clock.monotonic())
    expect(other.liveness.hear(first!.bytes)).toBe('accept')
  })

  it('are dated by a clock that was hours ahead as soon as it is right again', async () => {
    const clock = new VirtualClock(T0)
    const own = new RoughClock(clock)
    const { liveness, published } = livenessRig(own)
    const other = livenessRig(clock, { index: 9 })
    const controller = new AbortController()
    liveness.run(controller.signal).catch(() => undefined)
    own.stepMs = 7_200_000
    await clock.advance(60_000)
    for (const { bytes } of published.splice(0)) other.liveness.hear(bytes)
    own.stepMs = 0
    await clock.advance(60_000)
    controller.abort()
    expect(published.map(({ bytes }) => other.liveness.hear(bytes))).toContain('accept')
  })

  it('are none of a node that may not mix, or that others cannot dial', async () => {
    const { clock, published, setCandidate, state, stop } = start()
    setCandidate(SELF, false)
    await clock.advance(60_000)
    published.length = 0
    await clock.advance(60_000)
    expect(published).toEqual([])
    setCandidate(SELF, true)
    state.isReachable = false
    await clock.advance(60_000)
    expect(published).toEqual([])
    state.isReachable = true
    await clock.advance(10_000)
    stop()
    expect(published.length).toBeGreaterThan(0)
  })

  it('count for itself when they do for the others: not while the farewell of the run before holds', async () => {
    const { clock, isHere, liveness, published, stop } = start()
    const other = livenessRig(clock, { index: 9 })
    const farewell = beat(SELF, clock.now(), { isLeaving: true })
    for (const each of [liveness, other.liveness]) expect(each.hear(farewell)).toBe('accept')
    let heard = 0
    for (let ms = 0; ms < 120_000; ms += 1_000) {
      await clock.advance(1_000)
      other.liveness.hear(beat(B, clock.now()))
      for (const { bytes } of published.slice(heard)) other.liveness.hear(bytes)
      heard = published.length
      expect(isHere(SELF), `after ${ms} ms`).toBe(other.isHere(SELF))
    }
    stop()
    expect(isHere(SELF)).toBe(true)
  })

  it('end with the farewell', async () => {
    const { clock, liveness, published } = start()
    await clock.advance(30_000)
    await liveness.leave()
    expect(readHeartbeat(published.at(-1)!.bytes).isLeaving).toBe(true)
    const before = published.length
    await clock.advance(600_000)
    expect(published).toHaveLength(before)
  })

  it('grow in date also when the clock is set back, so that they still count', async () => {
    const clock = new VirtualClock(T0)
    const own = new RoughClock(clock)
    const { liveness, published } = livenessRig(own)
    const other = livenessRig(clock, { index: 9 })
    const controller = new AbortController()
    liveness.run(controller.signal).catch(() => undefined)
    await clock.advance(60_000)
    own.stepMs = -60_000
    await clock.advance(60_000)
    controller.abort()
    const dates = published.map(({ bytes }) => readHeartbeat(bytes).at)
    expect(dates).toEqual(dates.toSorted((a, b) => a - b))
    expect(published.map(({ bytes }) => other.liveness.hear(bytes))).not.toContain('ignore')
  })
})

describe('farewells', () => {
  it('are asked for by who has just come, until it knows by itself who is away', async () => {
    const { liveness, advance } = setUp()
    expect(liveness.isNew).toBe(true)
    await advance(PATIENCE_MS + HEARTBEAT_MIN_MS)
    expect(liveness.isNew).toBe(false)
  })

  it('are handed on as they were signed, for as long as they would be taken', async () => {
    const { clock, hear, liveness } = setUp()
    hear(B)
    hear(A, { isLeaving: true })
    expect(liveness.farewells()).toEqual([beat(A, clock.now(), { isLeaving: true })])
    await clock.advance(CLOCK_TOLERANCE_MS + 1)
    expect(liveness.farewells()).toEqual([])
  })

  it('are handed on by their dates, the latest first, in whatever order they came', () => {
    const { clock, hear, liveness } = setUp()
    const dates = [3, 1, 2].map((n) => clock.now() - n * HEARTBEAT_TURN_MS)
    for (const [at, date] of dates.entries()) hear(A + at, { at: date, isLeaving: true })
    const handedOn = liveness.farewells().map((bytes) => readHeartbeat(bytes).at)
    expect(handedOn).toEqual(dates.toSorted((a, b) => b - a))
  })

  it('are no longer handed on when the node is back', async () => {
    const { clock, hear, liveness } = setUp()
    hear(A, { isLeaving: true })
    await clock.advance(FAREWELL_MS + HEARTBEAT_TURN_MS)
    expect(hear(A)).toBe('accept')
    expect(liveness.farewells()).toEqual([])
  })
})
