import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger, toHex } from '../../../src/base/index.ts'
import {
  createInvitation,
  createRevocation,
  Directory,
  type Network,
  withInvitation,
} from '../../../src/directory/index.ts'
import { encodeMessage, MESSAGE_TYPES } from '../../../src/directory/messages.ts'
import { memoryDisk, openMemoryStore } from '../../../src/store/index.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { OPERATOR_SEED, T0, testDescriptor, testNetwork, testNode } from './fixtures.ts'

const running: Directory[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((directory) => directory.stop()))
})

async function world(network: Network = testNetwork()) {
  const clock = new VirtualClock(T0 + 1_000)
  const net = new MemoryNetwork({ clock, rng: seededRng(9) })
  const disks = new Map<number, ReturnType<typeof memoryDisk>>()
  const add = async (index: number, joining: Network = network) => {
    const node = testNode(index)
    const disk = disks.get(index) ?? memoryDisk()
    disks.set(index, disk)
    const rng = seededRng(`node ${index}`)
    const store = await openMemoryStore({ clock, rng, log: silentLogger }, { disk })
    const link = net.join(node.nodeId)
    const directory = new Directory(
      {
        store,
        clock,
        rng,
        log: silentLogger,
        pubsub: link.pubsub,
        requests: link.requests,
        peers: link.peers,
        sign: node.sign,
      },
      {
        network: joining,
        nodeId: node.nodeId,
        self: {
          addresses: [`/ip4/127.${index}.0.1/tcp/4001`],
          reachable: true,
          keepsFromDay: 0,
          mixKeys: [],
          requestKey: new Uint8Array(32).fill(index),
        },
      },
    )
    await directory.start()
    running.push(directory)
    return { directory, link, node, store }
  }
  return { clock, net, add, network }
}

const ids = (directory: Directory) =>
  directory
    .nodes()
    .map(({ nodeId }) => toHex(nodeId))
    .toSorted()

