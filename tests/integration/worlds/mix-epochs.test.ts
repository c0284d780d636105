import { afterEach, describe, expect, it } from 'vitest'
import { equalBytes, type NodeId, toHex } from '../../../src/base/index.ts'
import type { MixEvent } from '../../../src/mix/counts.ts'
import { World, type WorldNode } from '../../support/world.ts'

const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']
const EPOCH_MS = 60_000
/** A packet and its reply are under way for less, at four layers of 250 ms. */
const ON_ITS_WAY_MS = 10_000
/** The longest silence of a node that is here: heartbeats come every 10 s, give or take a quarter. */
const HEARTBEAT_MS = 12_500

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** What happens to a packet that does not get where it should. */
const MISSES: readonly MixEvent[] = [
  'malformed',
  'misrouted',
  'no-link',
  'no-route',
  'not-published',
  'not-sent',
  'quota',
  'unknown-answer',
  'unknown-reply',
]

function missesOf({ nodes }: World): number {
  let sum = 0
  for (const { session, up } of nodes) {
    if (!up) continue
    const { counts } = session.mix.status()
    for (const event of MISSES) sum += counts[event] ?? 0
  }
  return sum
}

/** Nodes that route over `node` now. */
function usersOf(world: World, node: NodeId): string[] {
  return world.nodes
    .filter(({ up, session }) => up && session.mix.status().mixes.includes(toHex(node)))
    .map(({ name }) => name)
}

function replyRates(nodes: readonly WorldNode[]): number[] {
  return nodes.map(({ session }) => session.mix.status().replyRate ?? 0)
}

describe('mix keys and layers that change every minute', () => {
  it('lose no message, and packets at most around the change', async () => {
    const world = await World.of(NAMES, {
      seed: 'epochs',
      overrides: { keyEpochMs: EPOCH_MS, layerEpochMs: EPOCH_MS, slotMs: 500, mixDelayMs: 250 },
    })
    running.push(world)
    const [alice, bob, carol, dave] = world.nodes as [WorldNode, WorldNode, WorldNode, WorldNode]
    await world.befriend(alice, bob)
    await world.befriend(carol, dave)
    const { createdAt } = world.network
    const first = alice.session.directory.epoch
    const layers = new Set<string>()
    const texts: string[] = []
    const ids: Uint8Array[] = []
    /** Packets that missed, by how far from the change of the epoch. */
    const near: number[] = []
    const far: number[] = []
    let misses = missesOf(world)
    for (let i = 0; i < 70; i++) {
      texts.push(`text ${i}`)
      ids.push(await alice.send('bob', `text ${i}`))
      await dave.send('carol', `text ${i}`)
      await world.run(3_000)
      const phase = (world.clock.now() - createdAt) % EPOCH_MS
      const now = missesOf(world)
      const isNear = phase < ON_ITS_WAY_MS || phase > EPOCH_MS - ON_ITS_WAY_MS
      ;(isNear ? near : far).push(now - misses)
      misses = now
      layers.add(JSON.stringify(alice.session.mix.status().mixes))
    }
    expect(alice.session.directory.epoch).toBeGreaterThanOrEqual(first + 3)
    // They did change.
    expect(layers.size).toBeGreaterThan(2)
    for (const id of ids) {
      await world.until('delivered', async () => (await alice.state(id)) === 'delivered')
    }
    expect(await bob.received()).toEqual(texts)
    await world.until('heard', async () => (await carol.received()).length === texts.length)
    expect(await carol.received()).toEqual(texts)
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
    console.log(`missed within ${ON_ITS_WAY_MS} ms of a change: ${sum(near)}, else: ${sum(far)}`)
    expect(sum(far)).toBe(0)
    // Four changes at most, 12 packets a second.
    expect(sum(near)).toBeLessThan(4 * 12)
    for (const rate of replyRates(world.nodes)) expect(rate).toBeGreaterThan(0.9)
  })
})

describe('a mix that goes', () => {
  async function network(seed: string) {
    const world = await World.of(NAMES, { seed })
    running.push(world)
    // Until the reply rate is that of slots in which all links stood.
    await world.run(40_000)
    const carol = world.nodes[2] as WorldNode
    const others = world.nodes.filter((node) => node !== carol)
    expect(usersOf(world, carol.nodeId)).toEqual(NAMES)
    expect(Math.min(...replyRates(others))).toBe(1)
    return { world, carol, others }
  }

  it('and says so is left out by all others at once, and hardly a reply is lost', async () => {
    const { world, carol, others } = await network('leaves')
    const { nodeId } = carol
    const stopping = carol.session.stop()
    carol.up = false
    await world.run(100)
    expect(usersOf(world, nodeId)).toEqual([])
    await world.drive(stopping)
    await world.drive(carol.store.close())
    // What was under way for her comes within seconds; then nobody sends her anything.
    await world.run(5_000)
    let late = 0
    world.air.tap(({ kind, to }) => {
      if (kind === 'frame' && equalBytes(to, nodeId)) late++
    })
    await world.run(20_000)
    expect(late).toBe(0)
    expect(Math.min(...replyRates(others))).toBeGreaterThan(0.95)
  })

  it('without a word is left out when three heartbeats are missing, and replies recover', async () => {
    const { world, carol, others } = await network('vanishes')
    const { nodeId } = carol
    world.air.setOnline(nodeId, false)
    carol.up = false
    await world.run(15_000)
    // It may still come back.
    expect(usersOf(world, nodeId).length).toBe(others.length)
    const during = replyRates(others)
    expect(Math.max(...during)).toBeLessThan(1)
    await world.run(3 * HEARTBEAT_MS)
    expect(usersOf(world, nodeId)).toEqual([])
    // As many slots as the reply rate is made of.
    await world.run(30_000)
    expect(Math.min(...replyRates(others))).toBeGreaterThan(0.98)
    carol.up = true
  })
})
