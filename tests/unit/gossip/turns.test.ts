import { describe, expect, it } from 'vitest'
import { VALIDATIONS_PER_TURN, VALIDATIONS_WAITING_MAX } from '../../../src/gossip/constants.ts'
import { Turns } from '../../../src/gossip/turns.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function rig() {
  const clock = new VirtualClock()
  const turns = new Turns({ clock })
  const begun: number[] = []
  const take = async (number: number) => {
    await turns.take()
    begun.push(number)
  }
  return { clock, turns, begun, take }
}

const range = (count: number) => Array.from({ length: count }, (_, number) => number)

describe('turns of validation', () => {
  it('come at once for the first few', async () => {
    const { clock, turns } = rig()
    const first = range(VALIDATIONS_PER_TURN).map(() => turns.take())
    expect(first.every((turn) => turn === undefined)).toBe(true)
    await clock.advance(1)
    expect(turns.take()).toBeUndefined()
  })

  it('come to the others a few at a time and in order', async () => {
    const { clock, turns, begun, take } = rig()
    const count = 3 * VALIDATIONS_PER_TURN + 1
    const all = Promise.all(range(count).map(take))
    // Timers of the clock are turns of the loop: each lets so many begin.
    const perTurn: number[] = []
    const setTimer = clock.setTimer.bind(clock)
    clock.setTimer = (ms, fn) => {
      perTurn.push(begun.length)
      return setTimer(ms, fn)
    }
    await clock.advance(1)
    await all
    expect(begun).toEqual(range(count))
    expect(perTurn.every((before, turn) => before <= (turn + 1) * VALIDATIONS_PER_TURN)).toBe(true)
    expect(perTurn.length).toBeGreaterThanOrEqual(3)
    // Room of a turn that nobody used is not saved up.
    await clock.advance(1_000)
    const next = range(2 * VALIDATIONS_PER_TURN).map(() => turns.take())
    expect(next.filter((turn) => turn === undefined)).toHaveLength(VALIDATIONS_PER_TURN)
  })

  it('are not waited for by more than a bounded number', async () => {
    const { clock, turns } = rig()
    const turn = () => turns.take()
    expect(
      range(VALIDATIONS_PER_TURN)
        .map(turn)
        .every((each) => each === undefined),
    ).toBe(true)
    const waiting = range(VALIDATIONS_WAITING_MAX)
      .map(turn)
      .filter((each) => each !== undefined)
    expect(waiting).toHaveLength(VALIDATIONS_WAITING_MAX)
    expect(turn()).toBeUndefined()
    await clock.advance(1)
    await Promise.all(waiting)
    expect(clock.pendingTimers).toBe(0)
  })
})
