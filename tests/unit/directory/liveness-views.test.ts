import { describe, expect, it } from 'vitest'
import { type Clock, toHex, uniform, uniformInt } from '../../../src/base/index.ts'
import {
  CLOCK_TOLERANCE_MS,
  FAREWELL_TURNS,
  HEARTBEAT_TURN_MS,
} from '../../../src/directory/constants.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { T0, testNode } from './fixtures.ts'
import { asMessage, beat, Gossiper } from './liveness-rig.ts'

const LIAR = 1
const LIAR_ID = toHex(testNode(LIAR).nodeId)
const HONEST = 2
/** Gossip from one node to the other. */
const DELAY_MS = 300
const STEP_MS = 50

/** A clock that a test moves in one turn of the event loop: nothing here waits for promises. */
class StepClock {
  #elapsed = 0
  #due: { at: number; fn: () => void }[] = []

  get elapsed(): number {
    return this.#elapsed
  }

  after(ms: number, fn: () => void): void {
    this.#due.push({ at: this.#elapsed + ms, fn })
  }

  step(ms: number): void {
    this.#elapsed += ms
    const due = this.#due.filter(({ at }) => at <= this.#elapsed)
    this.#due = this.#due.filter(({ at }) => at > this.#elapsed)
    for (const { fn } of due) fn()
  }

  /** As a machine sees it whose wall clock is off. */
  seenBy(offMs: number): Clock {
    return {
      now: () => T0 + this.#elapsed + offMs,
      monotonic: () => this.#elapsed,
      setTimer: () => ({ cancel: () => undefined }),
      sleep: () => Promise.resolve(),
    }
  }
}

/** Two nodes that pass on to each other what they take, and an honest mix that both hear. */
function pair(o: { candidates: number; offMs?: number }) {
  const clock = new StepClock()
  const now = () => T0 + clock.elapsed
  const clocks = [clock.seenBy(0), clock.seenBy(o.offMs ?? 0)]
  const nodes = clocks.map((each, at) => new Gossiper(each, { index: 10 + at, ...o }))
  for (const [at, node] of nodes.entries()) {
    node.onTaken = (message) => {
      clock.after(DELAY_MS, () => nodes[1 - at]!.receive(message))
    }
  }
  const tell = (to: readonly number[], bytes: Uint8Array): void => {
    for (const at of to) nodes[at]!.receive(asMessage(bytes))
  }
  /** Whether each has the liar for here. */
  const views = () => nodes.map(({ liveness }) => liveness.isAlive(LIAR_ID))
  let nextHonest = 0
  /** Moves on; returns the longest time for which the two differed. */
  const run = (ms: number, act?: () => void): number => {
    let longest = 0
    let since: number | undefined
    for (let left = ms; left > 0; left -= STEP_MS) {
      if (clock.elapsed >= nextHonest) {
        tell([0, 1], beat(HONEST, now()))
        nextHonest = clock.elapsed + 2 * HEARTBEAT_TURN_MS
      }
      act?.()
      clock.step(STEP_MS)
      const [a, b] = views()
      if (a === b) since = undefined
      else since ??= clock.elapsed
      if (since !== undefined) longest = Math.max(longest, clock.elapsed - since)
    }
    return longest
  }
  return { clock, now, tell, views, run }
}

const SETTLED_MS = DELAY_MS + 2 * STEP_MS

/** How long a heartbeat is taken after its turn, and how late it still counts in full. */
const AGES = [10, 50, 400].map((candidates) => {
  const patienceMs = Math.max(3 * 10_000, 3 * 500 * candidates)
  const latestMs = Math.max(CLOCK_TOLERANCE_MS, patienceMs)
  return { candidates, latestMs, freeMs: latestMs - patienceMs }
})

/** A moment so long after the beginning of a turn is an instant before its end. */
const EDGE_MS = HEARTBEAT_TURN_MS - 100

