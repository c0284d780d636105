import { describe, expect, it } from 'vitest'
import { asNodeId, toHex } from '../../../src/base/index.ts'
import { MIN_MIXES_PER_LAYER, PACKETS_PER_MIX } from '../../../src/directory/constants.ts'
import { drawTickets, type MixCandidate, seatMixes } from '../../../src/directory/election.ts'
import {
  electMixes,
  mixShare,
  type NetworkParameters,
  PRESETS,
} from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { testNetwork } from './fixtures.ts'

const { id: networkId } = testNetwork()
const { balanced } = PRESETS
const options = { ...balanced, networkId }

function candidates(count: number, seed: number | string = count): MixCandidate[] {
  const rng = seededRng(`candidates ${seed}`)
  return Array.from({ length: count }, () => ({ nodeId: asNodeId(rng.bytes(32)) }))
}

const idsOf = (layers: readonly (readonly MixCandidate[])[]) =>
  layers.map((layer) => layer.map(({ nodeId }) => toHex(nodeId)))

/** Packets that a mix holds on average when `mixes` of `nodes` nodes mix: requests and replies of all. */
const pool = (nodes: number, mixes: number, p: NetworkParameters) =>
  (2 * nodes * p.layers * p.mixDelayMs) / (p.slotMs * mixes)

describe('the share of nodes that mix', () => {
  it.each(Object.entries(PRESETS))('in %s is as the design says, for any size', (_name, p) => {
    for (let nodes = 1; nodes <= 2_000; nodes++) {
      const mixes = nodes * mixShare(nodes, p)
      expect(mixes).toBeLessThanOrEqual(nodes)
      expect(mixes).toBeGreaterThanOrEqual(
        Math.min(nodes, MIN_MIXES_PER_LAYER * p.layers) * (1 - 1e-9),
      )
      // In a small network every layer needs its two, and fewer packets are there to hide among.
      expect(pool(nodes, mixes, p)).toBeLessThanOrEqual(PACKETS_PER_MIX * (1 + 1e-9))
    }
  })

  it.each(Object.entries(PRESETS))('in %s gives a mix its packets from 32 nodes on', (_name, p) => {
    for (let nodes = 32; nodes <= 2_000; nodes++) {
      expect(pool(nodes, nodes * mixShare(nodes, p), p)).toBeCloseTo(PACKETS_PER_MIX, 6)
    }
  })

  it('is the same between two powers of two', () => {
    for (let power = 1; power <= 1_024; power *= 2) {
      const shares = new Set(Array.from({ length: power }, (_, i) => mixShare(power + i, balanced)))
      expect(shares.size).toBe(1)
    }
  })

  it('is what is elected, give or take chance', () => {
    for (const nodes of [64, 500, 2_000]) {
      let elected = 0
      const epochs = 40
      const all = candidates(nodes)
      for (let epoch = 0; epoch < epochs; epoch++) {
        elected += drawTickets(all, epoch, options).filter((ticket) => ticket.elected).length
      }
      const mean = epochs * nodes * mixShare(nodes, balanced)
      expect(Math.abs(elected - mean)).toBeLessThan(5 * Math.sqrt(mean))
    }
  })
})

describe('an election', () => {
  it('puts nodes into all layers alike, and the same node into others as epochs go', () => {
    const layers = 5
    const epochs = 300
    const all = candidates(40)
    const counts = Array.from({ length: layers }, () => 0)
    const ofOne = Array.from({ length: layers }, () => 0)
    for (let epoch = 0; epoch < epochs; epoch++) {
      for (const [index, { layer }] of drawTickets(all, epoch, options).entries()) {
        counts[layer]!++
        if (index === 0) ofOne[layer]!++
      }
    }
    const chiSquared = (observed: readonly number[], total: number) =>
      observed.reduce((sum, count) => sum + (count - total / layers) ** 2 / (total / layers), 0)
    // Four degrees of freedom: above 33 less than once in a million times.
    expect(chiSquared(counts, epochs * all.length)).toBeLessThan(33)
    expect(chiSquared(ofOne, epochs)).toBeLessThan(33)
  })

  it('draws election, layer and rank independently of each other', () => {
    const tickets = Array.from({ length: 60 }, (_, epoch) =>
      drawTickets(candidates(200), epoch, options),
    ).flat()
    const elected = tickets.filter((ticket) => ticket.elected)
    for (let layer = 0; layer < 5; layer++) {
      const inLayer = elected.filter((ticket) => ticket.layer === layer).length
      expect(inLayer / elected.length).toBeCloseTo(0.2, 1)
      const low = elected.filter((ticket) => ticket.rank(layer) < 2 ** 47).length
      expect(low / elected.length).toBeCloseTo(0.5, 1)
    }
  })

  it('differs from network to network and from epoch to epoch', () => {
    const all = candidates(100)
    const seated = [
      electMixes(all, 1, options),
      electMixes(all, 2, options),
      electMixes(all, 1, { ...options, networkId: testNetwork('lab').id }),
    ].map((layers) => JSON.stringify(idsOf(layers)))
    expect(new Set(seated).size).toBe(3)
  })

  it('of nobody has empty layers, of one node that one in every layer', () => {
    expect(electMixes([], 1, options)).toEqual([[], [], [], [], []])
    const [one] = candidates(1)
    expect(electMixes([one!], 1, options)).toEqual(Array(5).fill([one]))
  })

  it('fills a layer up from nodes that were not elected, by their rank for that layer', () => {
    const all = candidates(200)
    const tickets = drawTickets(all, 3, options)
    const away = tickets.filter(({ elected, layer }) => elected && layer === 2)
    const here = tickets.filter((ticket) => !away.includes(ticket))
    const before = seatMixes(tickets, 5)
    const after = seatMixes(here, 5)
    expect(idsOf(after.filter((_, layer) => layer !== 2))).toEqual(
      idsOf(before.filter((_, layer) => layer !== 2)),
    )
    const expected = here
      .filter(({ elected }) => !elected)
      .toSorted((a, b) => a.rank(2) - b.rank(2))
      .slice(0, MIN_MIXES_PER_LAYER)
      .map(({ node }) => toHex(node.nodeId))
    expect(idsOf(after)[2]).toEqual(expected.toSorted())
  })

  it('fills it up from layers that can spare a node when all were elected', () => {
    const everybody = { ...options, slotMs: 10 }
    for (let epoch = 0; epoch < 200; epoch++) {
      const all = candidates(12, epoch)
      expect(mixShare(all.length, everybody)).toBe(1)
      const layers = electMixes(all, epoch, everybody)
      expect(new Set(idsOf(layers).flat()).size).toBe(12)
      expect(Math.min(...layers.map((layer) => layer.length))).toBe(MIN_MIXES_PER_LAYER)
    }
  })
})
