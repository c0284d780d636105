import { afterEach, describe, expect, it } from 'vitest'
import { asNetworkId, type BoxBytes, equalBytes, toHex } from '../../../src/base/index.ts'
import { epochAt } from '../../../src/directory/index.ts'
import { UNKNOWN_COURIER_QUOTA } from '../../../src/gossip/constants.ts'
import { GRAYLIST_THRESHOLD } from '../../../src/net/index.ts'
import { coverBox } from '../../../src/stream/index.ts'
import { Courier, equivocate, noise } from '../../support/hostile.ts'
import { LogBook, World, type WorldNode, type WorldOptions } from '../../support/world.ts'

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Alice and bob are contacts; mallory is an admitted node, and the attacker. */
async function victims(options: WorldOptions) {
  const log = new LogBook()
  const names = ['alice', 'bob', 'carol', 'dave', 'mallory']
  const world = await World.of(names, { log: (node) => log.logger(node), ...options })
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
  const courier = new Courier(mallory.seed)
  const honest = [alice, bob, carol, dave]
  /** Hands bytes to these nodes as mallory's neighbours. */
  const inject = (bytes: Uint8Array, to: readonly WorldNode[] = honest) => {
    const attacker = world.air.find(mallory.nodeId)
    for (const node of to) attacker?.pubsub.inject(node.nodeId, world.topic, bytes)
  }
  const cover = (purpose: string): BoxBytes => {
    const expiryDay = Math.floor(world.clock.now() / 86_400_000) + 2
    return coverBox({ networkId: world.network.id, expiryDay, rng: world.rng(purpose) })
  }
  return { world, log, alice, bob, carol, dave, mallory, honest, courier, inject, cover }
}

type Here = Awaited<ReturnType<typeof victims>>

/** How often honest nodes passed on each of these messages. */
function forwards({ world, mallory }: Here): Map<string, number> {
  const counts = new Map<string, number>()
  world.air.tap(({ kind, from, bytes }) => {
    if (kind !== 'gossip' || equalBytes(from, mallory.nodeId)) return
    const key = toHex(bytes)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  })
  return counts
}

async function expectAlive({ world, alice, bob, log }: Here, text: string): Promise<void> {
  const id = await alice.send('bob', text)
  await world.until(`"${text}" is delivered`, async () => (await alice.state(id)) === 'delivered')
  expect((await bob.received()).filter((each) => each === text)).toEqual([text])
  expect(log.text('error')).toEqual([])
}

describe('a writer who signs two boxes under one address', () => {
  it.each([
    ['at once', 0],
    ['after the first was read', 3_000],
  ])('makes the contact begin anew with it, and nobody else: %s', async (_when, waitMs) => {
    const here = await victims({ seed: `equivocation ${waitMs}` })
    const { world, alice, carol, mallory, courier, inject } = here
    await world.befriend(mallory, alice)
    await world.run(5_000)
    const now = world.clock.now()
    const rng = world.rng('noise')
    const payloads = [noise(rng), noise(rng), noise(rng)]
    const boxes = await equivocate(mallory, 'alice', world.network, { now, payloads })
    const publications = boxes.map((box) => courier.publish(world.network, box, now))
    const passed = forwards(here)
    for (const bytes of publications) {
      inject(bytes, [carol])
      await world.run(waitMs)
    }
    await world.run(5_000)
    const told = await alice.store.journal.events(0, 500, ['contact.equivocated'])
    expect(told.events).toHaveLength(1)
    expect(['recovering', 'ready']).toContain(alice.phase('mallory'))
    // Two are news, whichever arrive first; a third adds nothing and is not passed on.
    expect(publications.filter((bytes) => passed.has(toHex(bytes))).length).toBe(2)
    expect(alice.phase('bob')).toBe('ready')
    await expectAlive(here, 'still here')
  })
})

