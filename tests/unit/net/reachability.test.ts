import { beforeEach, describe, expect, it } from 'vitest'
import { asNodeId, silentLogger } from '../../../src/base/index.ts'
import {
  REACHABILITY_CHECK_MS,
  REACHABILITY_HELPERS,
  REACHABILITY_RETRY_MS,
  REACHABILITY_SETTLE_MS,
  REACHABILITY_TICK_MS,
} from '../../../src/net/constants.ts'
import type { DialBackOutcome } from '../../../src/net/dial-back.ts'
import { type Helper, ReachabilityWatch } from '../../../src/net/reachability.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const helper = (n: number, group = `10.${n}`): Helper => ({
  nodeId: asNodeId(new Uint8Array(32).fill(n)),
  group,
})
const helpersFrom = (count: number) => Array.from({ length: count }, (_, i) => helper(i + 1))

/** Longer than the first round can take, with every factor at its highest. */
const FIRST_ROUND_MS = 1.5 * (REACHABILITY_TICK_MS + REACHABILITY_SETTLE_MS)

let clock: VirtualClock
let connected: Helper[]
let asked: { n: number; at: number }[]
let answer: (n: number) => DialBackOutcome
let hasAddress: boolean

beforeEach(() => {
  clock = new VirtualClock()
  connected = []
  asked = []
  answer = () => 'confirmed'
  hasAddress = true
})

function running(reachable: 'auto' | 'yes' | 'no' = 'auto', seed = 'reachability') {
  const watch = new ReachabilityWatch(
    {
      clock,
      rng: seededRng(seed),
      log: silentLogger,
      hasAddress: () => hasAddress,
      helpers: () => connected,
      ask: async (nodeId) => {
        asked.push({ n: nodeId[0] ?? 0, at: clock.monotonic() })
        return answer(nodeId[0] ?? 0)
      },
    },
    { reachable },
  )
  const changes: string[] = []
  watch.onChange((state) => changes.push(state))
  const stop = new AbortController()
  const done = watch.run(stop.signal)
  const end = async () => {
    stop.abort()
    await done
  }
  return { watch, changes, stop: end }
}

/** How many rounds there were, and whom each asked. */
function rounds(): number[][] {
  const byTime = Map.groupBy(asked, ({ at }) => at)
  return [...byTime.values()].map((each) => each.map(({ n }) => n))
}

describe('a node that was told', () => {
  it.each([
    ['yes', 'reachable', undefined],
    ['no', 'unreachable', 'configured'],
  ] as const)('%s is %s at once and asks nobody', async (reachable, state, hindrance) => {
    connected = helpersFrom(5)
    const { watch, changes, stop } = running(reachable)
    expect([watch.state, watch.hindrance]).toEqual([state, hindrance])
    await clock.advance(2 * REACHABILITY_CHECK_MS)
    expect([watch.state, changes, asked]).toEqual([state, [], []])
    expect(clock.pendingTimers).toBe(0)
    await stop()
  })
})

