import { afterEach, describe, expect, it } from 'vitest'
import { type NodeId, toHex } from '../../../src/base/index.ts'
import {
  CLOCK_TOLERANCE_MS,
  HEARTBEAT_MIN_MS,
  HEARTBEATS_MISSED,
} from '../../../src/directory/constants.ts'
import { encodeHeartbeat } from '../../../src/directory/heartbeat.ts'
import type { Directory } from '../../../src/directory/index.ts'
import { encodeMessage, MESSAGE_TYPES } from '../../../src/directory/messages.ts'
import { decodeSyncRequest, encodeItems, encodeNotices } from '../../../src/directory/sync-codec.ts'
import { answerRanges, ItemIndex } from '../../../src/reconcile/index.ts'
import { testDescriptor, testNode } from './fixtures.ts'
import { directoryWorld } from './world.ts'

const worlds: ReturnType<typeof directoryWorld>[] = []

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.close()))
})

const PATIENCE_MS = HEARTBEATS_MISSED * HEARTBEAT_MIN_MS
const GOSSIP_MS = 100

/** `count` nodes that have heard each other for a while. */
async function manyNodes(count: number) {
  const world = directoryWorld()
  worlds.push(world)
  const nodes = []
  for (let i = 0; i < count; i++) nodes.push(await world.add(i))
  await world.clock.advance(1.5 * HEARTBEAT_MIN_MS)
  return { ...world, nodes }
}

const view = ({ directory }: { directory: Directory }) =>
  JSON.stringify(
    directory.mixes(directory.epoch).layers.map((layer) => layer.map((mix) => toHex(mix.nodeId))),
  )

const sees = ({ directory }: { directory: Directory }, node: NodeId) =>
  directory
    .mixes(directory.epoch)
    .layers.some((layer) => layer.some((mix) => toHex(mix.nodeId) === toHex(node)))

describe('nodes of one network', () => {
  it('agree on the mixes, and on every change of them', async () => {
    const { clock, net, nodes } = await manyNodes(7)
    const agreed = () => new Set(nodes.slice(0, 5).map(view)).size
    const first = view(nodes[0]!)
    expect(agreed()).toBe(1)
    const { nodeId } = nodes[6]!.node
    expect(nodes.every((node) => sees(node, nodeId))).toBe(true)

    await nodes[6]!.directory.leave()
    await clock.advance(GOSSIP_MS)
    expect(agreed()).toBe(1)
    expect(nodes.slice(0, 6).some((node) => sees(node, nodeId))).toBe(false)

    net.setOnline(nodes[5]!.node.nodeId, false)
    await clock.advance(GOSSIP_MS)
    expect(nodes.slice(0, 5).every((node) => sees(node, nodes[5]!.node.nodeId))).toBe(true)
    await clock.advance(PATIENCE_MS + GOSSIP_MS)
    expect(nodes.slice(0, 5).some((node) => sees(node, nodes[5]!.node.nodeId))).toBe(false)
    expect(agreed()).toBe(1)

    net.setOnline(nodes[5]!.node.nodeId, true)
    await clock.advance(2 * HEARTBEAT_MIN_MS)
    expect(nodes.slice(0, 5).every((node) => sees(node, nodes[5]!.node.nodeId))).toBe(true)
    expect(agreed()).toBe(1)
    expect(view(nodes[0]!)).not.toBe(first)
  })

  it('that are cut in two go on with those who are left, and together again when they meet', async () => {
    const { clock, net, nodes } = await manyNodes(6)
    const before = view(nodes[0]!)
    const ids = nodes.map(({ node }) => node.nodeId)
    net.setPartition(ids.slice(0, 3), ids.slice(3), false)
    await clock.advance(PATIENCE_MS + 2 * HEARTBEAT_MIN_MS)
    const [left, right] = [nodes.slice(0, 3).map(view), nodes.slice(3).map(view)]
    expect([new Set(left).size, new Set(right).size]).toEqual([1, 1])
    expect(left[0]).not.toBe(right[0])
    expect(nodes.slice(0, 3).some((node) => sees(node, ids[5]!))).toBe(false)
    net.setPartition(ids.slice(0, 3), ids.slice(3), true)
    await clock.advance(2 * HEARTBEAT_MIN_MS)
    expect(new Set(nodes.map(view))).toEqual(new Set([before]))
  })

  it('take as courier whom any of them may see as one', async () => {
    const { clock, nodes } = await manyNodes(7)
    const couriers = (at: number) => {
      const { directory } = nodes[at]!
      return directory.couriers(directory.epoch)
    }
    const last = nodes[0]!.directory.mixes(nodes[0]!.directory.epoch).layers.at(-1)!
    const gone = nodes.find(({ node }) => toHex(node.nodeId) === toHex(last[0]!.nodeId))!
    await gone.directory.leave()
    await clock.advance(GOSSIP_MS)
    for (const at of [0, 1, 2]) {
      const { directory } = nodes[at]!
      if (directory === gone.directory) continue
      const now = directory.mixes(directory.epoch).layers.at(-1)!
      for (const { nodeId } of [...now, ...last]) expect(couriers(at).has(nodeId)).toBe(true)
    }
  })

  it('tell one that comes who has left', async () => {
    const { add, clock, nodes } = await manyNodes(6)
    const { nodeId } = nodes[5]!.node
    await nodes[5]!.directory.leave()
    await clock.advance(30_000)
    // One that never heard the farewell: without the others it would draw routes over the node for 30 s.
    const late = await add(6)
    await clock.advance(2_000)
    expect(sees(late, nodeId)).toBe(false)
    expect(nodes.slice(0, 5).every(({ node }) => sees(late, node.nodeId))).toBe(true)
  })

  it('are not left by one for a newcomer alone, when a peer tells it what the others have outlived', async () => {
    const { add, clock, net, network, nodes } = await manyNodes(5)
    await clock.advance(60_000)
    const { nodeId, sign } = nodes[4]!.node
    const said = { nodeId, isLeaving: true, at: clock.now() - 40_000 }
    const farewell = encodeHeartbeat(network.id, said, sign)
    const options = { maxRequestBytes: 8_192, maxConcurrentPerPeer: 2 }
    let told = 0
    const liar = net.join(testNode(66).nodeId)
    liar.requests.handle('directory/sync', options, async (_peer, payload) => {
      const request = decodeSyncRequest(payload)
      if (request.kind === 'notices') {
        return encodeNotices({ revocation: new Uint8Array(0), conflicts: [] })
      }
      if (request.kind === 'ranges') {
        return answerRanges(request.ranges, new ItemIndex(), async () => undefined)
      }
      if (request.kind === 'get') return encodeItems([])
      told++
      return encodeItems([farewell])
    })
    const late = await add(6)
    const seen = []
    // Its next heartbeat mends it: each moment counts.
    for (let ms = 0; ms < 2_000; ms += 50) {
      await clock.advance(50)
      seen.push([...nodes, late].every((node) => sees(node, nodeId)))
    }
    expect(told).toBeGreaterThan(0)
    expect(seen).toEqual(seen.map(() => true))
  })

  it('do not count one that others cannot dial', async () => {
    const { clock, add, nodes } = await manyNodes(3)
    const hidden = await add(20, { reachable: false, addresses: [] })
    await clock.advance(2 * PATIENCE_MS)
    expect([...nodes, hidden].some((each) => sees(each, hidden.node.nodeId))).toBe(false)
  })
})