describe('old publications that are sent again', () => {
  it('are not passed on and deliver nothing twice, minutes and epochs later', async () => {
    const here = await victims({
      seed: 'replay',
      overrides: { boxRate: 2, slotMs: 1_000, mixDelayMs: 500 },
    })
    const { world, alice, bob, inject } = here
    const heard: Uint8Array[] = []
    const stop = world.air.tap(({ kind, name, bytes }) => {
      if (kind === 'gossip' && name === world.topic) heard.push(bytes.slice())
    })
    await expectAlive(here, 'once')
    stop()
    const old = [...new Map(heard.map((bytes) => [toHex(bytes), bytes])).values()]
    // At once, when seen-caches have forgotten them, and when their epoch is over.
    for (const waitMs of [1_000, 185_000, 250_000]) {
      await world.run(waitMs)
      const passed = forwards(here)
      for (const bytes of old) inject(bytes)
      await world.run(2_000)
      expect(old.filter((bytes) => passed.has(toHex(bytes)))).toEqual([])
      expect(await bob.received()).toEqual(['once'])
    }
    const { metrics } = alice.session.gossip
    expect(metrics.of('known')).toBeGreaterThan(0)
    expect(metrics.of('epoch-far') + metrics.of('epoch-near')).toBeGreaterThan(0)
    await expectAlive(here, 'twice is another text')
  })

  it('in a fresh envelope, after the hot window, deliver nothing twice and mark no conflict', async () => {
    const here = await victims({ seed: 'envelope' })
    const { world, alice, bob, courier, inject } = here
    const boxes: BoxBytes[] = []
    for (const { session } of [alice, bob]) {
      session.gossip.onPublication(({ box }) => boxes.push(box.slice() as BoxBytes))
    }
    await expectAlive(here, 'once')
    // An hour is the hot window; nodes forget what they do not keep, and what they had in memory.
    for (const node of world.nodes) await node.stop()
    await world.run(70 * 60_000)
    for (const node of world.nodes) await node.start()
    await world.run(5_000)
    const now = world.clock.now()
    for (const box of boxes.slice(0, 60)) inject(courier.publish(world.network, box, now))
    await world.run(5_000)
    expect(await bob.received()).toEqual(['once'])
    expect([alice.phase('bob'), bob.phase('alice')]).toEqual(['ready', 'ready'])
    await expectAlive(here, 'still here')
  })
})

describe('publications that no honest node makes', () => {
  it('of couriers whom nobody knows share one quota and take none from those who are known', async () => {
    const here = await victims({ seed: 'strangers' })
    const { world, carol, inject, cover } = here
    const passed = forwards(here)
    const rng = world.rng('strangers')
    const now = world.clock.now()
    const count = UNKNOWN_COURIER_QUOTA + 100
    const sent: string[] = []
    for (let i = 0; i < count; i++) {
      const stranger = new Courier(rng.bytes(32), 0)
      const bytes = stranger.publish(world.network, cover(`stranger ${i}`), now)
      sent.push(toHex(bytes))
      inject(bytes, [carol])
    }
    await world.run(3_000)
    const through = sent.filter((key) => passed.has(key)).length
    // An honest courier whose descriptor was late may have used one.
    expect(through).toBeLessThanOrEqual(UNKNOWN_COURIER_QUOTA)
    expect(through).toBeGreaterThan(UNKNOWN_COURIER_QUOTA - 10)
    expect(carol.session.gossip.metrics.of('quota')).toBe(count - through)
    await expectAlive(here, 'still here')
  })

  it('of another network, day or epoch, or altered in any part, are not passed on', async () => {
    const here = await victims({ seed: 'foreign' })
    const { world, alice, mallory, courier, inject, cover } = here
    const passed = forwards(here)
    const { network } = world
    const now = world.clock.now()
    const epoch = epochAt(network, now)
    const good = courier.publish(network, cover('good'), now)
    const altered = [0, 1, 33, 37, 70, 77, 78, 82, 200, 2_100, 2_125, 2_188].map((at) => {
      const bytes = good.slice()
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return bytes
    })
    const rng = world.rng('foreign')
    const foreign = asNetworkId(rng.bytes(32))
    const tomorrow = Math.floor(now / 86_400_000) + 3
    const bad = [
      ...altered,
      good.slice(0, -1),
      rng.bytes(good.length),
      new Uint8Array(0),
      courier.publish(network, cover('a'), now, { networkId: foreign }),
      courier.publish(network, cover('b'), now, { epoch: epoch + 3 }),
      courier.publish(network, cover('c'), now, { epoch: 0xffff_ffff }),
      courier.publish(network, coverBox({ networkId: foreign, expiryDay: tomorrow - 1, rng }), now),
      courier.publish(network, coverBox({ networkId: network.id, expiryDay: tomorrow, rng }), now),
      courier.publish(network, coverBox({ networkId: network.id, expiryDay: 0, rng }), now),
    ]
    for (const bytes of bad) inject(bytes)
    await world.run(3_000)
    expect(bad.filter((bytes) => passed.has(toHex(bytes)))).toEqual([])
    expect(alice.session.net.score(mallory.nodeId)).toBeLessThan(GRAYLIST_THRESHOLD)
    expect(alice.session.gossip.metrics.of('wrong-network')).toBeGreaterThan(0)
    await expectAlive(here, 'still here')
  })
})

