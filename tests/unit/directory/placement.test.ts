import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  asAddress,
  compareBytes,
  concat,
  type NodeId,
  toHex,
  u32be,
  xorDistance,
} from '../../../src/base/index.ts'
import { COURIER_ROOM } from '../../../src/directory/constants.ts'
import {
  courierCeiling,
  courierQuota,
  effectiveRate,
  epochAt,
  epochStart,
  kadId,
  keyEpochAt,
  placementKey,
  PlacementIndex,
  PRESETS,
  publishEvery,
  quotaOf,
} from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { T0, testNetwork, testNode } from './fixtures.ts'

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())
const rng = seededRng(5)
const nodes = Array.from({ length: 60 }, (_, i) => testNode(i).nodeId)
const candidate = (nodeId: NodeId, address: string) => ({ nodeId, addresses: [address] })
const spread = nodes.map((nodeId, i) => candidate(nodeId, `/ip4/127.${i}.0.1/tcp/4001`))

/** Slow and obvious: sort everybody. */
function slowClosest(key: Uint8Array, count: number): string[] {
  return nodes
    .toSorted((a, b) => compareBytes(xorDistance(kadId(a), key), xorDistance(kadId(b), key)))
    .slice(0, count)
    .map(toHex)
}

describe('placement', () => {
  it('hashes the peer id and the address with its day, as kad-dht does', () => {
    const nodeId = testNode(3).nodeId
    expect(kadId(nodeId)).toEqual(sha256(concat(Uint8Array.of(0, 0x24, 8, 1, 0x12, 0x20), nodeId)))
    const address = asAddress(rng.bytes(32))
    expect(placementKey(address, 20_001)).toEqual(sha256(concat(address, u32be(20_001))))
  })

  it('finds the same nodes as sorting all of them by distance', () => {
    const index = new PlacementIndex(spread)
    for (let round = 0; round < 200; round++) {
      const key = rng.bytes(32)
      const count = round % 12
      expect(index.closest(key, count).map(toHex)).toEqual(slowClosest(key, count))
    }
  })

  it('does not depend on the order in which the nodes are given', () => {
    const key = rng.bytes(32)
    const reversed = new PlacementIndex(spread.toReversed())
    expect(reversed.closest(key, 8)).toEqual(new PlacementIndex(spread).closest(key, 8))
  })

  it('gives everybody when there are fewer nodes than keepers, and nobody for an empty set', () => {
    expect(new PlacementIndex(spread.slice(0, 3)).closest(rng.bytes(32), 8)).toHaveLength(3)
    expect(new PlacementIndex([]).closest(rng.bytes(32), 8)).toEqual([])
  })

  it('finds a key that equals a node’s own place', () => {
    const [first] = spread
    expect(new PlacementIndex(spread).closest(kadId(first!.nodeId), 1)).toEqual([first!.nodeId])
  })

  it('passes over a host that holds many ids when the others are spread', () => {
    const crowd = nodes.slice(0, 30).map((id) => candidate(id, '/ip4/10.1.0.1/tcp/1'))
    const index = new PlacementIndex([...crowd, ...spread.slice(30)])
    const crowdIds = new Set(crowd.map(({ nodeId }) => toHex(nodeId)))
    for (let round = 0; round < 50; round++) {
      const keepers = index.closest(rng.bytes(32), 8)
      expect(keepers).toHaveLength(8)
      expect(keepers.filter((id) => crowdIds.has(toHex(id))).length).toBeLessThanOrEqual(1)
    }
  })

  it('counts a host with all its addresses, whichever of them a node names first', () => {
    const many = nodes.map((nodeId, i) => ({
      nodeId,
      addresses:
        i % 2 === 0
          ? [`/ip4/10.${i}.0.1/tcp/4001`, '/ip4/192.0.2.1/tcp/4001']
          : [`/ip4/127.${i}.0.1/tcp/4001`],
    }))
    const index = new PlacementIndex(many)
    const ofHost = new Set(many.filter((_, i) => i % 2 === 0).map(({ nodeId }) => toHex(nodeId)))
    for (let round = 0; round < 50; round++) {
      const keepers = index.closest(rng.bytes(32), 8).map(toHex)
      expect(keepers.filter((id) => ofHost.has(id)).length).toBeLessThanOrEqual(1)
    }
  })

  it('does without diversity when all nodes are in one network', () => {
    const local = nodes.map((id, i) => candidate(id, `/ip4/192.168.0.${i}/tcp/1`))
    const key = rng.bytes(32)
    expect(new PlacementIndex(local).closest(key, 8).map(toHex)).toEqual(slowClosest(key, 8))
  })
})

