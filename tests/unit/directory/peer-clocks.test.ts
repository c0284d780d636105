import { describe, expect, it } from 'vitest'
import { HOUR_MS, type NodeId } from '../../../src/base/index.ts'
import {
  admitByInvitation,
  createInvitation,
  createRevocation,
  decodeRevocation,
  type Descriptor,
  type DescriptorContent,
} from '../../../src/directory/index.ts'
import { CLOCK_HEARD_MS, CLOCK_LEAP_MS, STRANGER_BURST } from '../../../src/directory/constants.ts'
import { NodeTable } from '../../../src/directory/node-table.ts'
import { PeerClocks } from '../../../src/directory/peer-clocks.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { OPERATOR_SEED, T0, testDescriptor, testNetwork, testNode } from './fixtures.ts'

const OFF_MS = 2 * HOUR_MS
/** What is found when the peers are that much ahead. */
const BEHIND = { ms: -OFF_MS, atLeast: false }
const RIGHT = { ms: 0, atLeast: false }

function setUp(network = testNetwork()) {
  const virtual = new VirtualClock(T0 + 24 * HOUR_MS)
  const clock = new RoughClock(virtual)
  const table = new NodeTable(network)
  const connected: NodeId[] = []
  const clocks = new PeerClocks({ clock, connected: () => connected, table }, network)
  const connect = (...indices: number[]): void => {
    for (const index of indices) connected.push(testNode(index).nodeId)
  }
  const descriptorOf = (index: number, changes: Partial<DescriptorContent> = {}): Descriptor =>
    testDescriptor(network, testNode(index), { issuedAt: clock.now(), ...changes })
  /** As the intake does. */
  const take = (descriptor: Descriptor): string => {
    const outcome = table.consider(descriptor, clock.now())
    if (outcome.kind !== 'refused') return outcome.kind
    if (['future', 'expired'].includes(outcome.reason)) clocks.meet(descriptor)
    return outcome.reason
  }
  /** Connected peers that the table has. */
  const admit = (...indices: number[]): void => {
    connect(...indices)
    for (const index of indices) take(descriptorOf(index))
  }
  /** A peer whose clock is ahead of the right one by so much says that it is here. */
  const say = (index: number, offMs = 0): void => {
    const { nodeId } = testNode(index)
    clocks.hear(nodeId, { nodeId, isLeaving: false, at: virtual.now() + offMs })
  }
  const peers = { connected, connect, descriptorOf, take, admit, say }
  return { network, virtual, clock, table, clocks, ...peers }
}

