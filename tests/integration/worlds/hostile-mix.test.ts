import { afterEach, describe, expect, it } from 'vitest'
import { equalBytes } from '../../../src/base/index.ts'
import type { MixEvent } from '../../../src/mix/counts.ts'
import { MIX_PROTOCOL } from '../../../src/mix/mix-links.ts'
import type { Net } from '../../../src/net/index.ts'
import { Capture, Publications } from '../../support/capture.ts'
import type { Sent } from '../../support/memory-net.ts'
import { World, type WorldNode } from '../../support/world.ts'

const HOUR_MS = 3_600_000
const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi']
const TEXTS = Array.from({ length: 5 }, (_, i) => `text ${i}`)
const PACKET_KIND = 0

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

type Send = Net['links']['send']
/** What a hostile mix does in place of handing a frame to its link. */
type Hostility = (send: Send, world: World) => Send

/** Eight nodes that mix, two a layer, in the same places all the time; alice and bob are among them. */
async function network(seed: string) {
  let hostile: { readonly name: string; readonly send: Hostility } | undefined
  const world: World = new World({
    seed,
    overrides: { keyEpochMs: HOUR_MS, layerEpochMs: HOUR_MS },
    netOf: (name, net) => {
      const send = net.links.send.bind(net.links)
      net.links.send = (...frame) =>
        (hostile?.name === name ? hostile.send(send, world) : send)(...frame)
      return net
    },
  })
  running.push(world)
  for (const name of NAMES) await world.add(name)
  await world.run(20_000)
  const [alice, bob] = world.nodes as [WorldNode, WorldNode]
  const { directory } = alice.session
  const layers = directory
    .mixes(directory.epoch)
    .layers.map((layer) =>
      layer.map(({ nodeId }) => world.nodes.find((node) => equalBytes(node.nodeId, nodeId))),
    )
  const turn = (name: string, send: Hostility): void => {
    hostile = { name, send }
  }
  return { world, alice, bob, layers, turn, relent: () => (hostile = undefined) }
}