describe('a node that finds out', () => {
  it('knows nothing while nobody is there to ask', async () => {
    const { watch, stop } = running()
    await clock.advance(REACHABILITY_CHECK_MS)
    expect([watch.state, watch.hindrance, asked]).toEqual(['unknown', undefined, []])
    await stop()
  })

  it('waits a moment for more than the first, and asks three', async () => {
    const { watch, changes, stop } = running()
    await clock.advance(5_000)
    connected = helpersFrom(1)
    await clock.advance(1.5 * REACHABILITY_TICK_MS)
    connected = helpersFrom(8)
    await clock.advance(1.5 * REACHABILITY_SETTLE_MS)
    expect(rounds().map((each) => each.length)).toEqual([REACHABILITY_HELPERS])
    expect([watch.state, changes]).toEqual(['reachable', ['reachable']])
    await stop()
  })

  it('is unreachable at once without an address, and asks when it has one', async () => {
    hasAddress = false
    connected = helpersFrom(3)
    const { watch, stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    expect([watch.state, watch.hindrance, asked]).toEqual(['unreachable', 'no-address', []])
    hasAddress = true
    await clock.advance(FIRST_ROUND_MS + 1.5 * REACHABILITY_TICK_MS)
    expect([watch.state, watch.hindrance]).toEqual(['reachable', undefined])
    await stop()
  })

  const verdicts: [DialBackOutcome[], string, string | undefined][] = [
    [['confirmed'], 'reachable', undefined],
    [['failed'], 'unreachable', 'closed'],
    [['none'], 'unknown', undefined],
    [['confirmed', 'confirmed'], 'reachable', undefined],
    [['confirmed', 'failed'], 'unknown', undefined],
    [['confirmed', 'none'], 'unknown', undefined],
    [['failed', 'none'], 'unknown', undefined],
    [['failed', 'elsewhere'], 'unreachable', 'closed'],
    [['confirmed', 'confirmed', 'failed'], 'reachable', undefined],
    [['confirmed', 'confirmed', 'none'], 'reachable', undefined],
    [['confirmed', 'elsewhere', 'elsewhere'], 'unreachable', 'elsewhere'],
    [['confirmed', 'failed', 'elsewhere'], 'unreachable', 'closed'],
    [['confirmed', 'failed', 'none'], 'unknown', undefined],
    [['confirmed', 'none', 'none'], 'unknown', undefined],
    [['none', 'none', 'none'], 'unknown', undefined],
    [['elsewhere', 'elsewhere', 'elsewhere'], 'unreachable', 'elsewhere'],
  ]
  it.each(verdicts)('takes %j as %s', async (answers, state, hindrance) => {
    connected = helpersFrom(answers.length)
    answer = (n) => answers[n - 1] ?? 'none'
    const { watch, stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    expect(rounds().length).toBe(1)
    expect([watch.state, watch.hindrance]).toEqual([state, hindrance])
    await stop()
  })

  it('asks different parts of the network: of thirty nodes in one /16 and two elsewhere, the two', async () => {
    connected = Array.from({ length: 30 }, (_, i) => helper(i + 1, '10.1'))
    connected.push(helper(100, '10.2'), helper(101, '10.3'))
    // Those who deny are one party.
    answer = (n) => (n < 100 ? 'failed' : 'confirmed')
    const { watch, stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    expect(
      rounds()[0]
        ?.toSorted((a, b) => a - b)
        .slice(1),
    ).toEqual([100, 101])
    expect(watch.state).toBe('reachable')
    await stop()
  })

  it('asks others in the next round', async () => {
    connected = helpersFrom(40)
    const { stop } = running()
    await clock.advance(10 * 1.5 * REACHABILITY_CHECK_MS)
    expect(rounds().length).toBeGreaterThan(8)
    expect(new Set(asked.map(({ n }) => n)).size).toBeGreaterThan(15)
    await stop()
  })

  it('keeps its word at one bad round and takes it back at the second', async () => {
    connected = helpersFrom(3)
    const { watch, changes, stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    answer = () => 'failed'
    const before = rounds().length
    while (rounds().length === before) await clock.advance(1_000)
    expect(watch.state).toBe('reachable')
    await clock.advance(1.5 * REACHABILITY_RETRY_MS)
    expect(rounds().length).toBe(before + 2)
    expect([watch.state, watch.hindrance]).toEqual(['unreachable', 'closed'])
    answer = () => 'confirmed'
    await clock.advance(4 * REACHABILITY_RETRY_MS)
    expect(changes).toEqual(['reachable', 'unreachable', 'reachable'])
    await stop()
  })

  it('forgets a bad round when a good one follows', async () => {
    connected = helpersFrom(3)
    const { changes, stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    for (let i = 0; i < 5; i++) {
      for (const outcome of ['failed', 'confirmed'] as const) {
        answer = () => outcome
        const before = rounds().length
        while (rounds().length === before) await clock.advance(1_000)
      }
    }
    expect(changes).toEqual(['reachable'])
    await stop()
  })

  it('doubts all at once when every known node had gone: the machine may have moved', async () => {
    connected = helpersFrom(3)
    const { watch, stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    expect(watch.state).toBe('reachable')
    connected = []
    watch.connectionLost()
    answer = () => 'elsewhere'
    await clock.advance(30_000)
    expect(watch.state).toBe('reachable')
    connected = helpersFrom(3)
    await clock.advance(FIRST_ROUND_MS)
    expect(rounds().length).toBe(2)
    expect([watch.state, watch.hindrance]).toEqual(['unreachable', 'elsewhere'])
    await stop()
  })

  it('looks no sooner because one connection of several went', async () => {
    connected = helpersFrom(3)
    const { watch, stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    connected = helpersFrom(2)
    watch.connectionLost()
    await clock.advance(REACHABILITY_CHECK_MS / 4)
    expect(rounds().length).toBe(1)
    await stop()
  })

  it('asks ever more rarely while it is not dialled, but goes on', async () => {
    connected = helpersFrom(3)
    answer = () => 'failed'
    const { stop } = running()
    await clock.advance(24 * 3_600_000)
    const times = [...new Set(asked.map(({ at }) => at))]
    const waits = times.slice(1).map((at, i) => at - (times[i] ?? 0))
    expect(waits[0]).toBeLessThanOrEqual(1.5 * REACHABILITY_RETRY_MS)
    expect(Math.max(...waits)).toBeLessThanOrEqual(1.5 * REACHABILITY_CHECK_MS)
    expect(times.length).toBeGreaterThan(100)
    expect(times.length).toBeLessThan(300)
    await stop()
  })

  it('tells nobody who no longer wants to hear', async () => {
    connected = helpersFrom(3)
    const { watch, stop } = running()
    const heard: string[] = []
    watch.onChange((state) => heard.push(state))()
    await clock.advance(FIRST_ROUND_MS)
    expect([watch.state, heard]).toEqual(['reachable', []])
    await stop()
  })

  it('stops in the middle of a round and leaves no timer', async () => {
    connected = helpersFrom(3)
    const { stop } = running()
    await clock.advance(FIRST_ROUND_MS)
    await stop()
    expect(clock.pendingTimers).toBe(0)
  })
})
