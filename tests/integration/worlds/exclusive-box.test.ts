import { afterEach, describe, expect, it } from 'vitest'
import { type BoxBytes, equalBytes, HearsayError, toHex } from '../../../src/base/index.ts'
import { BoxRows } from '../../../src/mailbox/box-rows.ts'
import { parseBox } from '../../../src/stream/index.ts'
import { Capture } from '../../support/capture.ts'
import { Courier } from '../../support/hostile.ts'
import { World, type WorldNode } from '../../support/world.ts'

const RECONCILE = 'mailbox/reconcile'

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Node `of` answers reconciliation of nobody but `only`. */
function servesOnly(world: World, of: WorldNode, only: readonly WorldNode[]): void {
  const requests = world.air.find(of.nodeId)?.requests
  if (requests === undefined) throw new Error('not in the air')
  const answer = requests.answer.bind(requests)
  requests.answer = (from, protocol, payload) => {
    const allowed = protocol !== RECONCILE || only.some((each) => equalBytes(each.nodeId, from))
    return allowed ? answer(from, protocol, payload) : Promise.reject(refusal())
  }
}

/** Addresses that a node's conversations want from the keepers, as time goes on, and those under which they had something. */
function askedBy({ session }: WorldNode): { asked: readonly string[]; found: readonly string[] } {
  const asked: string[] = []
  const found: string[] = []
  const { conversations } = session
  const nextLookUp = conversations.nextLookUp.bind(conversations)
  conversations.nextLookUp = () => {
    const job = nextLookUp()
    if (job === undefined) return undefined
    const address = toHex(job.address)
    asked.push(address)
    return {
      ...job,
      done: (result) => {
        if (result.status === 'found') found.push(address)
        job.done(result)
      },
    }
  }
  return { asked, found }
}

const refusal = () => new HearsayError('request-failed', 'refused')

/**
 * Mallory is a contact of alice and wants to know which node is hers. He keeps his next boxes out of gossip: the
 * first `lost` of them go nowhere, one lies in his own mailbox, which he shows to nobody but alice.
 */
async function trap(seed: string, lost: number) {
  const world = await World.of(['alice', 'bob', 'carol', 'dave', 'erin', 'mallory'], {
    seed,
    overrides: { boxRate: 2, slotMs: 1_000, mixDelayMs: 500 },
  })
  running.push(world)
  const [alice, bob, carol, dave, erin, mallory] = world.nodes as [
    WorldNode,
    WorldNode,
    WorldNode,
    WorldNode,
    WorldNode,
    WorldNode,
  ]
  await world.befriend(mallory, alice)
  // What alice still looks for since she came would find the bait at its keepers: they do not know who asks.
  const { session } = alice
  await world.until(
    'alice looks for nothing',
    () => session.catchUp.view.phase === 'done' && session.conversations.depth().toFetch === 0,
    900_000,
  )
  await world.run(30_000)
  const { conversations } = mallory.session
  const kept: { box: BoxBytes; publication: Uint8Array }[] = []
  const courier = new Courier(mallory.seed)
  const nextBox = conversations.nextBox.bind(conversations)
  conversations.nextBox = async () => {
    const box = await nextBox()
    if (box === undefined) return undefined
    const publication = courier.publish(world.network, box, world.clock.now())
    kept.push({ box, publication })
    if (kept.length === lost + 1) await mallory.session.mailbox.accept(publication)
    // His own node believes that it has left; cover leaves in its place.
    await conversations.published(box, true)
    return undefined
  }
  servesOnly(world, mallory, [alice])
  const capture = Capture.of(world, alice)
  const { asked } = askedBy(alice)
  for (let i = 0; i <= lost; i++) {
    await mallory.send('alice', `only for you ${i} ${'.'.repeat(1_300)}`)
    await world.until('the box is made', () => kept.length > i)
  }
  const bait = kept[lost]
  if (bait === undefined) throw new Error('no bait')
  const { address } = parseBox(bait.box)
  const has = async ({ store }: WorldNode) =>
    (await new BoxRows(store, () => 0).all(address)).length > 0
  const reactions = () =>
    capture.packets.filter(({ real }) => real).length +
    asked.filter((each) => kept.some(({ box }) => toHex(parseBox(box).address) === each)).length
  const give = (node: WorldNode) => node.session.mailbox.accept(bait.publication)
  const take = async () => {
    await world.run(15_000)
    const { signal } = new AbortController()
    await world.drive(alice.session.mailbox.reconcileHot(mallory.nodeId, signal))
    expect(await has(alice)).toBe(true)
  }
  return { world, alice, bob, carol, dave, erin, mallory, has, give, take, reactions }
}

