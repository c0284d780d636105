import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RESET_SLOTS } from '../../../src/conversation/constants.ts'
import { decodePublication, encodePublication } from '../../../src/gossip/index.ts'
import { readVaultKey, restoreBackup, systemFiles } from '../../../src/store/index.ts'
import { assembleBox, parseBox } from '../../../src/stream/index.ts'
import { copiedDisk } from '../../support/copied-disk.ts'
import { CryptoWatch } from '../../support/crypto-watch.ts'
import { openHeldStore } from '../../support/held-store.ts'
import { resetAddresses } from '../../support/reset-addresses.ts'
import { storePorts } from '../../support/store-contract.ts'
import { UsedOnce } from '../../support/used-once.ts'
import { World, type WorldNode } from '../../support/world.ts'

const crypto = CryptoWatch.install()
const running: World[] = []
let root: string
/** Where alice's store is. */
let home: string
beforeEach(async () => {
  crypto.forget()
  root = await mkdtemp(join(tmpdir(), 'hearsay-recovery-'))
  home = join(root, 'home')
})
afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
  await rm(root, { recursive: true, force: true })
})

/** A text each way, until both are there. */
async function talk(world: World, a: WorldNode, b: WorldNode, text: string): Promise<void> {
  await a.send(b.name, `${text} of ${a.name}`)
  await b.send(a.name, `${text} of ${b.name}`)
  const isThere = async (from: WorldNode, to: WorldNode) =>
    (await to.received()).includes(`${text} of ${from.name}`)
  await world.until(text, async () => (await isThere(a, b)) && (await isThere(b, a)), 600_000)
}

/** Types of events that say that a contact, or this node to it, is another device. */
async function returns({ store }: WorldNode): Promise<string[]> {
  const types = ['contact.recovering', 'contact.recovered', 'contact.reset']
  const { events } = await store.journal.events(0, 10_000, types)
  return events.map(({ type }) => type)
}

/** Where devices of these nodes may say that they came back, or answer that, in salted boxes: hexadecimal addresses. */
async function resetPlaces(world: World, nodes: readonly WorldNode[]): Promise<Set<string>> {
  const all = nodes.map(({ store }) => resetAddresses(store, world.network.id, world.clock.now()))
  return new Set((await Promise.all(all)).flatMap((places) => [...places]))
}

/** No key, counter or address was used twice, but for the addresses of these places: and there no salt was. */
function expectUsedOnce(used: UsedOnce, places: ReadonlySet<string>): void {
  expect(used.size).toBeGreaterThan(100)
  expect(used.countersUsedTwice()).toEqual([])
  expect(crypto.reused).toBe(0)
  expect(used.addressesUsedTwice().filter((address) => !places.has(address))).toEqual([])
  const { boxes, salts } = used.salted(places)
  expect(boxes).toBeGreaterThan(0)
  expect(salts).toBe(boxes)
}

/** Restores the backup where alice's node starts next. The key was kept in another place. */
async function restoreElsewhere(dir: string): Promise<void> {
  const key = join(home, 'vault.key')
  home = join(root, dir)
  const vaultKey = await readVaultKey(systemFiles, key)
  await restoreBackup(storePorts, { file: join(root, 'backup'), dir: home, vaultKey })
  await cp(key, join(home, 'vault.key'))
}

/** A world in which alice's store is on the real disk. */
async function onDisk(seed: string): Promise<World> {
  const world = await World.of(['alice', 'bob', 'carol'], {
    seed,
    open: (name, ports, clock) =>
      name === 'alice' ? openHeldStore(ports, clock, home) : undefined,
  })
  running.push(world)
  return world
}

interface Way {
  readonly name: string
  /** Copies what the node has, which runs before and after. */
  copy(node: WorldNode): Promise<void>
  /** Puts the copy where the node starts next. Nobody tells the store of it. */
  putBack(): Promise<void>
}

const WAYS: readonly Way[] = [
  {
    name: 'an old copy of its home was put back in place, file by file',
    copy: async (node) => {
      await node.stop()
      await cp(home, join(root, 'copy'), { recursive: true })
      await node.start()
    },
    putBack: async () => {
      await rm(join(home, 'db'), { recursive: true })
      await cp(join(root, 'copy'), home, { recursive: true })
    },
  },
  {
    name: 'its backup was restored on another machine',
    copy: async ({ store }) => {
      await store.backup({ path: join(root, 'backup') })
    },
    putBack: () => restoreElsewhere('another'),
  },
]

