import { beforeEach, describe, expect, it } from 'vitest'
import {
  asNodeId,
  HearsayError,
  type NodeId,
  silentLogger,
  toHex,
} from '../../../src/base/index.ts'
import { Connector, type ConnectorOptions } from '../../../src/net/connector.ts'
import type { DialTarget } from '../../../src/net/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const node = (n: number): NodeId => asNodeId(new Uint8Array(32).fill(n))
const target = (n: number): DialTarget => ({ nodeId: node(n), addresses: [`/address/${n}`] })
const targets = (count: number) => Array.from({ length: count }, (_, i) => target(i + 1))

let clock: VirtualClock
let up: Map<string, NodeId>
let inbound: Set<string>
let dials: { n: number; at: number; addresses: readonly string[] }[]
let refuse: (n: number) => HearsayError | undefined
let known: DialTarget[]

beforeEach(() => {
  clock = new VirtualClock()
  up = new Map()
  inbound = new Set()
  dials = []
  known = []
  refuse = () => undefined
})

function running(options: Partial<ConnectorOptions> = {}) {
  const connector = new Connector(
    {
      clock,
      rng: seededRng('connector'),
      log: silentLogger,
      connected: () => [...up.values()],
      outbound: () => [...up.values()].filter((id) => !inbound.has(toHex(id))),
      dialTargets: () => known,
      dial: async (nodeId, addresses) => {
        const n = nodeId[0] ?? 0
        dials.push({ n, at: clock.monotonic(), addresses })
        const error = refuse(n)
        if (error !== undefined) throw error
        up.set(toHex(nodeId), nodeId)
      },
    },
    { self: node(0), bootstraps: [], targetConnections: 4, ...options },
  )
  const stop = new AbortController()
  const done = connector.run(stop.signal)
  return {
    connector,
    stop: async () => {
      stop.abort()
      await done
    },
  }
}

describe('the connector', () => {
  it('connects to as many known nodes as wanted and then rests', async () => {
    known = targets(20)
    const { stop } = running()
    await clock.advance(60_000)
    expect(up.size).toBe(4)
    expect(dials.length).toBe(4)
    await stop()
  })

  it('connects to all of a small network, never to itself', async () => {
    known = [target(0), target(1)]
    const { connector, stop } = running({ bootstraps: [target(2)] })
    await clock.advance(5_000)
    expect(dials.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual([1, 2])
    expect(connector.status()).toEqual({ target: 2, known: 2, mismatches: 0, unreachable: 0 })
    await stop()
  })

  it('replaces a lost connection as soon as it is told', async () => {
    known = targets(20)
    const { connector, stop } = running()
    await clock.advance(10_000)
    up.delete([...up.keys()][0] ?? '')
    connector.wake()
    await clock.advance(1)
    expect(up.size).toBe(4)
    await stop()
  })

  it('never gives up on a bootstrap, with waits that grow to half a minute and vary', async () => {
    refuse = () => new HearsayError('peer-unreachable', 'nobody')
    const { stop } = running({ bootstraps: [target(1)] })
    await clock.advance(600_000)
    const gaps = dials.slice(1).map(({ at }, i) => at - (dials[i]?.at ?? 0))
    expect(gaps[0]).toBeLessThan(3_000)
    expect(Math.max(...gaps)).toBeLessThan(47_500)
    expect(Math.min(...gaps.slice(7))).toBeGreaterThan(14_000)
    expect(new Set(gaps.slice(7)).size).toBeGreaterThan(5)
    refuse = () => undefined
    await clock.advance(47_500)
    expect(up.size).toBe(1)
    await stop()
  })

  it('tries a node under the addresses of the directory before those of the bootstrap list', async () => {
    known = [{ nodeId: node(1), addresses: ['/new'] }]
    const { stop } = running({ bootstraps: [{ nodeId: node(1), addresses: ['/old', '/new'] }] })
    await clock.advance(2_000)
    expect(dials).toMatchObject([{ n: 1, addresses: ['/new', '/old'] }])
    await stop()
  })

  it('tells other network keys from absent nodes', async () => {
    known = targets(2)
    refuse = (n) =>
      new HearsayError(n === 1 ? 'network-mismatch' : 'peer-unreachable', 'not this time')
    const { connector, stop } = running()
    await clock.advance(5_000)
    expect(connector.status()).toMatchObject({ mismatches: 1, unreachable: 1 })
    await stop()
  })

  it('does not count strangers that came in, or an attacker with ten keys would be everybody', async () => {
    known = targets(20)
    for (let n = 100; n < 120; n++) {
      up.set(toHex(node(n)), node(n))
      inbound.add(toHex(node(n)))
    }
    const { stop } = running()
    await clock.advance(5_000)
    expect(dials.length).toBe(4)
    await stop()
  })

  it('dials some nodes itself, however many known ones came in', async () => {
    known = targets(60)
    for (let n = 1; n <= 40; n++) {
      up.set(toHex(node(n)), node(n))
      inbound.add(toHex(node(n)))
    }
    const { stop } = running()
    await clock.advance(5_000)
    expect(dials.length).toBe(4)
    expect(dials.every(({ n }) => n > 40)).toBe(true)
    await stop()
  })

  it('tries the bootstraps first when it has nobody, in a directory of nodes that do not exist', async () => {
    known = targets(200)
    refuse = (n) => (n === 201 ? undefined : new HearsayError('peer-unreachable', 'nobody'))
    const { stop } = running({ bootstraps: [target(201)] })
    await clock.advance(100)
    expect(dials[0]?.n).toBe(201)
    await stop()
  })

  it('leaves no timer behind when it is stopped', async () => {
    const { stop } = running()
    await clock.advance(5_000)
    await stop()
    expect(clock.pendingTimers).toBe(0)
  })
})