describe('a box that one peer has given to one node alone', () => {
  it.each([
    ['in order', 0],
    ['behind two that nobody has', 2],
  ])('is answered by nothing until two further peers have it: %s', async (_how, lost) => {
    const here = await trap(`bait ${lost}`, lost)
    const { world, alice, bob, carol, dave, erin, mallory, give, take, reactions } = here
    // Nobody learns it from anybody else either, so that the count is ours.
    servesOnly(world, alice, [])
    for (const node of [bob, carol, dave, erin]) servesOnly(world, node, [alice])
    await take()
    await world.run(60_000)
    expect(reactions()).toBe(0)
    expect(await alice.received()).toEqual([])
    // A second peer: mallory's friend, or chance.
    await world.drive(give(carol))
    await world.run(60_000)
    expect(reactions()).toBe(0)
    // Asking mallory or carol again and again changes nothing.
    const { signal } = new AbortController()
    for (const peer of [mallory, carol, mallory, carol]) {
      await world.drive(alice.session.mailbox.reconcileHot(peer.nodeId, signal))
    }
    await world.run(10_000)
    expect(reactions()).toBe(0)
    expect(await alice.received()).toEqual([])
    await world.drive(give(dave))
    await world.until('alice reacts', () => reactions() > 0, 240_000)
    expect(await here.has(bob)).toBe(false)
  })

  it('may spread from the node that has it, and is answered when two others took it', async () => {
    const here = await trap('spreading', 0)
    const { world, bob, carol, dave, erin, take, has, reactions } = here
    await take()
    let holders = 0
    await world.until(
      'alice reacts',
      async () => {
        if (reactions() > 0) return true
        const others = await Promise.all([bob, carol, dave, erin].map(has))
        holders = others.filter(Boolean).length
        return false
      },
      900_000,
    )
    expect(holders).toBeGreaterThanOrEqual(2)
  })

  it('stays unanswered over a restart, and keepers are asked as if it were not here', async () => {
    /** What alice asks her keepers for after a start, whether the box was given to her before or not. */
    const restarted = async (isGiven: boolean) => {
      const here = await trap('restart', 0)
      const { world, alice, bob, carol, dave, erin, take, give } = here
      servesOnly(world, alice, [])
      for (const node of [bob, carol, dave, erin]) servesOnly(world, node, [alice])
      if (isGiven) {
        await take()
        await world.drive(give(carol))
      } else await world.run(15_000)
      await alice.stop()
      await world.run(5_000)
      await alice.start()
      servesOnly(world, alice, [])
      const capture = Capture.of(world, alice)
      const { asked, found } = askedBy(alice)
      await world.run(90_000)
      expect(capture.packets.length).toBeGreaterThan(80)
      // A keeper does not know who asks it; nobody else brings the text.
      expect(await alice.received()).toHaveLength(found.length)
      return { asked, real: capture.packets.filter(({ real }) => real).length }
    }
    const [given, not] = [await restarted(true), await restarted(false)]
    // What the start itself sends (nothing is owed) aside: no ack while no keeper has given the box.
    expect(given.real).toBe(0)
    expect(given.asked.length).toBeGreaterThanOrEqual(16)
    expect(given.asked.slice(0, 16)).toEqual(not.asked.slice(0, 16))
  })
})