describe('a whole node', () => {
  it.each(WAYS)('finds that $name: nothing is lost, told twice or used twice', async (way) => {
    const world = await onDisk('restored')
    const used = new UsedOnce(world)
    const [alice, bob] = world.nodes as [WorldNode, WorldNode]
    await world.befriend(alice, bob)
    await talk(world, alice, bob, 'before')
    const sent = await alice.send('bob', 'not acknowledged yet')
    await way.copy(alice)
    expect(await alice.state(sent)).not.toBe('delivered')
    await talk(world, alice, bob, 'known no more')
    await alice.stop()
    await bob.send('alice', 'meanwhile')
    await world.run(5_000)
    await way.putBack()
    await alice.start()
    expect(alice.store.restored).toBe(true)
    expect(alice.phase('bob')).toBe('recovering')
    expect(alice.session.mix.hasKey).toBe(false)
    await talk(world, alice, bob, 'after')
    const quiet = () => [alice, bob].every((n) => n.session.conversations.depth().queued === 0)
    await world.until('all is acknowledged', quiet)
    const texts = (name: string) =>
      ['before', 'known no more', 'after'].map((t) => `${t} of ${name}`)
    const ofAlice = [...texts('alice'), 'not acknowledged yet']
    expect((await bob.received()).toSorted()).toEqual(ofAlice.toSorted())
    expect((await alice.received()).toSorted()).toEqual([...texts('bob'), 'meanwhile'].toSorted())
    expect(await alice.state(sent)).toBe('delivered')
    expect(await returns(alice)).toEqual(['contact.recovering', 'contact.recovered'])
    expect(await returns(bob)).toEqual(['contact.reset'])
    expect(bob.session.directory.isExcluded(alice.nodeId)).toBe(false)
    expectUsedOnce(used, await resetPlaces(world, [alice, bob]))
  })

  it('that came back twice from one copy writes twice only where it says so, and there never with one salt', async () => {
    const world = await onDisk('twice')
    const used = new UsedOnce(world)
    const [alice, bob] = world.nodes as [WorldNode, WorldNode]
    await world.befriend(alice, bob)
    await talk(world, alice, bob, 'before')
    await alice.store.backup({ path: join(root, 'backup') })
    const places = await resetPlaces(world, [alice, bob])
    await alice.stop()
    // Nobody answers: the first device writes the whole place, so the second one has to write there again.
    await bob.stop()
    const announced = (boxes: number) =>
      world.until('announced', () => used.salted(places).boxes >= boxes, 600_000)
    for (const [dir, boxes] of [
      ['first', RESET_SLOTS],
      ['second', RESET_SLOTS + 1],
    ] as const) {
      await alice.stop()
      await restoreElsewhere(dir)
      await alice.start()
      expect(alice.store.restored).toBe(true)
      await announced(boxes)
    }
    await bob.start()
    await talk(world, alice, bob, 'after')
    expect(await returns(bob)).toEqual(['contact.reset'])
    expect(used.addressesUsedTwice().length).toBeGreaterThan(0)
    expectUsedOnce(used, places)
  })

  it('that goes on with an old state uses addresses and keys twice: what counts them sees it', async () => {
    // Nothing in memory tells a copy, as nothing does after the snapshot of a machine was put back.
    const world = await World.of(['alice', 'bob', 'carol'], { seed: 'not found' })
    running.push(world)
    const used = new UsedOnce(world)
    const [alice, bob] = world.nodes as [WorldNode, WorldNode]
    await world.befriend(alice, bob)
    await talk(world, alice, bob, 'before')
    const copy = await copiedDisk(alice.disk)
    await talk(world, alice, bob, 'known no more')
    await alice.stop()
    expect(used.addressesUsedTwice()).toEqual([])
    expect(crypto.reused).toBe(0)
    alice.disk = copy
    await alice.start()
    expect(alice.store.restored).toBe(false)
    await alice.send('bob', 'as if nothing had been')
    await world.until('an address is used twice', () => used.addressesUsedTwice().length > 0)
    const places = await resetPlaces(world, [alice, bob])
    expect(used.addressesUsedTwice().filter((address) => places.has(address))).toEqual([])
    expect(crypto.reused).toBeGreaterThan(0)
    // No courier uses a counter twice even then: it goes on from the wall clock. One that did is made here.
    expect(used.countersUsedTwice()).toEqual([])
    if (used.last === undefined) throw new Error('nothing was published')
    const { box, ...rest } = decodePublication(used.last)
    const sealed = parseBox(box).sealed.toReversed()
    const other = encodePublication({ ...rest, box: assembleBox({ ...parseBox(box), sealed }) })
    world.air.find(bob.nodeId)?.pubsub.inject(alice.nodeId, world.topic, other)
    expect(used.countersUsedTwice()).toHaveLength(1)
  })
})
