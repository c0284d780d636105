import { describe, expect, it } from 'vitest'
import { CourierView } from '../../sim/privacy/courier-view.ts'
import { FreeTracker } from '../../sim/privacy/free-tracker.ts'
import { LayeredTracker } from '../../sim/privacy/layered-tracker.ts'
import type { Observation } from '../../sim/privacy/observation.ts'
import { ReplyEvidence } from '../../sim/privacy/reply-evidence.ts'
import { TimingKernel } from '../../sim/privacy/timing-kernel.ts'

const [ALICE, BOB, CAROL, MIX, COURIER, LAST] = [0, 1, 2, 3, 4, 5]
const NODES = 6

const kernel = new TimingKernel(
  Float64Array.from({ length: 3_000 }, (_, i) => i),
  100,
)

/** Two layers, nothing answered; returns the tracker and what it observes. */
function layered(corrupt: readonly number[] = []) {
  const seen: Observation[] = []
  const tracker = new LayeredTracker(
    { replies: undefined, onObservation: (observation) => seen.push(observation) },
    {
      nodes: NODES,
      mixDelayMs: 100,
      replyDelayMs: 100,
      isCorrupt: Uint8Array.from({ length: NODES }, (_, node) => (corrupt.includes(node) ? 1 : 0)),
      visibleShare: 1,
      answersPublications: false,
      replyWindowMs: 0,
    },
  )
  return { tracker, seen }
}

/** A frame reaches the mix from its origin. */
function into(tracker: LayeredTracker, frame: number, origin: number, at: number): void {
  tracker.emitted(frame, origin, at, true)
  tracker.arrived(frame, MIX)
}

/** A frame leaves the mix and is the only one at the courier when it is published. */
function outAndPublished(tracker: LayeredTracker, frame: number, at: number): void {
  tracker.departed(frame, MIX)
  tracker.arrivedAtCourier(frame, COURIER, at)
  tracker.acted(frame, COURIER, at + 1, 'publish', frame)
}

describe('tracking in layers', () => {
  it('believes each packet inside to be equally likely the one that leaves', () => {
    const { tracker, seen } = layered()
    into(tracker, 0, ALICE, 0)
    into(tracker, 1, BOB, 1)
    outAndPublished(tracker, 0, 2)
    into(tracker, 2, CAROL, 3)
    outAndPublished(tracker, 1, 4)
    outAndPublished(tracker, 2, 5)
    expect(seen[0]?.path.subarray(0, 3)).toEqual(Float64Array.of(0.5, 0.5, 0))
    expect(seen[1]?.path.subarray(0, 3)).toEqual(Float64Array.of(0.25, 0.25, 0.5))
    expect(seen[2]?.path.subarray(0, 3)).toEqual(Float64Array.of(0.25, 0.25, 0.5))
  })

  it('follows a packet that is alone in its mix', () => {
    const { tracker, seen } = layered()
    into(tracker, 0, ALICE, 0)
    outAndPublished(tracker, 0, 1)
    into(tracker, 1, BOB, 2)
    outAndPublished(tracker, 1, 3)
    expect(seen.map(({ path }) => [...path.subarray(0, 2)])).toEqual([
      [1, 0],
      [0, 1],
    ])
  })

  it('learns from a corrupt mix which frame is which', () => {
    const { tracker, seen } = layered([MIX])
    into(tracker, 0, ALICE, 0)
    into(tracker, 1, BOB, 1)
    outAndPublished(tracker, 1, 2)
    expect(seen[0]?.path.subarray(0, 2)).toEqual(Float64Array.of(0, 1))
  })

  it('learns from a corrupt courier which of its requests published', () => {
    for (const [corrupt, expected] of [
      [[], [0.5, 0.5]],
      [[COURIER], [1, 0]],
    ] as const) {
      const { tracker, seen } = layered(corrupt)
      for (const [frame, origin] of [ALICE, BOB].entries()) {
        into(tracker, frame, origin, 10 * frame)
        tracker.departed(frame, MIX)
        tracker.arrivedAtCourier(frame, COURIER, 10 * frame + 5)
      }
      tracker.acted(0, COURIER, 30, 'publish', 0)
      expect([...(seen[0]?.path.subarray(0, 2) ?? [])]).toEqual(expected)
    }
  })

  it('tells a reply that is alone on its way to the sender, whatever the request hid among', () => {
    const seen: Observation[] = []
    const replies = new ReplyEvidence({
      nodes: NODES,
      candidates: 2,
      slotMs: 1_000,
      route: kernel,
      roundTrip: kernel,
      silentCycleMs: undefined,
    })
    const tracker = new LayeredTracker(
      { replies, onObservation: (observation) => seen.push(observation) },
      {
        nodes: NODES,
        mixDelayMs: 100,
        replyDelayMs: 100,
        isCorrupt: new Uint8Array(NODES),
        visibleShare: 0.5,
        answersPublications: true,
        replyWindowMs: 5_000,
      },
    )
    // Two publications whose requests cannot be told apart.
    into(tracker, 0, ALICE, 0)
    into(tracker, 1, BOB, 0)
    for (const frame of [0, 1]) tracker.departed(frame, MIX)
    for (const frame of [0, 1]) tracker.arrivedAtCourier(frame, COURIER, 100)
    tracker.acted(0, COURIER, 101, 'publish', 0)
    // The only reply that can be its reply goes to Alice.
    tracker.replied(0, COURIER, 1_200)
    tracker.arrived(0, MIX)
    tracker.departed(0, MIX)
    tracker.arrivedAtLast(0, LAST)
    tracker.delivered(0, LAST, ALICE, 1_400)
    tracker.finish(10_000)
    const [observation] = seen
    expect(observation?.path.subarray(0, 2)).toEqual(Float64Array.of(0.5, 0.5))
    const [alice, bob] = observation?.reply ?? []
    expect(alice as number).toBeGreaterThan((bob as number) + 3)
  })
})