describe('epochs', () => {
  const network = testNetwork('balanced')
  const hour = 3_600_000

  it('begin with the network and do not run backwards before it', () => {
    expect(epochAt(network, T0 - 5)).toBe(0)
    expect(epochAt(network, T0 + 6 * hour - 1)).toBe(0)
    expect(epochAt(network, T0 + 6 * hour)).toBe(1)
    expect(epochStart(network, 2)).toBe(T0 + 12 * hour)
    expect(keyEpochAt(network, T0 + 6 * hour)).toBe(6)
  })
})

describe('publishing rate', () => {
  it('keeps the whole network at or below its box rate, whatever its size', () => {
    for (const parameters of Object.values(PRESETS)) {
      for (let size = 1; size < 3_000; size += 7) {
        expect(effectiveRate(size, parameters)).toBeLessThanOrEqual(parameters.boxRate)
        expect(publishEvery(size, parameters)).toBeGreaterThanOrEqual(2)
      }
    }
  })

  it('wastes at most a third of it to rounding once the network is large enough', () => {
    for (const parameters of Object.values(PRESETS)) {
      const { boxRate, slotMs, copies } = parameters
      const enough = Math.ceil((boxRate * 2 * slotMs * copies) / 1_000)
      for (let size = enough; size < 3_000; size += 7) {
        expect(effectiveRate(size, parameters)).toBeGreaterThan((boxRate * 2) / 3 - 1e-9)
      }
    }
  })

  it('moves in the steps 2, 3, 4, 6, 8, 12, …', () => {
    const seen = new Set<number>()
    for (let size = 1; size < 200; size++) seen.add(publishEvery(size, PRESETS.balanced))
    expect([...seen]).toEqual([2, 3, 4, 6, 8, 12, 16, 24])
  })

  it('in balanced with 50 nodes lets a node publish a box about every 10 s', () => {
    expect(publishEvery(50, PRESETS.balanced) * PRESETS.balanced.copies).toBe(12)
  })

  it('gives quotas above the mean, with room for chance', () => {
    expect(quotaOf(0, 4)).toBe(8)
    expect(quotaOf(100, 4)).toBe(400)
    expect(quotaOf(100, '3sigma')).toBe(130)
    expect(courierQuota(12, 3, PRESETS.swift)).toBeGreaterThan((16 * 300) / 3)
  })

  it('shares the network’s publications out among the couriers, with room for chance and floods', () => {
    const { balanced, swift } = PRESETS
    const perEpoch = (nodes: number) =>
      (effectiveRate(nodes, balanced) * balanced.copies * balanced.layerEpochMs) / 1_000
    for (const couriers of [1, 2, 5, 20]) {
      const mean = (COURIER_ROOM * perEpoch(50)) / couriers
      expect(courierQuota(50, couriers, balanced)).toBe(Math.ceil(mean + 3 * Math.sqrt(mean)))
    }
    // Nobody was seen to be a courier: the quota of one.
    expect(courierQuota(50, 0, balanced)).toBe(courierQuota(50, 1, balanced))
    expect(courierQuota(12, 2, swift)).toBe(4 * courierQuota(12, 2, { ...swift, slack: 1 }))
    expect(courierQuota(12, 1_000_000, balanced)).toBe(8)
  })

  it('never allows a courier more than the ceiling that a mailbox counts by', () => {
    for (const parameters of Object.values(PRESETS)) {
      const ceiling = courierCeiling(parameters)
      for (let size = 1; size < 1_000; size += 13) {
        for (const couriers of [2, 3, 10]) {
          expect(courierQuota(size, couriers, parameters)).toBeLessThanOrEqual(ceiling)
        }
      }
    }
  })
})