describe('a courier that signs two boxes under one counter', () => {
  it('is excluded everywhere for the epoch, by a proof that is passed on', async () => {
    const here = await victims({ seed: 'counter' })
    const { world, alice, dave, carol, courier, inject, cover, log } = here
    const now = world.clock.now()
    inject(courier.publish(world.network, cover('one'), now, { counter: 7_000 }), [alice])
    await world.run(500)
    inject(courier.publish(world.network, cover('two'), now, { counter: 7_000 }), [dave])
    await world.run(1_000)
    const passed = forwards(here)
    const later = courier.publish(world.network, cover('three'), world.clock.now())
    inject(later, [carol])
    await world.run(1_000)
    expect(passed.has(toHex(later))).toBe(false)
    const convicted = log
      .text('warn')
      .filter((line) => line.includes('two boxes under one counter'))
    expect(convicted.length).toBe(5)
    await expectAlive(here, 'still here')
  })
})

describe('a courier that floods', () => {
  it('is heard up to its quota, then cut off, while others get through', async () => {
    const here = await victims({
      seed: 'flood',
      overrides: { boxRate: 4, keyEpochMs: 60_000, layerEpochMs: 60_000 },
      net: { graylist: true },
    })
    const { world, alice, mallory, courier, inject, cover, honest } = here
    // From the beginning of an epoch.
    await world.run(60_000 - ((world.clock.now() - world.network.createdAt) % 60_000) + 100)
    const passed = forwards(here)
    const sent: string[] = []
    const talking = alice.send('bob', 'through the flood')
    const lowest = new Map(honest.map((node) => [node, 0]))
    for (let i = 0; i < 1_500; i++) {
      const bytes = courier.publish(world.network, cover(`flood ${i}`), world.clock.now())
      sent.push(toHex(bytes))
      inject(bytes)
      await world.run(20)
      // Whoever is cut off is forgiven little by little, until he goes on.
      for (const [node, score] of lowest) {
        lowest.set(node, Math.min(score, node.session.net.score(mallory.nodeId)))
      }
    }
    const through = sent.filter((key) => passed.has(key)).length
    const quota = alice.session.gossip.metrics.of('quota')
    expect(through).toBeGreaterThan(50)
    // Twice the quota of an epoch: the flood spans two. A young network grants each node the rate of one alone.
    expect(through).toBeLessThan(2 * 480 + 1)
    expect(quota).toBeGreaterThan(100)
    for (const score of lowest.values()) expect(score).toBeLessThan(GRAYLIST_THRESHOLD)
    expect(await alice.state(await talking)).toBe('delivered')
    await expectAlive(here, 'still here')
  })
})