describe('a malicious mix', () => {
  const setUp = async () => {
    const made = await manyNodes(3)
    const liar = testNode(66)
    const link = made.net.join(liar.nodeId)
    const inject = (to: number, type: 1 | 4, bytes: Uint8Array) =>
      link.pubsub.inject(made.nodes[to]!.node.nodeId, 'directory', encodeMessage(type, bytes))
    const beat = (at: number) =>
      encodeHeartbeat(
        made.network.id,
        { nodeId: liar.nodeId, isLeaving: false, at: Math.floor(at) },
        liar.sign,
      )
    const describe = (reachable: boolean) =>
      testDescriptor(made.network, liar, {
        issuedAt: made.clock.now(),
        reachable,
        addresses: reachable ? ['/ip4/127.66.0.1/tcp/1'] : [],
      }).bytes
    const seen = () => made.nodes.map((node) => sees(node, liar.nodeId))
    inject(0, MESSAGE_TYPES.descriptor, describe(true))
    await made.clock.advance(GOSSIP_MS)
    return { ...made, link, inject, beat, describe, seen }
  }

  it('that tells some of itself before its time is not here for the others alone', async () => {
    const { clock, inject, beat, seen } = await setUp()
    await clock.advance(PATIENCE_MS)
    expect(seen()).toEqual(Array(3).fill(false))
    const ahead = beat(clock.now() + CLOCK_TOLERANCE_MS + 2_000)
    for (const at of [1, 2]) inject(at, MESSAGE_TYPES.heartbeat, ahead)
    await clock.advance(2_000)
    expect(seen()).toEqual(Array(3).fill(false))
    inject(0, MESSAGE_TYPES.heartbeat, ahead)
    await clock.advance(GOSSIP_MS)
    expect(seen()).toEqual(Array(3).fill(true))
  })

  it('is heard or not by the frozen set, not by what it last said of itself', async () => {
    const { clock, inject, beat, describe: said, seen } = await setUp()
    await clock.advance(11 * 60_000)
    inject(0, MESSAGE_TYPES.descriptor, said(false))
    await clock.advance(GOSSIP_MS)
    const bytes = beat(clock.now())
    inject(1, MESSAGE_TYPES.heartbeat, bytes)
    await clock.advance(GOSSIP_MS)
    expect(seen()).toEqual(Array(3).fill(true))
  })

  it('cannot be here by what others say of it, nor make an honest one leave', async () => {
    const { clock, network, nodes, inject, seen, link } = await setUp()
    await clock.advance(PATIENCE_MS)
    const stranger = testNode(67)
    const victim = nodes[2]!.node
    const forge = (nodeId: NodeId, isLeaving: boolean) =>
      encodeHeartbeat(network.id, { nodeId, isLeaving, at: clock.now() }, stranger.sign)
    inject(0, MESSAGE_TYPES.heartbeat, forge(testNode(66).nodeId, false))
    inject(0, MESSAGE_TYPES.heartbeat, forge(victim.nodeId, true))
    inject(0, MESSAGE_TYPES.heartbeat, Uint8Array.of(1, 2, 3))
    await clock.advance(GOSSIP_MS)
    expect(seen()).toEqual(Array(3).fill(false))
    expect(nodes.every((node) => sees(node, victim.nodeId))).toBe(true)
    // Two rejected, and one that is no heartbeat at all.
    expect(nodes[0]!.link.peers.score(link.nodeId)).toBeLessThan(-10)
    expect(nodes[1]!.link.peers.score(link.nodeId)).toBeCloseTo(0)
  })
})
