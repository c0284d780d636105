import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { decodePublication } from '../../../src/gossip/index.ts'
import { boxHash, parseBox } from '../../../src/stream/index.ts'
import { copiedDisk } from '../../support/copied-disk.ts'
import { resetAddresses } from '../../support/reset-addresses.ts'
import { World, type WorldNode } from '../../support/world.ts'

const running: World[] = []
afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Everything that any courier published: which boxes each address and each counter of a courier carried. */
function published(world: World) {
  const byAddress = new Map<string, Set<string>>()
  const byCounter = new Map<string, Set<string>>()
  const note = (map: Map<string, Set<string>>, key: string, value: string) =>
    map.set(key, (map.get(key) ?? new Set()).add(value))
  world.air.tap(({ kind, name, bytes }) => {
    if (kind !== 'gossip' || name !== world.topic) return
    const { box, courier, epoch, counter } = decodePublication(bytes)
    const hash = toHex(boxHash(box))
    note(byAddress, toHex(parseBox(box).address), hash)
    note(byCounter, `${toHex(courier)}/${epoch}/${counter}`, hash)
  })
  const twice = (map: Map<string, Set<string>>) =>
    [...map].filter(([, boxes]) => boxes.size > 1).map(([key]) => key)
  return {
    size: () => byAddress.size,
    addresses: () => twice(byAddress),
    counters: () => twice(byCounter),
  }
}

/** A text each way, until both are there. */
async function talk(world: World, a: WorldNode, b: WorldNode, text: string): Promise<void> {
  await a.send(b.name, `${text} of ${a.name}`)
  await b.send(a.name, `${text} of ${b.name}`)
  const isThere = async (from: WorldNode, to: WorldNode) =>
    (await to.received()).includes(`${text} of ${from.name}`)
  await world.until(text, async () => (await isThere(a, b)) && (await isThere(b, a)), 600_000)
}

describe('a whole node whose home was restored from an old copy', () => {
  it('comes back as a new device: nothing is lost, told twice or used twice', async () => {
    const world = await World.of(['alice', 'bob', 'carol'], { seed: 'restored' })
    running.push(world)
    const seen = published(world)
    const [alice, bob] = world.nodes as [WorldNode, WorldNode]
    await world.befriend(alice, bob)
    await talk(world, alice, bob, 'before')
    const copy = await copiedDisk(alice.disk)
    await talk(world, alice, bob, 'known no more')
    await alice.stop()
    await bob.send('alice', 'meanwhile')
    await world.run(5_000)
    await alice.restore(copy)
    expect(alice.phase('bob')).toBe('recovering')
    expect(alice.session.mix.hasKey).toBe(false)
    await talk(world, alice, bob, 'after')
    const quiet = () => [alice, bob].every((n) => n.session.conversations.depth().queued === 0)
    await world.until('all is acknowledged', quiet)
    const texts = (name: string) =>
      ['before', 'known no more', 'after'].map((t) => `${t} of ${name}`)
    expect((await bob.received()).toSorted()).toEqual(texts('alice').toSorted())
    expect((await alice.received()).toSorted()).toEqual([...texts('bob'), 'meanwhile'].toSorted())
    expect(seen.size()).toBeGreaterThan(100)
    expect(seen.counters()).toEqual([])
    const salted = new Set<string>()
    for (const { store } of [alice, bob]) {
      const places = await resetAddresses(store, world.network.id, world.clock.now())
      for (const address of places) salted.add(address)
    }
    expect(seen.addresses().filter((address) => !salted.has(address))).toEqual([])
    expect(bob.session.directory.isExcluded(alice.nodeId)).toBe(false)
  })
})