describe('the clocks of the peers', () => {
  it('say that the own one is wrong when more than half of them do, however few they are', () => {
    for (let peers = 1; peers <= 7; peers++) {
      for (let liars = 0; liars <= peers; liars++) {
        const { clocks, admit, say } = setUp()
        for (let index = 0; index < peers; index++) {
          admit(index)
          say(index, index < liars ? OFF_MS : 0)
        }
        expect([peers, liars, clocks.skew()]).toEqual([
          peers,
          liars,
          2 * liars > peers ? BEHIND : RIGHT,
        ])
      }
    }
  })

  it('are not believed further than half of them go, in whatever direction the rest lies', () => {
    const { clocks, admit, say } = setUp()
    admit(0, 1, 2, 3, 4)
    for (const [index, offMs] of [-1_000, 2_000, 5_000, 90 * OFF_MS, 99 * OFF_MS].entries()) {
      say(index, offMs)
    }
    expect(clocks.skew()).toEqual({ ms: -5_000, atLeast: false })
  })

  it('are waited for until three have spoken, or all that there are', () => {
    const { clocks, admit, say } = setUp()
    admit(0, 1, 2, 3)
    say(0, OFF_MS)
    say(1, OFF_MS)
    expect(clocks.skew()).toBeUndefined()
    say(2, OFF_MS)
    expect(clocks.skew()).toEqual(BEHIND)
  })

  it('of peers that cannot mix are not waited for', () => {
    const { clocks, admit, connect, descriptorOf, take, say } = setUp()
    admit(0)
    connect(1, 2, 3)
    for (const index of [1, 2, 3]) take(descriptorOf(index, { reachable: false, addresses: [] }))
    expect(clocks.skew()).toBeUndefined()
    say(0, OFF_MS)
    expect(clocks.skew()).toEqual(BEHIND)
  })

  it('are those of admitted nodes that are connected, and of nobody else', () => {
    const { clocks, connected, admit, connect, say } = setUp()
    connect(10, 11, 12, 13)
    for (const stranger of [10, 11, 12, 13]) say(stranger, OFF_MS)
    expect(clocks.skew()).toBeUndefined()
    admit(0, 1, 2)
    for (const index of [0, 1, 2]) say(index)
    expect(clocks.skew()).toEqual(RIGHT)
    connected.length = 0
    expect(clocks.skew()).toBeUndefined()
  })

  it('are told by each for itself: one that brings what others signed speaks for none of them', () => {
    const { clocks, virtual, admit, say } = setUp()
    admit(0, 1, 2, 3)
    for (const index of [1, 2, 3]) {
      const { nodeId } = testNode(index)
      const yesterday = { nodeId, isLeaving: false, at: virtual.now() - 24 * HOUR_MS }
      clocks.hear(testNode(0).nodeId, yesterday)
    }
    expect(clocks.skew()).toBeUndefined()
    for (const index of [1, 2, 3]) say(index)
    expect(clocks.skew()).toEqual(RIGHT)
  })

  it('are not told by a farewell, which is handed on for minutes', () => {
    const { clocks, virtual, admit } = setUp()
    admit(0)
    const { nodeId } = testNode(0)
    clocks.hear(nodeId, { nodeId, isLeaving: true, at: virtual.now() - 150_000 })
    expect(clocks.skew()).toBeUndefined()
  })

  it('are told by what came in time where something else was late, as after a halt', async () => {
    const { clocks, virtual, admit, say } = setUp()
    admit(0)
    say(0)
    await virtual.advance(10_000)
    say(0, -CLOCK_LEAP_MS - 1)
    expect(clocks.skew()).toEqual(RIGHT)
    say(0, -CLOCK_LEAP_MS)
    expect(clocks.skew()).toEqual({ ms: CLOCK_LEAP_MS, atLeast: false })
    say(0, OFF_MS)
    expect(clocks.skew()).toEqual(BEHIND)
  })

  it('are forgotten in time', async () => {
    const { clocks, virtual, admit, say } = setUp()
    admit(0)
    say(0, OFF_MS)
    await virtual.advance(CLOCK_HEARD_MS)
    expect(clocks.skew()).toEqual(BEHIND)
    await virtual.advance(1)
    expect(clocks.skew()).toBeUndefined()
    // What it sends when its own clock was set right is not held against what was known.
    say(0)
    expect(clocks.skew()).toEqual(RIGHT)
  })

  it('say nothing of an own clock that has leapt until they speak again', () => {
    const { clock, clocks, admit, say } = setUp()
    admit(0, 1, 2)
    for (const index of [0, 1, 2]) say(index)
    // As after a sleep of the machine.
    clock.stepMs = OFF_MS
    expect(clocks.skew()).toBeUndefined()
    for (const index of [0, 1, 2]) say(index)
    expect(clocks.skew()).toEqual({ ms: OFF_MS, atLeast: false })
    clock.stepMs = 0
    expect(clocks.skew()).toBeUndefined()
  })

  it('show by what they have signed that an own clock that was set back is behind', () => {
    const { clock, clocks, admit, say } = setUp()
    admit(0, 1, 2)
    clock.stepMs = -OFF_MS
    expect(clocks.skew()).toEqual({ ms: -OFF_MS, atLeast: true })
    for (const index of [0, 1, 2]) say(index)
    expect(clocks.skew()).toEqual(BEHIND)
  })
})

