import { describe, expect, it } from 'vitest'
import { type NodeId, toHex } from '../../../src/base/index.ts'
import { MIN_MIXES_PER_LAYER } from '../../../src/directory/constants.ts'
import type { Descriptor } from '../../../src/directory/index.ts'
import { MixElection } from '../../../src/directory/mix-layers.ts'
import { testDescriptor, testNetwork, testNode } from './fixtures.ts'

const network = testNetwork('balanced')
const nodes = Array.from({ length: 120 }, (_, i) => testDescriptor(network, testNode(i)))
const EPOCH = 40

function setUp(count = nodes.length) {
  const state = { epoch: EPOCH, version: 1, nodes: nodes.slice(0, count) as Descriptor[] }
  const away = new Set<string>()
  const asked: number[] = []
  const election = new MixElection(
    {
      liveness: { isAlive: (node) => !away.has(node) },
      epoch: () => state.epoch,
      frozen: (epoch) => {
        asked.push(epoch)
        return { epoch, frozen: true, nodes: state.nodes, version: state.version }
      },
    },
    network,
  )
  const leave = (...gone: readonly { nodeId: NodeId }[]) => {
    for (const { nodeId } of gone) away.add(toHex(nodeId))
  }
  const last = () => election.get(state.epoch).layers.at(-1)!
  return { election, state, away, asked, leave, last }
}

const idsOf = (layers: readonly (readonly { nodeId: NodeId }[])[]) =>
  layers.map((layer) => layer.map(({ nodeId }) => toHex(nodeId)))

describe('the mixes of an epoch', () => {
  it('are one object until the set changes, or who is here', () => {
    const { election, state, away, leave, last } = setUp()
    const first = election.get(EPOCH)
    expect(election.get(EPOCH)).toBe(first)
    const [gone] = last()
    leave(gone!)
    const second = election.get(EPOCH)
    expect(second).not.toBe(first)
    expect(election.get(EPOCH)).toBe(second)
    away.clear()
    expect(idsOf(election.get(EPOCH).layers)).toEqual(idsOf(first.layers))
    const third = election.get(EPOCH)
    state.version++
    expect(election.get(EPOCH)).not.toBe(third)
  })

  it('are the same in whatever order nodes left', () => {
    const [one, two] = [setUp(), setUp()]
    const gone = [...one.last().slice(0, 2), nodes[3]!, nodes[60]!]
    for (const node of gone) {
      one.leave(node)
      one.election.get(EPOCH)
    }
    two.leave(...gone.toReversed())
    expect(idsOf(one.election.get(EPOCH).layers)).toEqual(idsOf(two.election.get(EPOCH).layers))
  })

  it('are none that others cannot dial', () => {
    const { election, state } = setUp()
    state.nodes = nodes.map((node, i) => (i % 3 === 0 ? node : { ...node, reachable: false }))
    const seated = new Set(idsOf(election.get(EPOCH).layers).flat())
    expect(seated.size).toBeGreaterThan(0)
    const hidden = nodes.filter((_, i) => i % 3 !== 0)
    expect(hidden.some(({ nodeId }) => seated.has(toHex(nodeId)))).toBe(false)
  })

  it('fill a layer up that loses its own, and leave the others as they are', () => {
    const { election, leave } = setUp()
    const before = election.get(EPOCH).layers
    leave(...before[1]!)
    const after = election.get(EPOCH).layers
    expect(after[1]).toHaveLength(MIN_MIXES_PER_LAYER)
    expect(idsOf(after).filter((_, i) => i !== 1)).toEqual(idsOf(before).filter((_, i) => i !== 1))
    const known = new Set(idsOf(before).flat())
    for (const id of idsOf(after)[1]!) expect(known.has(id)).toBe(false)
  })

  it('are nobody when nobody is here', () => {
    const { election, leave } = setUp()
    leave(...nodes)
    expect(election.get(EPOCH).layers).toEqual([[], [], [], [], []])
  })
})

describe('the couriers of an epoch', () => {
  it('are the last layer, and who would be in it if everybody were here', () => {
    const { election, leave, last } = setUp()
    const all = last()
    leave(all[0]!)
    const couriers = election.couriers(EPOCH)
    expect(all.every(({ nodeId }) => couriers.has(nodeId))).toBe(true)
    expect(couriers.fewest).toBe(all.length - 1)
  })

  it('become more with every change, and share the work of the fewest', () => {
    const { election, away, leave, last } = setUp()
    const seen = new Map<string, NodeId>()
    let fewest = Number.POSITIVE_INFINITY
    const note = () => {
      for (const { nodeId } of last()) seen.set(toHex(nodeId), nodeId)
      fewest = Math.min(fewest, last().length)
    }
    note()
    for (let round = 0; round < 4; round++) {
      leave(...last().slice(round % 2))
      note()
    }
    away.clear()
    note()
    const couriers = election.couriers(EPOCH)
    expect([...seen.values()].every((node) => couriers.has(node))).toBe(true)
    expect(seen.size).toBeGreaterThan(last().length)
    expect(couriers.fewest).toBe(fewest)
    const others = nodes.filter(({ nodeId }) => !seen.has(toHex(nodeId)))
    expect(others.some(({ nodeId }) => couriers.has(nodeId))).toBe(false)
  })

  it('are at least one for a quota, also when nobody is here', () => {
    const { election, leave } = setUp()
    leave(...nodes)
    expect(election.couriers(EPOCH).fewest).toBe(1)
  })
})

describe('epochs that peers name', () => {
  it('have nobody when they are not near, and leave nothing behind', () => {
    const { election, asked, leave, last } = setUp()
    const first = last()[0]!
    leave(first)
    last()
    asked.length = 0
    for (const epoch of [0, EPOCH - 3, EPOCH + 3, 0xffff_ffff]) {
      expect(election.get(epoch).layers).toEqual([[], [], [], [], []])
      expect(election.couriers(epoch).fewest).toBe(0)
      expect(nodes.some(({ nodeId }) => election.couriers(epoch).has(nodeId))).toBe(false)
    }
    expect(asked).toEqual([])
    // What was known of the running one is still known.
    expect(election.couriers(EPOCH).has(first.nodeId)).toBe(true)
  })

  it('are answered for around the running one, each with its own mixes', () => {
    const { election } = setUp()
    const seated = [-2, -1, 0, 1, 2].map((off) => {
      const { epoch, layers } = election.get(EPOCH + off)
      expect(epoch).toBe(EPOCH + off)
      return JSON.stringify(idsOf(layers))
    })
    expect(new Set(seated).size).toBe(5)
  })

  it('are forgotten when their time is over', () => {
    const { election, state, asked } = setUp()
    election.get(EPOCH)
    state.epoch = EPOCH + 3
    election.get(EPOCH + 3)
    asked.length = 0
    expect(election.couriers(EPOCH).fewest).toBe(0)
    expect(asked).toEqual([])
  })
})
