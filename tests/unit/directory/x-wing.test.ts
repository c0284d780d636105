import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { conflictOf, decodeConflict } from '../../../src/directory/conflict.ts'
import {
  BLAME_POINTS,
  MAX_DESCRIPTOR_BYTES,
  MAX_DIRECTORY_MESSAGE_BYTES,
  MAX_GET_DESCRIPTORS,
  MAX_MIX_KEYS,
  MAX_NOTICE_CONFLICTS,
  MAX_SYNC_ANSWER_BYTES,
  MIX_KEY_BYTES,
} from '../../../src/directory/constants.ts'
import { encodeMessage, MESSAGE_TYPES } from '../../../src/directory/messages.ts'
import {
  decodeItems,
  decodeNotices,
  decodeSyncRequest,
  encodeItems,
  encodeNotices,
} from '../../../src/directory/sync-codec.ts'
import { answerRanges, ItemIndex } from '../../../src/reconcile/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { testDescriptor, testNetwork, testNode } from './fixtures.ts'
import { directoryWorld } from './world.ts'

const network = testNetwork('swift', { suite: 'x-wing' })
const worlds: ReturnType<typeof directoryWorld>[] = []

function xWingWorld() {
  const world = directoryWorld(network)
  worlds.push(world)
  return world
}

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.close()))
})

const keysOf = (index: number, bytes: number = MIX_KEY_BYTES['x-wing']) =>
  Array.from({ length: MAX_MIX_KEYS }, (_, epoch) => ({
    epoch,
    key: seededRng(`key ${index} ${epoch}`).bytes(bytes),
  }))

describe('a network with post-quantum mix keys', () => {
  it('has everybody’s keys everywhere, by gossip and by reconciliation', async () => {
    const { clock, add } = xWingWorld()
    const nodes = []
    for (let i = 0; i < 4; i++) nodes.push(await add(i, { mixKeys: keysOf(i) }))
    await clock.advance(5_000)
    // Nobody says it again for this one.
    nodes.push(await add(4, { mixKeys: keysOf(4) }))
    await clock.advance(5_000)
    for (const { directory } of nodes) {
      for (const [i, { node }] of nodes.entries()) {
        expect(directory.get(node.nodeId)?.mixKeys).toEqual(keysOf(i))
      }
    }
  })

  it('rejects keys of the other suite, and who passes them on', async () => {
    const { clock, net, add } = xWingWorld()
    const { directory, link, node } = await add(0, { mixKeys: keysOf(0) })
    const liar = testNode(66)
    const { bytes } = testDescriptor(network, liar, {
      issuedAt: clock.now(),
      mixKeys: keysOf(66, MIX_KEY_BYTES.x25519),
    })
    net
      .join(liar.nodeId)
      .pubsub.inject(node.nodeId, 'directory', encodeMessage(MESSAGE_TYPES.descriptor, bytes))
    await clock.advance(100)
    expect(directory.get(liar.nodeId)).toBeUndefined()
    expect(link.peers.score(liar.nodeId)).toBeLessThan(0)
  })

  it('blames a peer that offers them when it is asked for its set', async () => {
    const { clock, net, add } = xWingWorld()
    const liar = testNode(66)
    const made = testDescriptor(network, liar, {
      issuedAt: clock.now(),
      mixKeys: keysOf(66, MIX_KEY_BYTES.x25519),
    })
    const index = new ItemIndex()
    index.set(toHex(made.hash), 0)
    const options = { maxRequestBytes: 8_192, maxConcurrentPerPeer: 2 }
    net.join(liar.nodeId).requests.handle('directory/sync', options, async (_peer, payload) => {
      const request = decodeSyncRequest(payload)
      if (request.kind === 'notices') {
        return encodeNotices({ revocation: new Uint8Array(0), conflicts: [] })
      }
      if (request.kind === 'get') return encodeItems([made.bytes])
      if (request.kind === 'farewells') return encodeItems([])
      return answerRanges(request.ranges, index, async () => undefined)
    })
    const { directory, link } = await add(0, { mixKeys: keysOf(0) })
    await clock.advance(2_000)
    expect(directory.get(liar.nodeId)).toBeUndefined()
    expect(link.peers.penalties.get(toHex(liar.nodeId))).toBeGreaterThanOrEqual(BLAME_POINTS)
  })

  it('proves conflicts of such descriptors', () => {
    const [one, two] = [0, 1].map((keepsFromDay) =>
      testDescriptor(network, testNode(3), { mixKeys: keysOf(3), keepsFromDay }),
    )
    const { bytes } = conflictOf(one!, two!)!
    expect(bytes.length + 1).toBeLessThanOrEqual(MAX_DIRECTORY_MESSAGE_BYTES)
    expect(decodeConflict(bytes, network).bytes).toEqual(bytes)
  })
})

describe('the largest answers of a reconciliation', () => {
  const largest = new Uint8Array(MAX_DESCRIPTOR_BYTES)
  const conflict = new Uint8Array(4 + 2 * MAX_DESCRIPTOR_BYTES)

  it('fit the frame that is asked for', () => {
    const descriptors = encodeItems(Array(MAX_GET_DESCRIPTORS).fill(largest))
    expect(descriptors.length).toBeLessThanOrEqual(MAX_SYNC_ANSWER_BYTES)
    expect(decodeItems(descriptors, MAX_GET_DESCRIPTORS, MAX_DESCRIPTOR_BYTES)).toHaveLength(
      MAX_GET_DESCRIPTORS,
    )
    const notices = encodeNotices({
      revocation: new Uint8Array(MAX_DIRECTORY_MESSAGE_BYTES),
      conflicts: Array(MAX_NOTICE_CONFLICTS).fill(conflict),
    })
    expect(notices).toHaveLength(MAX_SYNC_ANSWER_BYTES)
    expect(decodeNotices(notices).conflicts).toHaveLength(MAX_NOTICE_CONFLICTS)
  })

  it('are no larger than that', () => {
    const many = encodeItems(Array(MAX_GET_DESCRIPTORS + 1).fill(new Uint8Array(1)))
    expect(() => decodeItems(many, MAX_GET_DESCRIPTORS, MAX_DESCRIPTOR_BYTES)).toThrow('malformed')
    const long = encodeItems([new Uint8Array(MAX_DESCRIPTOR_BYTES + 1)])
    expect(() => decodeItems(long, 1, MAX_DESCRIPTOR_BYTES)).toThrow('longer')
  })
})
