import { afterEach, describe, expect, it } from 'vitest'
import { type NodeId, silentLogger } from '../../../src/base/index.ts'
import { Directory, type DescriptorContent } from '../../../src/directory/index.ts'
import { decodeKeyConflict, KeyLedger, keyConflictOf } from '../../../src/directory/key-ledger.ts'
import { encodeMessage, MESSAGE_TYPES } from '../../../src/directory/messages.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { errorCode } from '../../support/outcome.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { T0, testDescriptor, testNetwork, testNode } from './fixtures.ts'

const network = testNetwork()
const mallory = testNode(66)
const keyOf = (fill: number) => new Uint8Array(32).fill(fill)

/** A descriptor of Mallory with these keys, by key epoch. */
function named(
  keys: Record<number, number>,
  sequence: number,
  more: Partial<DescriptorContent> = {},
) {
  const mixKeys = Object.entries(keys).map(([epoch, fill]) => ({
    epoch: Number(epoch),
    key: keyOf(fill),
  }))
  return testDescriptor(network, mallory, { mixKeys, sequence, ...more })
}

describe('keys of a mix', () => {
  it('are those that were heard first, whatever later descriptors say', () => {
    const ledger = new KeyLedger(() => 0)
    expect(ledger.note(named({ 0: 1, 1: 2 }, 1))).toBeUndefined()
    expect(ledger.note(named({ 0: 1, 1: 2, 2: 3 }, 2))).toBeUndefined()
    const conflict = ledger.note(named({ 0: 9, 1: 2 }, 3))
    expect(conflict?.epochs).toEqual([0])
    expect(ledger.keyOf(mallory.nodeId, 0)).toEqual(keyOf(1))
    expect(ledger.keyOf(mallory.nodeId, 2)).toEqual(keyOf(3))
  })

  it('are used by nobody for the epochs in dispute, and for those alone', () => {
    const ledger = new KeyLedger(() => 0)
    ledger.note(named({ 0: 1, 1: 2 }, 1))
    const conflict = ledger.note(named({ 0: 9, 1: 2 }, 3))!
    expect(ledger.refuse(conflict)).toBe(true)
    expect(ledger.refuse(conflict)).toBe(false)
    expect(ledger.keyOf(mallory.nodeId, 0)).toBeUndefined()
    expect(ledger.keyOf(mallory.nodeId, 1)).toEqual(keyOf(2))
  })

  it('are forgotten with their epochs, and not taken long before', () => {
    let now = 0
    const ledger = new KeyLedger(() => now)
    ledger.note(named({ 0: 1, 9: 2 }, 1))
    expect(ledger.keyOf(mallory.nodeId, 9)).toBeUndefined()
    now = 5
    ledger.note(named({ 5: 3 }, 2))
    expect(ledger.keyOf(mallory.nodeId, 0)).toBeUndefined()
    // An innocent change long afterwards proves nothing about what is used now.
    expect(ledger.note(named({ 0: 8, 5: 3 }, 3))).toBeUndefined()
  })

  it('are in no dispute between descriptors of two nodes', () => {
    const other = testDescriptor(network, testNode(5), { mixKeys: [{ epoch: 0, key: keyOf(4) }] })
    expect(keyConflictOf(named({ 0: 1 }, 1), other)).toBeUndefined()
  })
})

