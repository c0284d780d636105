import { describe, expect, it } from 'vitest'
import { type NodeId, type Rng, uniform } from '../../../src/base/index.ts'
import { QUOTA_PEERS_MAX, QUOTA_SPARE, QUOTA_WINDOW_SLOTS } from '../../../src/mix/constants.ts'
import type { Layers } from '../../../src/mix/index.ts'
import {
  allowanceOf,
  type FrameAllowance,
  NeighbourQuota,
} from '../../../src/mix/neighbour-quota.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { layersOf, nodeAt } from './fixtures.ts'

const SLOT_MS = 1_000
const LINGER_MS = 25_000
const peer = nodeAt('peer')

const mixAt = (layers: Layers, layer: number, index = 0): NodeId =>
  layers[layer]?.[index]?.nodeId as NodeId

function quota(clock: VirtualClock, allowance: (node: NodeId) => FrameAllowance): NeighbourQuota {
  return new NeighbourQuota({ clock, allowance }, { slotMs: SLOT_MS, lingerMs: LINGER_MS })
}

/** Poisson by inversion of the waiting times. */
function poisson(rng: Rng, mean: number): number {
  let count = 0
  for (let sum = -Math.log(1 - uniform(rng)); sum < mean; sum -= Math.log(1 - uniform(rng))) count++
  return count
}

/** Share of frames that is cut off when `perSlot` arrive on average in each of `slots` slots. */
async function cut(allowance: FrameAllowance, perSlot: number, slots: number): Promise<number> {
  const clock = new VirtualClock()
  const rng = seededRng(`load ${perSlot}`)
  const quotas = quota(clock, () => allowance)
  let sent = 0
  let refused = 0
  for (let slot = 0; slot < slots; slot++) {
    await clock.advance(SLOT_MS)
    for (let left = poisson(rng, perSlot); left > 0; left--) {
      sent++
      if (!quotas.take(peer)) refused++
    }
  }
  return refused / sent
}

describe('the allowance of a neighbour', () => {
  const layers = layersOf([2, 3, 4, 2])
  const at = (to: NodeId, from: NodeId, slack: number | '3sigma' = 4, nodes = 48) =>
    allowanceOf(from, to, layers, { nodes, slack })
  /** For a mean per slot, with `slack` 4. */
  const due = (mean: number): FrameAllowance => {
    const burst = Math.ceil(4 * mean * QUOTA_WINDOW_SLOTS) + QUOTA_SPARE
    return { burst, perSlot: burst / QUOTA_WINDOW_SLOTS }
  }

  it('is its share of a packet a slot at the first layer, and next to nothing elsewhere', () => {
    const somebody = nodeAt('somebody')
    expect(at(mixAt(layers, 0), somebody)).toEqual(due(1 / 2))
    for (const layer of [1, 2, 3]) expect(at(mixAt(layers, layer), somebody)).toEqual(due(0))
    // At all mixes together hardly more than it may send: spreading a flood gains nothing.
    const everywhere = layers.flat().map((mix) => at(mix.nodeId, somebody, 1).perSlot)
    expect(everywhere.reduce((sum, perSlot) => sum + perSlot)).toBeLessThan(3)
  })

  it('is its share of requests and replies for a mix of the layer before', () => {
    // 48 requests and 48 replies a slot, over 3 · 4 pairs of mixes.
    const mean = (2 * 48) / 12
    expect(at(mixAt(layers, 2), mixAt(layers, 1))).toEqual(due(mean))
    const frames = mean * QUOTA_WINDOW_SLOTS
    expect(at(mixAt(layers, 2), mixAt(layers, 1), '3sigma').burst).toBe(
      Math.ceil(frames + 3 * Math.sqrt(frames)) + QUOTA_SPARE,
    )
  })

  it('is nothing more for a mix of another layer: it hands on to somebody else', () => {
    const self = mixAt(layers, 2)
    expect(at(self, mixAt(layers, 0))).toEqual(due(0))
    expect(at(self, mixAt(layers, 2, 1))).toEqual(due(0))
  })

  it('adds the ends of routes for the last layer: replies, and questions to a keeper', () => {
    expect(at(mixAt(layers, 2), mixAt(layers, 3))).toEqual(due(2))
    expect(at(nodeAt('somebody'), mixAt(layers, 3))).toEqual(due(2))
    // Replies begin at the last layer: 48 a slot over 2 · 2 pairs; and its own packets.
    expect(at(mixAt(layers, 0), mixAt(layers, 3))).toEqual(due(48 / 4 + 2 + 1 / 2))
  })

  it('of a mix of several layers is the sum', () => {
    const small: Layers = [layers[0] ?? [], layers[0] ?? [], layers[0] ?? []]
    const both = allowanceOf(mixAt(small, 0), mixAt(small, 0, 1), small, { nodes: 4, slack: 4 })
    expect(both).toEqual(due(8 / 4 + 8 / 4 + 4 / 4 + 2 + 1 / 2))
  })

  it('without any layers is what a keeper or a first mix could expect', () => {
    expect(allowanceOf(peer, nodeAt('self'), [], { nodes: 48, slack: 4 })).toEqual(due(2))
  })
})