describe('requests inside a courier', () => {
  const options = { mixDelayMs: 100, floorMs: 1_000, replyDelayMs: 100 }
  const request = (frame: number, at: number) => ({ frame, vector: frame, at, mayPublish: 1 })

  it('are equally likely the next where every act is seen, and exactly one leaves with each', () => {
    const view = new CourierView({ ...options, visibleShare: 1 })
    for (const n of [0, 1, 2, 3]) view.arrived(request(n, n * 500))
    expect([...view.shares(2_000, true)]).toEqual([0.25, 0.25, 0.25, 0.25])
    const gone: number[] = []
    for (let act = 0; act < 4; act++) gone.push(...view.acted(view.shares(2_000 + act, true)))
    expect(gone.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
  })

  it('are the likelier the younger where some act unseen', () => {
    const view = new CourierView({ ...options, visibleShare: 0.5 })
    view.arrived(request(0, 0))
    view.arrived(request(1, 200))
    const [old, young] = view.shares(300, true)
    // exp(-x) / (exp(-x) + 1), of ages 3 and 1.
    const weight = (x: number) => Math.exp(-x) / (Math.exp(-x) + 1)
    expect(old).toBeCloseTo(weight(3) / (weight(3) + weight(1)), 12)
    expect((old as number) + (young as number)).toBeCloseTo(1, 12)
  })

  it('share a reply between the acts that can have caused it, and no act is answered twice', () => {
    const view = new CourierView({ ...options, visibleShare: 1 })
    view.expect(0, 7)
    view.expect(10, 8)
    view.expect(900, 9)
    const told: [number, number][] = []
    view.replied(1_500, (column, share) => told.push([column, share]))
    expect(told).toEqual([
      [7, 0.5],
      [8, 0.5],
    ])
    told.length = 0
    view.replied(1_600, (column, share) => told.push([column, share]))
    expect(told).toEqual([
      [7, 0.5],
      [8, 0.5],
    ])
    told.length = 0
    view.replied(2_000, (column, share) => told.push([column, share]))
    expect(told).toEqual([[9, 1]])
  })
})

describe('tracking free routes', () => {
  it('knows that a packet with hops left does not leave for good', () => {
    const seen: Observation[] = []
    const tracker = new FreeTracker(
      { onObservation: (observation) => seen.push(observation) },
      { nodes: NODES, hops: 2 },
    )
    // Alice's packet has its first hop behind it when it meets Bob's.
    tracker.emitted(0, ALICE)
    tracker.arrived(0, MIX)
    tracker.departed(0, MIX)
    tracker.arrivedAtCourier(0, COURIER)
    tracker.emitted(1, BOB)
    tracker.arrived(1, COURIER)
    tracker.acted(0, COURIER, 0, 'publish', 0)
    expect(seen[0]?.path.subarray(0, 2)).toEqual(Float64Array.of(1, 0))
    tracker.departed(1, COURIER)
    tracker.arrivedAtCourier(1, LAST)
    tracker.acted(1, LAST, 0, 'publish', 1)
    expect(seen[1]?.path.subarray(0, 2)).toEqual(Float64Array.of(0, 1))
  })

  it('does not tell packets apart that entered together', () => {
    const seen: Observation[] = []
    const tracker = new FreeTracker(
      { onObservation: (observation) => seen.push(observation) },
      { nodes: NODES, hops: 2 },
    )
    for (const [frame, origin] of [ALICE, BOB].entries()) {
      tracker.emitted(frame, origin)
      tracker.arrived(frame, MIX)
    }
    for (const frame of [0, 1]) {
      tracker.departed(frame, MIX)
      tracker.arrivedAtCourier(frame, COURIER + frame)
      tracker.acted(frame, COURIER + frame, 0, 'publish', frame)
    }
    expect(seen.map(({ path }) => [...path.subarray(0, 2)])).toEqual([
      [0.5, 0.5],
      [0.5, 0.5],
    ])
  })
})
