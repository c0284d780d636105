import { afterEach, describe, expect, it } from 'vitest'
import { type Address, equalBytes } from '../../../src/base/index.ts'
import { frameBytes } from '../../../src/mix/frame.ts'
import { parseBox } from '../../../src/stream/index.ts'
import type { Sent } from '../../support/memory-net.ts'
import { World, type WorldNode } from '../../support/world.ts'

const HOUR_MS = 3_600_000
const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi']
const TEXTS = Array.from({ length: 8 }, (_, i) => `old text ${i} ${'.'.repeat(1_200)}`)

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Boxes for a reader who is away until nobody but their keepers has them. */
async function oldBoxes() {
  const world = await World.of(NAMES, {
    seed: 'old boxes',
    // Slots of ten seconds: hours pass, and each packet costs real time.
    overrides: { slotMs: 10_000, mixDelayMs: 5_000, boxRate: 1 },
  })
  running.push(world)
  const [alice, bob] = world.nodes as [WorldNode, WorldNode]
  await bob.accept(await alice.invite('bob'), 'alice')
  const ready = () => alice.phase('bob') === 'ready' && bob.phase('alice') === 'ready'
  await world.until('contacts', ready, HOUR_MS)
  await world.run(120_000)
  await bob.stop()
  const addresses: Address[] = []
  const { conversations } = alice.session
  const published = conversations.published.bind(conversations)
  conversations.published = (box, hasLeft) => {
    if (hasLeft) addresses.push(parseBox(box).address.slice() as Address)
    return published(box, hasLeft)
  }
  for (const text of TEXTS) await alice.send('bob', text)
  await world.until('all have left', () => addresses.length >= TEXTS.length, HOUR_MS)
  await world.run(60_000)
  // Before she offers them again, which would be news.
  await alice.stop()
  await world.run(HOUR_MS + 600_000)
  const day = Math.floor(world.clock.now() / 86_400_000)
  const isKept = (address: Address) =>
    bob.session.directory.keepers(address, day).some((id) => equalBytes(id, bob.nodeId))
  return { world, bob, foreign: addresses.filter((address) => !isKept(address)) }
}

describe('boxes that only their keepers still have', () => {
  it('come to a reader who was away, and nobody is asked for them but through the mix', async () => {
    const { world, bob, foreign } = await oldBoxes()
    const traffic: Sent[] = []
    world.air.tap((sent) => traffic.push(sent))
    await bob.start()
    await world.until(
      'all texts are read',
      async () => (await bob.received()).length === TEXTS.length,
      2 * HOUR_MS,
    )
    expect(await bob.received()).toEqual(TEXTS)
    expect(foreign.length).toBeGreaterThan(0)
    const withBob = traffic.filter(
      ({ from, to }) => equalBytes(from, bob.nodeId) || equalBytes(to, bob.nodeId),
    )
    // Requests of any kind, their answers and gossip, as bytes: none holds the address of a box that he does not keep.
    const names = foreign.map((address) => Buffer.from(address))
    const direct = withBob.filter(({ kind }) => kind !== 'frame')
    const naming = direct.filter(({ bytes }) =>
      names.some((name) => Buffer.from(bytes).includes(name)),
    )
    expect(naming.map(({ kind, name }) => `${kind} ${name}`)).toEqual([])
    // Nor does any frame, which its courier or a keeper can open only with the key it is meant for.
    const frames = traffic.filter(({ kind }) => kind === 'frame')
    expect(
      frames.filter(({ bytes }) => names.some((name) => Buffer.from(bytes).includes(name))),
    ).toEqual([])
    const { geometry } = bob.session.mix
    expect(new Set(frames.map(({ bytes }) => bytes.length))).toEqual(
      new Set([frameBytes(geometry)]),
    )
    // Couriers asked keepers, and keepers answered.
    const kinds = new Set(frames.map(({ bytes }) => bytes[0]))
    expect(kinds).toEqual(new Set([0, 1, 2, 3]))
  })
})