describe('an honest neighbour', () => {
  it.each([
    [12, [2, 2, 3, 2], 4],
    [50, [2, 2, 2, 2, 2], '3sigma'],
    [50, [4, 3, 5, 2, 6], '3sigma'],
    [200, [8, 8, 8, 8, 8], '3sigma'],
    [1000, [16, 16, 16, 16, 16], '3sigma'],
  ] as const)(
    'of a network of %i nodes loses less than one frame in 200',
    async (nodes, sizes, slack) => {
      const layers = layersOf(sizes)
      const first = mixAt(layers, 0)
      const own = 1 / sizes[0]
      const loads: [NodeId, NodeId, number][] = [
        [mixAt(layers, 0), mixAt(layers, 1), (2 * nodes) / (sizes[0] * sizes[1])],
        [mixAt(layers, sizes.length - 1), first, nodes / ((sizes.at(-1) ?? 1) * sizes[0]) + own],
        [nodeAt('no mix'), first, own],
      ]
      for (const [from, to, load] of loads) {
        const allowance = allowanceOf(from, to, layers, { nodes, slack })
        expect(await cut(allowance, load, 3_000)).toBeLessThan(0.005)
      }
    },
  )

  it('may be silent for a while and then hand on what it held', async () => {
    const clock = new VirtualClock()
    const quotas = quota(clock, () => ({ burst: 40, perSlot: 1 }))
    await clock.advance(100 * SLOT_MS)
    const taken = Array.from({ length: 60 }, () => quotas.take(peer)).filter(Boolean)
    expect(taken).toHaveLength(40)
  })
})

describe('a flooder', () => {
  it('is held to its allowance, and others do not pay for it', async () => {
    const clock = new VirtualClock()
    const allowance = { burst: 32, perSlot: 1 }
    const quotas = quota(clock, () => allowance)
    const honest = nodeAt('honest')
    let flood = 0
    let fine = 0
    for (let slot = 0; slot < 200; slot++) {
      await clock.advance(SLOT_MS)
      for (let i = 0; i < 100; i++) if (quotas.take(peer)) flood++
      if (quotas.take(honest)) fine++
    }
    expect(flood).toBeLessThanOrEqual(allowance.burst + 200 * allowance.perSlot)
    expect(flood).toBeGreaterThan(200)
    expect(fine).toBe(200)
  })

  it('does not use up memory with ids: the longest quiet one is forgotten', () => {
    const clock = new VirtualClock()
    const quotas = quota(clock, () => ({ burst: 1, perSlot: 1 }))
    const busy = nodeAt('busy')
    expect(quotas.take(busy)).toBe(true)
    for (let thousand = 0; thousand < 5; thousand++) {
      for (let i = 0; i < 1_000; i++) quotas.take(nodeAt(1_000 * thousand + i))
      expect(quotas.take(busy)).toBe(false)
    }
    expect(quotas.size).toBe(QUOTA_PEERS_MAX)
    // It was never quiet for long, so it is still counted.
    expect(quotas.take(busy)).toBe(false)
  })
})

describe('an allowance that changes', () => {
  const big = { burst: 100, perSlot: 10 }
  const small = { burst: 32, perSlot: 1 }

  /** Frames that are taken of 50 in each of the next slots. */
  async function taken(clock: VirtualClock, quotas: NeighbourQuota, slots: number) {
    const counts: number[] = []
    for (let slot = 0; slot < slots; slot++) {
      await clock.advance(SLOT_MS)
      counts.push(Array.from({ length: 50 }, () => quotas.take(peer)).filter(Boolean).length)
    }
    return counts
  }

  it('grows at once and shrinks when what was under way has arrived', async () => {
    const clock = new VirtualClock()
    let due = small
    const quotas = quota(clock, () => due)
    await taken(clock, quotas, 3)
    due = big
    expect(await taken(clock, quotas, 3)).toEqual([10, 10, 10])
    due = small
    const linger = await taken(clock, quotas, LINGER_MS / SLOT_MS - 1)
    expect(new Set(linger)).toEqual(new Set([10]))
    const after = await taken(clock, quotas, 5)
    expect(after.slice(1)).toEqual([1, 1, 1, 1])
  })

  it('lingers from the last time it was due, not from the first', async () => {
    const clock = new VirtualClock()
    let due = big
    const quotas = quota(clock, () => due)
    await taken(clock, quotas, 60)
    due = small
    expect((await taken(clock, quotas, 20)).every((count) => count === 10)).toBe(true)
  })
})