describe('directory', () => {
  it('brings every node to every other, also those that came before and after', async () => {
    const { clock, add } = await world()
    const nodes = []
    for (let i = 0; i < 5; i++) {
      nodes.push(await add(i))
      await clock.advance(3_000)
    }
    await clock.advance(10_000)
    for (const { directory } of nodes) {
      expect(ids(directory)).toEqual(ids(nodes[0]!.directory))
      expect(directory.nodes()).toHaveLength(5)
      expect(directory.dialTargets()).toHaveLength(4)
    }
  })

  it('agrees on keepers once the descriptors are known', async () => {
    const { clock, add } = await world()
    const nodes = []
    for (let i = 0; i < 6; i++) nodes.push(await add(i))
    await clock.advance(10_000)
    const address = seededRng(3).bytes(32) as never
    const [first, ...others] = nodes.map(({ directory }) =>
      directory.keepers(address, 20_000).map(toHex),
    )
    expect(first).toHaveLength(3)
    for (const other of others) expect(other).toEqual(first)
  })

  it('sends a change of the own description, several changes in one descriptor', async () => {
    const { clock, add } = await world()
    const [a, b] = [await add(0), await add(1)]
    await clock.advance(10_000)
    const before = b.directory.get(a.node.nodeId)!.sequence
    let changes = 0
    b.directory.onChange(() => changes++)
    a.directory.updateSelf({ keepsFromDay: 5 })
    a.directory.updateSelf({ reachable: false, addresses: [] })
    await clock.advance(2_000)
    const after = b.directory.get(a.node.nodeId)!
    expect(after).toMatchObject({ keepsFromDay: 5, reachable: false })
    expect(after.sequence).toBeGreaterThan(before)
    expect(changes).toBe(1)
    expect(b.directory.dialTargets()).toEqual([])
  })

  it('reconciles what gossip did not bring', async () => {
    const { clock, net, add } = await world()
    const [a, b] = [await add(0), await add(1)]
    net.setLink(a.node.nodeId, b.node.nodeId, false)
    await clock.advance(5_000)
    const c = await add(2)
    net.setLink(b.node.nodeId, c.node.nodeId, false)
    await clock.advance(10_000)
    expect(b.directory.get(c.node.nodeId)).toBeUndefined()
    net.setLink(a.node.nodeId, b.node.nodeId, true)
    await clock.advance(10_000)
    expect(b.directory.get(c.node.nodeId)).toBeDefined()
  })

  it('knows its nodes again after a restart, without any peer', async () => {
    const { clock, net, add } = await world()
    const [a, b] = [await add(0), await add(1)]
    await clock.advance(10_000)
    await b.directory.stop()
    await b.store.close()
    net.setOnline(a.node.nodeId, false)
    await clock.advance(1_000)
    const again = await add(1)
    expect(again.directory.get(a.node.nodeId)).toBeDefined()
  })

  it('keeps a node that is issued again, and drops one that went for four epochs', async () => {
    const { clock, net, add } = await world()
    const [a, b] = [await add(0), await add(1)]
    await clock.advance(5_000)
    await b.directory.stop()
    net.setOnline(b.node.nodeId, false)
    await clock.advance(25 * 60_000)
    expect(ids(a.directory)).toEqual([toHex(a.node.nodeId)])
  })

  it('freezes the same set on every node', async () => {
    const { clock, add } = await world()
    const nodes = []
    for (let i = 0; i < 5; i++) nodes.push(await add(i))
    await clock.advance(11 * 60_000)
    const views = nodes.map(({ directory }) => {
      const set = directory.frozen(2)
      expect(set.frozen).toBe(true)
      return set.nodes.map(({ hash }) => toHex(hash))
    })
    expect(views[0]).toHaveLength(5)
    for (const view of views) expect(view).toEqual(views[0])
  })

  it('gives a newcomer the running epoch’s set, which it could not freeze itself', async () => {
    const { clock, add } = await world()
    const nodes = []
    for (let i = 0; i < 5; i++) nodes.push(await add(i))
    await clock.advance(11 * 60_000)
    const late = await add(9)
    await clock.advance(10_000)
    const expected = nodes[0]!.directory.frozen(2).nodes.map(({ hash }) => toHex(hash))
    expect(late.directory.frozen(2).nodes.map(({ hash }) => toHex(hash))).toEqual(expected)
    expect(nodes[0]!.directory.nodes()).toHaveLength(6)
  })

  it('tells everybody of a node that signed two descriptors under one number', async () => {
    const { clock, net, add, network } = await world()
    const [a, b] = [await add(0), await add(1)]
    const liar = testNode(66)
    const link = net.join(liar.nodeId)
    await clock.advance(5_000)
    const issuedAt = clock.now()
    const one = testDescriptor(network, liar, { issuedAt })
    const two = testDescriptor(network, liar, { issuedAt, keepsFromDay: 1 })
    for (const [to, descriptor] of [
      [a, one],
      [b, two],
    ] as const) {
      link.pubsub.inject(
        to.node.nodeId,
        'directory',
        encodeMessage(MESSAGE_TYPES.descriptor, descriptor.bytes),
      )
    }
    await clock.advance(5_000)
    for (const { directory } of [a, b]) {
      expect(directory.isExcluded(liar.nodeId)).toBe(true)
      expect(directory.nodes()).toHaveLength(2)
    }
    const c = await add(2)
    await clock.advance(10_000)
    expect(c.directory.isExcluded(liar.nodeId)).toBe(true)
  })

  it('rejects and blames garbage, and ignores a node that floods', async () => {
    const { clock, net, add, network } = await world()
    const a = await add(0)
    const liar = testNode(66)
    const link = net.join(liar.nodeId)
    const inject = (bytes: Uint8Array) => link.pubsub.inject(a.node.nodeId, 'directory', bytes)
    inject(Uint8Array.of(9, 9, 9))
    await clock.advance(100)
    expect(a.link.peers.penalties.get(toHex(liar.nodeId))).toBe(10)
    let changes = 0
    a.directory.onChange(() => changes++)
    for (let i = 0; i < 40; i++) {
      const descriptor = testDescriptor(network, liar, { issuedAt: clock.now() + i })
      inject(encodeMessage(MESSAGE_TYPES.descriptor, descriptor.bytes))
      await clock.advance(10)
    }
    expect(changes).toBe(6)
  })

  it('with operator admission needs an invitation once, and a revocation reaches all', async () => {
    const network = testNetwork('balanced')
    const invitation = createInvitation(network, {
      operatorSeed: OPERATOR_SEED,
      now: T0,
      expiresAt: T0 + 100_000,
      maxUses: 5,
      rng: seededRng(8),
    })
    const { clock, add } = await world(withInvitation(network, invitation))
    const [a, b] = [await add(0), await add(1)]
    await expect(add(2, network)).rejects.toMatchObject({ code: 'not-admitted' })
    await clock.advance(200_000)
    await expect(add(3)).rejects.toMatchObject({ code: 'invite-expired' })
    expect(ids(a.directory)).toHaveLength(2)
    await b.directory.stop()
    await b.store.close()
    const again = await add(1, network)
    await clock.advance(5_000)
    expect(again.directory.nodes()).toHaveLength(2)
    const list = createRevocation(network, OPERATOR_SEED, clock.now(), { nodes: [b.node.nodeId] })
    expect(await a.directory.revoke(list)).toBe(true)
    await clock.advance(5_000)
    expect(again.directory.get(b.node.nodeId)).toBeUndefined()
  })
})