/** Alice and bob become contacts and talk while a mix of the second layer is hostile. */
async function among(seed: string, hostility: Hostility) {
  const { world, alice, bob, layers, turn } = await network(seed)
  const mallory = layers[1]?.find((node) => node !== alice && node !== bob) as WorldNode
  turn(mallory.name, hostility)
  const publications = Publications.of(world)
  await bob.accept(await alice.invite('bob'), 'alice')
  const isReady = () => alice.phase('bob') === 'ready' && bob.phase('alice') === 'ready'
  await world.until('contacts', isReady, 600_000)
  const ids: Uint8Array[] = []
  for (const text of TEXTS) {
    ids.push(await alice.send('bob', text))
    await bob.send('alice', `re: ${text}`)
    await world.run(2_000)
  }
  for (const id of ids) {
    await world.until('delivered', async () => (await alice.state(id)) === 'delivered', 400_000)
  }
  await world.until('heard', async () => (await alice.received()).length === TEXTS.length, 400_000)
  expect(await bob.received()).toEqual(TEXTS)
  expect(await alice.received()).toEqual(TEXTS.map((text) => `re: ${text}`))
  // Until nothing of the traffic is under way.
  await world.run(20_000)
  const others = world.nodes.filter((node) => node !== mallory)
  const count = (...events: MixEvent[]): number =>
    others.reduce((sum, { session }) => {
      const { counts } = session.mix.status()
      return sum + events.reduce((of, event) => of + (counts[event] ?? 0), 0)
    }, 0)
  const rates = others.map(({ session }) => session.mix.status().replyRate ?? 0)
  const states = others.map(({ session }) => session.mix.status().state)
  return { world, count, rates, states, publications: publications.seen }
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

describe('a mix', () => {
  it('that is honest lets everything through', async () => {
    const { count, rates } = await among('honest', (send) => send)
    expect(mean(rates)).toBeGreaterThan(0.98)
    expect(count('tagged', 'replay', 'malformed', 'bad-frame', 'not-published')).toBe(0)
  })

  it('that drops everything stops no message, and the reply rate tells of it', async () => {
    const { rates, states } = await among('drops all', () => () => true)
    // It is one of two of its layer, which a request and its reply pass each.
    expect(mean(rates)).toBeGreaterThan(0.15)
    expect(mean(rates)).toBeLessThan(0.7)
    expect(new Set(states)).toEqual(new Set(['on']))
  })

  it('that tags what it hands on stops no message, and nothing that it touched has an effect', async () => {
    let touched = 0
    const { count, rates } = await among('tags', (send) => (peer, protocol, frame) => {
      if (frame[0] !== PACKET_KIND) return send(peer, protocol, frame)
      touched++
      const tagged = frame.slice()
      tagged[tagged.length - 1] = (tagged.at(-1) ?? 0) ^ 1
      return send(peer, protocol, tagged)
    })
    expect(touched).toBeGreaterThan(500)
    // Each is found once, by its courier or by whoever waits for the reply; some pass her twice.
    expect(count('tagged')).toBeGreaterThan(0.5 * touched)
    expect(count('tagged')).toBeLessThanOrEqual(touched)
    // What a courier makes of a payload that it should not have read: no box, and no SURB.
    expect(count('not-published', 'malformed', 'bad-frame', 'misrouted')).toBe(0)
    expect(mean(rates)).toBeGreaterThan(0.15)
    expect(mean(rates)).toBeLessThan(0.7)
  })

  it('that repeats what it hands on, at once and later, changes nothing', async () => {
    let repeated = 0
    const { count, rates, publications } = await among(
      'repeats',
      (send, world) => (peer, protocol, frame) => {
        const again = (): void => {
          if (send(peer, protocol, frame) && frame[0] === PACKET_KIND) repeated++
        }
        const copy = send(peer, protocol, frame)
        again()
        world.clock.setTimer(5_000, again)
        return copy
      },
    )
    expect(repeated).toBeGreaterThan(1_000)
    // All but those of the last seconds were refused: as replays, or because she has used up what she may send.
    expect(count('replay', 'quota')).toBeGreaterThan(0.95 * repeated)
    expect(count('replay')).toBeGreaterThan(100)
    const addresses = publications.map(({ address }) => address)
    expect(new Set(addresses).size).toBe(addresses.length)
    expect(mean(rates)).toBeGreaterThan(0.5)
  })
})

describe('a node whose only way out drops everything', () => {
  it('goes on as before with nothing real in it, says so, and begins again when replies come', async () => {
    const { world, alice, bob, layers, turn, relent } = await network('cut off')
    // Whoever mixes in the first layer leaves it through the other mix there.
    const [first, second] = layers[0] as [WorldNode, WorldNode]
    const [cut, peer] = first === alice ? [first, bob] : [first, first === bob ? alice : bob]
    await world.befriend(cut, peer)
    await world.run(20_000)
    turn(second.name, () => () => true)
    await world.until('noticed', () => cut.session.mix.status().state === 'few-replies', 60_000)
    const capture = Capture.of(world, cut)
    const id = await cut.send(peer.name, 'is anybody there?')
    await world.run(30_000)
    const { slotMs } = world.network.parameters
    expect(Math.abs(capture.sightings.length - 30_000 / slotMs)).toBeLessThanOrEqual(1)
    expect(capture.packets.filter(({ real }) => real)).toEqual([])
    expect(await cut.state(id)).toBe('queued')
    relent()
    await world.until('delivered', async () => (await cut.state(id)) === 'delivered')
    expect(cut.session.mix.status().state).toBe('on')
  })
})

describe('packets that were recorded before a mix restarted', () => {
  it('are refused by it in the same epoch, every one', async () => {
    const world = await World.of(['alice', 'bob', 'carol', 'dave'], { seed: 'restart' })
    running.push(world)
    const bob = world.nodes[1] as WorldNode
    const recorded: Sent[] = []
    const stop = world.air.tap((sent) => {
      const isPacket = sent.kind === 'frame' && sent.bytes[0] === PACKET_KIND
      if (isPacket && equalBytes(sent.to, bob.nodeId)) recorded.push(sent)
    })
    await world.run(30_000)
    stop()
    // Until bob has taken them all.
    await world.run(3_000)
    const { epoch } = bob.session.directory
    await bob.stop()
    await world.run(2_000)
    await bob.start()
    await world.run(5_000)
    expect(bob.session.directory.epoch).toBe(epoch)
    expect(recorded.length).toBeGreaterThan(200)
    const again = recorded.slice(0, 200)
    // Slowly, by those who sent them before: within what they may send.
    for (const { from, bytes } of again) {
      world.air.find(from)?.links.send(bob.nodeId, MIX_PROTOCOL, bytes)
      await world.run(100)
    }
    const { counts } = bob.session.mix.status()
    // One outcome each: what is a replay was not handed on.
    expect([counts.replay, counts.quota ?? 0]).toEqual([again.length, 0])
    expect(counts.relayed).toBeGreaterThan(50)
  })
})