describe('a proof of two keys', () => {
  const proof = keyConflictOf(named({ 0: 1 }, 1), named({ 0: 2 }, 2))!

  it('is one for both orders, and strict', () => {
    expect(keyConflictOf(named({ 0: 2 }, 2), named({ 0: 1 }, 1))?.bytes).toEqual(proof.bytes)
    expect(decodeKeyConflict(proof.bytes, network)).toEqual(proof)
    const spoilt = [proof.bytes.subarray(1), Uint8Array.of(...proof.bytes, 0)]
    for (let at = 0; at < proof.bytes.length; at += 7) {
      spoilt.push(proof.bytes.with(at, proof.bytes[at]! ^ 1))
    }
    for (const bytes of spoilt) {
      expect(errorCode(() => decodeKeyConflict(bytes, network))).not.toBe('none')
    }
  })

  it('convicts nobody in another network, and nobody who was never admitted', () => {
    expect(errorCode(() => decodeKeyConflict(proof.bytes, testNetwork('lab')))).toBe('bad-value')
    const closed = testNetwork('balanced')
    const [one, two] = [1, 2].map((fill) =>
      testDescriptor(closed, mallory, { mixKeys: [{ epoch: 0, key: keyOf(fill) }] }),
    )
    const { bytes } = keyConflictOf(one!, two!)!
    expect(() => decodeKeyConflict(bytes, closed)).toThrow('never admitted')
  })

  it('needs two different keys for one epoch', () => {
    expect(keyConflictOf(named({ 0: 1 }, 1), named({ 0: 1, 1: 7 }, 2))).toBeUndefined()
  })
})

describe('a mix that gives one node keys of its own', () => {
  const running: Directory[] = []

  afterEach(async () => {
    await Promise.all(running.splice(0).map((directory) => directory.stop()))
  })

  async function nodes(count: number) {
    const clock = new VirtualClock(T0 + 1_000)
    const net = new MemoryNetwork({ clock, rng: seededRng(9) })
    const directories: Directory[] = []
    const ids: NodeId[] = []
    for (let index = 0; index < count; index++) {
      const node = testNode(index)
      const rng = seededRng(`node ${index}`)
      const store = await openMemoryStore({ clock, rng, log: silentLogger })
      const link = net.join(node.nodeId)
      const { pubsub, requests, peers } = link
      const self = {
        addresses: [`/ip4/127.${index}.0.1/tcp/4001`],
        reachable: true,
        keepsFromDay: 0,
        mixKeys: [],
        requestKey: keyOf(index),
      }
      const directory = new Directory(
        { pubsub, requests, peers, store, clock, rng, log: silentLogger, sign: node.sign },
        { network, nodeId: node.nodeId, self },
      )
      await directory.start()
      running.push(directory)
      directories.push(directory)
      ids.push(node.nodeId)
    }
    const attacker = net.join(mallory.nodeId)
    const tell = async (index: number, descriptor: { bytes: Uint8Array }) => {
      const message = encodeMessage(MESSAGE_TYPES.descriptor, descriptor.bytes)
      attacker.pubsub.inject(ids[index]!, 'directory', message)
      await clock.advance(1_000)
    }
    return { clock, net, directories, tell, ids }
  }

  it('is used by nobody in that epoch as soon as both have been heard anywhere', async () => {
    const { clock, directories, tell } = await nodes(5)
    await tell(0, named({ 0: 1 }, T0))
    expect(directories.map((each) => each.mixKey(mallory.nodeId, 0))).toEqual(
      directories.map(() => keyOf(1)),
    )
    // The later number would replace the descriptor; the key stays, and the attempt is proved to all.
    await tell(3, named({ 0: 2 }, T0 + 5, { issuedAt: T0 + 5 }))
    await clock.advance(5_000)
    for (const directory of directories) {
      expect(directory.mixKey(mallory.nodeId, 0)).toBeUndefined()
      expect(directory.isExcluded(mallory.nodeId)).toBe(false)
    }
  })

  it('is caught by an older descriptor too', async () => {
    const { clock, directories, tell, net, ids } = await nodes(3)
    net.setPartition([ids[0]!], ids.slice(1), false)
    await tell(0, named({ 0: 2 }, T0 + 5, { issuedAt: T0 + 5 }))
    await tell(1, named({ 0: 1 }, T0))
    expect(directories[0]!.mixKey(mallory.nodeId, 0)).toEqual(keyOf(2))
    expect(directories[1]!.mixKey(mallory.nodeId, 0)).toEqual(keyOf(1))
    net.setPartition([ids[0]!], ids.slice(1), true)
    await clock.advance(70_000)
    for (const directory of directories) {
      expect(directory.mixKey(mallory.nodeId, 0)).toBeUndefined()
    }
  })
})
