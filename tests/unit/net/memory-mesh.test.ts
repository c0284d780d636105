import { describe, expect, it } from 'vitest'
import { asNodeId } from '../../../src/base/index.ts'
import { MESH_DEGREE, MESH_DEGREE_HIGH, MESH_DEGREE_LOW } from '../../../src/net/constants.ts'
import { MemoryNetwork, type MemoryNode } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { sha256 } from '../../support/test-nets.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const TOPIC = 'test'
const NODES = 12

/** A network that has had time for its meshes, and when each node hears a message. */
async function networkOf(meshDegree: number) {
  const clock = new VirtualClock()
  const ports = { clock, rng: seededRng('mesh') }
  const air = new MemoryNetwork(ports, { latencyMs: [1, 5], meshDegree })
  const heardAt = new Map<string, number>()
  const nodes = Array.from({ length: NODES }, (_, i) => {
    const node = air.join(asNodeId(sha256(Uint8Array.of(i))))
    const handle = (): void => void heardAt.set(node.key, clock.monotonic())
    node.pubsub.subscribe(TOPIC, { validate: () => 'accept', messageId: sha256, handle })
    return node
  })
  await clock.advance(3_000)
  /** How long after its publication the others hear one, in milliseconds. */
  const publish = async (from: MemoryNode): Promise<number[]> => {
    heardAt.clear()
    const at = clock.monotonic()
    await from.pubsub.publish(TOPIC, Uint8Array.of(at % 256))
    await clock.advance(10_000)
    return [...heardAt.values()].map((ms) => ms - at)
  }
  return { clock, air, nodes, publish }
}

const sizes = (nodes: readonly MemoryNode[]): number[] =>
  nodes.map(({ pubsub }) => pubsub.meshPeers(TOPIC))

describe('the mesh of the in-memory network', () => {
  it('has as many links a node as that of gossipsub, and carries every message', async () => {
    const { nodes, publish } = await networkOf(MESH_DEGREE)
    for (const size of sizes(nodes)) {
      expect(size).toBeGreaterThanOrEqual(MESH_DEGREE_LOW)
      expect(size).toBeLessThanOrEqual(MESH_DEGREE_HIGH)
    }
    for (const node of nodes) {
      const times = await publish(node)
      expect(times).toHaveLength(NODES - 1)
      expect(Math.max(...times)).toBeLessThan(30)
    }
  })

  it('is filled up when links go', async () => {
    const { air, clock, nodes, publish } = await networkOf(MESH_DEGREE)
    const [first, ...others] = nodes
    if (first === undefined) throw new Error('no nodes')
    for (const { nodeId } of others.slice(0, 5)) air.setLink(first.nodeId, nodeId, false)
    await clock.advance(2_000)
    expect(first.pubsub.meshPeers(TOPIC)).toBeGreaterThanOrEqual(MESH_DEGREE_LOW)
    expect(await publish(first)).toHaveLength(NODES - 1)
  })

  it('takes in a node that comes back', async () => {
    const { air, clock, nodes } = await networkOf(MESH_DEGREE)
    const [first] = nodes
    if (first === undefined) throw new Error('no nodes')
    air.setOnline(first.nodeId, false)
    await clock.advance(2_000)
    expect(sizes([first])).toEqual([0])
    air.setOnline(first.nodeId, true)
    await clock.advance(2_000)
    expect(first.pubsub.meshPeers(TOPIC)).toBeGreaterThanOrEqual(MESH_DEGREE_LOW)
  })

  it('tells those who have no such link at the next heartbeats', async () => {
    const { nodes, publish } = await networkOf(1)
    expect(Math.max(...sizes(nodes))).toBeLessThanOrEqual(2)
    const times = await publish(nodes[0] as MemoryNode)
    expect(times).toHaveLength(NODES - 1)
    // So sparse a mesh is in parts: by its links alone nobody would hear after so long.
    expect(Math.max(...times)).toBeGreaterThan(NODES * 5)
    expect(Math.max(...times)).toBeLessThan(5_000)
  })
})
