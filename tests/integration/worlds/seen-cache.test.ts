import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { parseBox } from '../../../src/stream/index.ts'
import { PUBLICATION_HEADER_BYTES } from '../../../src/gossip/constants.ts'
import { Courier, garbageBox, nextAddresses } from '../../support/hostile.ts'
import { World, type WorldNode, type WorldOptions } from '../../support/world.ts'

const COUNT = 10
// version 1 | expiry day 4 | address 32
const ADDRESS_AT = PUBLICATION_HEADER_BYTES + 5

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/**
 * Bob, a contact of alice, knows the addresses of her next boxes before anybody. Through mallory's node he
 * sends garbage under the next ten of them to every other node, before she writes.
 */
async function poisoned(options: WorldOptions) {
  const world = await World.of(['alice', 'bob', 'carol', 'dave', 'mallory'], options)
  running.push(world)
  const [alice, bob, carol, dave, mallory] = world.nodes as [
    WorldNode,
    WorldNode,
    WorldNode,
    WorldNode,
    WorldNode,
  ]
  await world.befriend(alice, bob)
  await world.run(5_000)
  const targets = (await nextAddresses(bob, 'alice', world.network)).slice(0, COUNT)
  const rng = world.rng('garbage')
  const courier = new Courier(mallory.seed)
  const attacker = world.air.find(mallory.nodeId)
  const now = world.clock.now()
  for (const address of targets) {
    const box = garbageBox(world.network, address, now, rng)
    const bytes = courier.publish(world.network, box, now)
    for (const victim of [alice, bob, carol, dave]) {
      attacker?.pubsub.inject(victim.nodeId, world.topic, bytes)
    }
  }
  await world.run(1_000)
  // What each honest node accepts from here on under the poisoned addresses.
  const heard = new Map<string, Set<string>>()
  for (const node of [alice, bob, carol, dave]) {
    const mine = new Set<string>()
    heard.set(node.name, mine)
    node.session.gossip.onPublication(({ box }) => {
      const address = toHex(parseBox(box).address)
      if (targets.some((target) => toHex(target) === address)) mine.add(address)
    })
  }
  const texts = Array.from({ length: COUNT }, (_, i) => `text ${i} ${'.'.repeat(1_800)}`)
  for (const text of texts) await alice.send('bob', text)
  await world.run(20_000)
  return {
    world,
    alice,
    bob,
    mallory,
    texts,
    heard,
    counts: [...heard.values()].map((s) => s.size),
  }
}

describe('garbage under the next ten addresses of a stream, sent before the boxes', () => {
  it('keeps none of ten boxes from any node', async () => {
    const { alice, bob, mallory, texts, counts, world } = await poisoned({ seed: 'poison' })
    expect(counts).toEqual([COUNT, COUNT, COUNT, COUNT])
    expect(await bob.received()).toEqual(texts)
    expect(alice.session.gossip.metrics.of('bad-box-signature')).toBe(COUNT)
    // Who sends it is known as a sender of garbage.
    for (const node of world.nodes.filter((each) => each !== mallory)) {
      expect(node.session.net.score(mallory.nodeId)).toBeLessThan(-80)
    }
  })

  it('silences the stream in a network whose message id is the address', async () => {
    const messageId = (_topic: string, message: Uint8Array) =>
      message.slice(ADDRESS_AT, ADDRESS_AT + 32)
    const { heard } = await poisoned({ seed: 'poison', net: { messageId } })
    // A courier hears the box that it brings itself, and nobody hears it from a courier.
    const heardBy = [...heard.values()].flatMap((addresses) => [...addresses])
    expect(heardBy.length).toBeGreaterThan(0)
    expect(new Set(heardBy).size).toBe(heardBy.length)
  })
})
