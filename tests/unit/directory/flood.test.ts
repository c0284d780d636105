import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, silentLogger, toHex } from '../../../src/base/index.ts'
import { Directory, type DescriptorContent } from '../../../src/directory/index.ts'
import { conflictOf, decodeConflict } from '../../../src/directory/conflict.ts'
import { FrozenSets } from '../../../src/directory/frozen-sets.ts'
import { encodeMessage, MESSAGE_TYPES } from '../../../src/directory/messages.ts'
import { NodeTable } from '../../../src/directory/node-table.ts'
import { encodeSyncRequest } from '../../../src/directory/sync-codec.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { SleepyClock } from '../../support/sleepy-clock.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { T0, testDescriptor, testNetwork, testNode } from './fixtures.ts'

const network = testNetwork()
const running: Directory[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((directory) => directory.stop()))
})

async function world() {
  const clock = new VirtualClock(T0 + 1_000)
  const net = new MemoryNetwork({ clock, rng: seededRng(9) })
  const add = async (index: number, own: Clock = clock) => {
    const node = testNode(index)
    const rng = seededRng(`node ${index}`)
    const store = await openMemoryStore({ clock, rng, log: silentLogger })
    const link = net.join(node.nodeId)
    const directory = new Directory(
      {
        pubsub: link.pubsub,
        requests: link.requests,
        peers: link.peers,
        store,
        clock: own,
        rng,
        log: silentLogger,
        sign: node.sign,
      },
      {
        network,
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
    return { directory, link, node }
  }
  const victim = await add(0)
  const attacker = net.join(testNode(66).nodeId)
  const inject = (type: (typeof MESSAGE_TYPES)[keyof typeof MESSAGE_TYPES], bytes: Uint8Array) =>
    attacker.pubsub.inject(victim.node.nodeId, 'directory', encodeMessage(type, bytes))
  return { clock, net, add, victim, attacker, inject }
}

/** Timers of a real machine count whole milliseconds; to those of SleepyClock a rounding error would be another turn. */
function wholeTimers(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimer: (ms, fn) => clock.setTimer(Math.ceil(ms), fn),
    sleep: (ms, signal) => clock.sleep(Math.ceil(ms), signal),
  }
}

const describeNode = (index: number, changes: Partial<DescriptorContent> = {}) =>
  testDescriptor(network, testNode(index), changes)

const conflictAt = (index: number, issuedAt: number) =>
  conflictOf(describeNode(index, { issuedAt }), describeNode(index, { issuedAt, keepsFromDay: 1 }))!

describe('a flooder of the directory', () => {
  it('leaves nothing behind by asking for the sets of epochs that are not held', () => {
    const sets = new FrozenSets(network, new NodeTable(network))
    // The array is the key of an index that is as large as one of many nodes.
    expect(sets.stored(1_000)).toBe(sets.stored(2_000))
  })

  it('is refused when it asks for more ranges than a session needs', async () => {
    const { clock, victim, attacker } = await world()
    const ask = () =>
      attacker.requests.request(
        victim.node.nodeId,
        'directory/sync',
        encodeSyncRequest({ kind: 'notices', revokedAt: 0, excluded: [] }),
        { maxResponseBytes: 4_096, timeoutMs: 30_000 },
      )
    let refused = 0
    for (let i = 0; i < 400; i++) {
      const pair = Promise.all([ask(), ask()]).catch(() => refused++)
      await clock.advance(20)
      await Promise.race([pair, Promise.resolve()])
    }
    await clock.advance(60_000)
    expect(refused).toBeGreaterThan(0)
  })

  it('cannot convict keys that were never admitted', () => {
    const closed = testNetwork('balanced')
    const [one, two] = [0, 1].map((keepsFromDay) =>
      testDescriptor(closed, testNode(5), { keepsFromDay }),
    )
    expect(() => decodeConflict(conflictOf(one!, two!)!.bytes, closed)).toThrow('never admitted')
  })

  it('cannot fill the list of excluded nodes with fresh keys', async () => {
    const { clock, victim, inject } = await world()
    for (let i = 0; i < 40; i++) inject(MESSAGE_TYPES.conflict, conflictAt(100 + i, T0).bytes)
    await clock.advance(1_000)
    const excluded = Array.from({ length: 40 }, (_, i) => testNode(100 + i).nodeId).filter((id) =>
      victim.directory.isExcluded(id),
    )
    expect(excluded).toHaveLength(16)
  })

  it('still cannot hide the conflict of a node that is known', async () => {
    const { clock, add, victim, inject } = await world()
    const { node } = await add(1)
    await clock.advance(5_000)
    for (let i = 0; i < 40; i++) inject(MESSAGE_TYPES.conflict, conflictAt(100 + i, T0).bytes)
    inject(MESSAGE_TYPES.conflict, conflictAt(1, T0).bytes)
    await clock.advance(1_000)
    expect(victim.directory.isExcluded(node.nodeId)).toBe(true)
  })

  it('cannot use up the budget of a node with forged or old descriptors of it', async () => {
    const { clock, victim, inject } = await world()
    const first = describeNode(7, { issuedAt: clock.now() - 10 })
    inject(MESSAGE_TYPES.descriptor, first.bytes)
    for (let i = 0; i < 20; i++) {
      const old = describeNode(7, { issuedAt: clock.now() - 100 - i })
      inject(MESSAGE_TYPES.descriptor, old.bytes)
      const forged = describeNode(7, { issuedAt: clock.now() + i }).bytes.slice()
      forged[forged.length - 1]! ^= 1
      inject(MESSAGE_TYPES.descriptor, forged)
    }
    await clock.advance(100)
    const genuine = describeNode(7, { issuedAt: clock.now() })
    inject(MESSAGE_TYPES.descriptor, genuine.bytes)
    await clock.advance(100)
    expect(victim.directory.get(testNode(7).nodeId)?.sequence).toBe(genuine.sequence)
  })

  it('cannot bring fresh budgets with fresh keys', async () => {
    const { clock, victim, inject } = await world()
    for (let i = 0; i < 300; i++) {
      inject(MESSAGE_TYPES.descriptor, describeNode(100 + i, { issuedAt: T0 }).bytes)
    }
    await clock.advance(500)
    expect(victim.directory.nodes().length).toBeLessThan(262)
  })

  it('pays for a stream of what is no news', async () => {
    const { clock, victim, attacker, inject } = await world()
    const newest = describeNode(7, { issuedAt: clock.now() })
    inject(MESSAGE_TYPES.descriptor, newest.bytes)
    for (let i = 0; i < 800; i++) {
      inject(MESSAGE_TYPES.descriptor, describeNode(7, { issuedAt: T0 + i }).bytes)
    }
    await clock.advance(100)
    expect(victim.link.peers.penalties.get(toHex(attacker.nodeId)) ?? 0).toBeGreaterThan(100)
  })
})

describe('a machine that slept through several epochs', () => {
  it('has the running set again and is in the directory again', async () => {
    const { clock, net, add } = await world()
    const others = []
    for (let i = 1; i < 4; i++) others.push(await add(i))
    const own = new SleepyClock(wholeTimers(clock))
    const { directory: sleeper, node } = await add(9, own)
    await clock.advance(11 * 60_000)
    net.setOnline(node.nodeId, false)
    own.suspend()
    await clock.advance(26 * 60_000)
    net.setOnline(node.nodeId, true)
    own.resume()
    await clock.advance(45_000)
    const { epoch } = sleeper
    const hashes = (directory: Directory) =>
      directory.frozen(epoch).nodes.map(({ hash }) => toHex(hash))
    expect(hashes(sleeper)).toEqual(hashes(others[0]!.directory))
    for (const { directory } of others) expect(directory.get(node.nodeId)).toBeDefined()
    expect(sleeper.nodes()).toHaveLength(5)
  })
})