describe('a table that takes nobody, because of the dates', () => {
  it.each([
    ['future', -OFF_MS],
    ['expired', OFF_MS],
  ])('still leaves peers who can say so: %s', (reason, stepMs) => {
    const { clock, clocks, table, connect, descriptorOf, take, say } = setUp()
    const descriptors = [0, 1, 2].map((index) => descriptorOf(index))
    clock.stepMs = stepMs
    connect(0, 1, 2)
    for (const descriptor of descriptors) expect(take(descriptor)).toBe(reason)
    expect(table.size).toBe(0)
    expect(clocks.skew()).toEqual(stepMs < 0 ? { ms: stepMs, atLeast: true } : undefined)
    for (const index of [0, 1, 2]) say(index)
    expect(clocks.skew()).toEqual({ ms: stepMs, atLeast: false })
  })

  it('asks for signature, admission and connection, and forgets no revocation', () => {
    const { clock, clocks, table, network, connect, descriptorOf } = setUp()
    clock.stepMs = -OFF_MS
    const later = { issuedAt: clock.now() + OFF_MS }
    const forged = descriptorOf(0, later)
    const bytes = forged.bytes.with(-1, (forged.bytes.at(-1) ?? 0) ^ 1)
    connect(0, 1, 2)
    const list = createRevocation(network, OPERATOR_SEED, T0, { nodes: [testNode(1).nodeId] })
    table.revoke(decodeRevocation(list.bytes, network))
    clocks.meet({ ...forged, bytes })
    clocks.meet(descriptorOf(1, later))
    clocks.meet(descriptorOf(2, { ...later, admission: { kind: 'open', date: T0 - 1 } }))
    clocks.meet(descriptorOf(3, later))
    connect(3)
    expect(clocks.skew()).toBeUndefined()
    clocks.meet(descriptorOf(3, later))
    expect(clocks.skew()).toEqual({ ms: -OFF_MS, atLeast: true })
  })

  it('gives one invitation no more votes than it has seats', () => {
    const closed = testNetwork('balanced')
    const { clocks, clock, connect, descriptorOf, take, say } = setUp(closed)
    const grants = [1, 1, 2].map((maxUses, index) =>
      createInvitation(closed, {
        operatorSeed: OPERATOR_SEED,
        now: T0,
        expiresAt: T0 + 1_000 * HOUR_MS,
        maxUses,
        rng: seededRng(`invitation ${index}`),
      }),
    )
    const join = (index: number, grant: number, issuedAt: number): string => {
      const invitation = grants[grant]
      if (invitation === undefined) throw new Error('no such invitation')
      const admission = admitByInvitation(closed, invitation, testNode(index).nodeId, T0)
      connect(index)
      return take(descriptorOf(index, { issuedAt, admission }))
    }
    expect([join(0, 0, clock.now()), join(1, 1, clock.now())]).toEqual(['new', 'new'])
    for (const index of [10, 11, 12, 13, 14]) {
      expect(join(index, 2, clock.now() + OFF_MS)).toBe('future')
      say(index, OFF_MS)
    }
    for (const index of [0, 1]) say(index)
    expect(clocks.skew()).toEqual(RIGHT)
  })

  it('checks no more signatures than strangers may cause', () => {
    const { clock, clocks, connect, descriptorOf } = setUp()
    clock.stepMs = -OFF_MS
    const forged = descriptorOf(0, { issuedAt: clock.now() + OFF_MS })
    const bytes = forged.bytes.with(-1, (forged.bytes.at(-1) ?? 0) ^ 1)
    connect(0)
    for (let i = 0; i < STRANGER_BURST; i++) clocks.meet({ ...forged, bytes })
    clocks.meet(forged)
    expect(clocks.skew()).toBeUndefined()
  })
})