/** At such a moment: a date whose turn ended almost `ms` ago; what is told now is there in time, and passed on too late. */
const datedBefore = (now: number, ms: number) => now - ms - EDGE_MS

describe('a mix that says one thing to some and another to others', () => {
  it('by two heartbeats in another order is not here for some alone', () => {
    const { now, tell, views, run } = pair({ candidates: 10 })
    run(40_000)
    const first = now()
    tell([0], beat(LIAR, first))
    tell([1], beat(LIAR, first + 2_400))
    run(28_000)
    expect(views()).toEqual([true, true])
    // Late enough after the one, too soon after the other?
    tell([0, 1], beat(LIAR, first + 2_600))
    expect(run(60_000)).toBeLessThan(SETTLED_MS)
  })

  it('by one that some get before its time is not here for the others alone', () => {
    const { now, tell, run } = pair({ candidates: 10 })
    run(40_000)
    const ahead = beat(LIAR, now() + CLOCK_TOLERANCE_MS + 1_000)
    tell([1], ahead)
    run(1_100)
    tell([0], ahead)
    expect(run(60_000)).toBeLessThan(SETTLED_MS)
  })

  it('by one that some get just before it is too old is not here for them alone', () => {
    for (const { candidates, latestMs } of AGES) {
      const { now, tell, run } = pair({ candidates })
      run(latestMs + EDGE_MS)
      tell([0], beat(LIAR, datedBefore(now(), latestMs)))
      expect(run(40_000)).toBeLessThan(SETTLED_MS)
    }
  })

  it('by a farewell that some get just before it is too old has not left for them alone', () => {
    for (const { candidates, latestMs, freeMs } of AGES) {
      for (const more of [0, FAREWELL_TURNS * HEARTBEAT_TURN_MS]) {
        const { now, tell, run } = pair({ candidates })
        run(10 * HEARTBEAT_TURN_MS + EDGE_MS)
        // The last heartbeat that the farewell outranks, told as late as it is worth most.
        const farewell = datedBefore(now(), 0)
        const outranked = farewell + (FAREWELL_TURNS - 1) * HEARTBEAT_TURN_MS
        const firstMs = outranked + HEARTBEAT_TURN_MS - now() + freeMs - 1_000
        run(firstMs)
        tell([0, 1], beat(LIAR, outranked))
        run(latestMs + more - firstMs)
        tell([0], beat(LIAR, farewell, { isLeaving: true }))
        expect(run(60_000)).toBeLessThan(SETTLED_MS)
      }
    }
  })

  it('whatever it dates, and whomever it tells first, differs for no longer than gossip takes', () => {
    const edges = [0, CLOCK_TOLERANCE_MS, -CLOCK_TOLERANCE_MS, -30_000, -75_000, -600_000]
    for (let seed = 0; seed < 24; seed++) {
      const rng = seededRng(`liar ${seed}`)
      const candidates = [10, 50, 400][seed % 3]!
      const { clock, now, tell, run } = pair({
        candidates,
        offMs: [0, 120, -120][uniformInt(rng, 3)]!,
      })
      const said: Uint8Array[] = []
      const either = <T>(items: readonly T[]): T => items[uniformInt(rng, items.length)]!
      let next = 0
      const act = (): void => {
        if (clock.elapsed < next) return
        next = clock.elapsed + either([50, 300, 2_500, 5_000, 31_000])
        const near = (uniform(rng) - 0.5) * either([400, 12_000, 90_000])
        const isLeaving = uniform(rng) < 0.3
        const fresh = beat(LIAR, Math.max(0, now() + either(edges) + near), { isLeaving })
        said.push(fresh)
        const bytes = uniform(rng) < 0.7 ? fresh : either(said)
        tell(either([[0], [1], [0, 1], [1, 0]]), bytes)
      }
      const longest = run(400_000, act)
      expect(longest, `seed ${seed}`).toBeLessThanOrEqual(SETTLED_MS)
    }
  })
})
