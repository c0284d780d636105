import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { decodeKeys } from '../../../src/conversation/contact-codec.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { coverBox, parseBox } from '../../../src/stream/index.ts'
import { PUBLICATION_HEADER_BYTES } from '../../../src/gossip/constants.ts'
import { Courier, equivocate, garbageBox, nextAddresses, noise } from '../../support/hostile.ts'
import { LogBook, World, type WorldNode } from '../../support/world.ts'

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Everything that must not be written down, by what it is. */
class Forbidden {
  readonly #needles = new Map<string, string>()

  text(what: string, text: string): void {
    this.#needles.set(text.toLowerCase(), what)
  }

  /** Each way in which bytes are usually printed, and the first eight of them in hexadecimal. */
  bytes(what: string, bytes: Uint8Array): void {
    if (bytes.length < 8) return
    const buffer = Buffer.from(bytes)
    this.text(what, buffer.toString('hex'))
    this.text(what, buffer.subarray(0, 8).toString('hex'))
    this.text(what, buffer.toString('base64url'))
    this.text(what, buffer.toString('base64'))
    this.text(what, [...bytes.subarray(0, 8)].join(','))
  }

  /** Kinds of what the lines give away. */
  foundIn(lines: readonly string[]): string[] {
    const whole = lines.join('\n').toLowerCase()
    const found = [...this.#needles].filter(([needle]) => whole.includes(needle))
    return [...new Set(found.map(([, what]) => what))]
  }
}

/** A life with everything in it: contacts, texts, an absence, a restart, attacks, expiry, removal. */
async function eventfulLife(log: LogBook, forbidden: Forbidden) {
  const world = new World({
    seed: 'hygiene',
    log: (node) => log.logger(node === 'alias-of-alice' ? 'n1' : 'n2'),
    overrides: { boxRate: 4 },
  })
  running.push(world)
  world.air.tap(({ kind, name, bytes }) => {
    if (kind !== 'gossip' || name !== world.topic || bytes.length < PUBLICATION_HEADER_BYTES) return
    const box = bytes.subarray(PUBLICATION_HEADER_BYTES, PUBLICATION_HEADER_BYTES + 2_048)
    if (box.length === 2_048 && box[0] === 1) forbidden.bytes('address', parseBox(box).address)
  })
  for (const name of ['alias-of-alice', 'alias-of-bob', 'alias-of-mallory']) await world.add(name)
  const [alice, bob, mallory] = world.nodes as [WorldNode, WorldNode, WorldNode]
  await world.run(2_000)

  const uri = await alice.invite(bob.name)
  forbidden.text('invitation', uri)
  forbidden.text('invitation', uri.split('/').at(-1) ?? uri)
  await bob.accept(uri, alice.name)
  await world.until('ready', () => bob.phase(alice.name) === 'ready')
  await world.befriend(alice, mallory)
  // A second claimer, an unused and a cancelled invitation.
  await mallory.accept(uri, 'late claimer')
  forbidden.text('invitation', await alice.invite('never used'))
  const tell = async (from: WorldNode, to: string, text: string) => {
    forbidden.text('text', text)
    const id = await from.send(to, text)
    forbidden.bytes('message id', id)
    return id
  }
  await tell(alice, bob.name, 'The treaty will be signed at dawn')
  await tell(bob, alice.name, 'Then the ravens must fly tonight')
  await world.run(20_000)
  world.air.setOnline(bob.nodeId, false)
  await tell(alice, bob.name, `A long farewell ${'goodbye '.repeat(400)}`)
  await world.run(40_000)
  world.air.setOnline(bob.nodeId, true)
  await world.run(20_000)
  await bob.stop()
  await tell(alice, bob.name, 'Are you asleep again?')
  await world.run(5_000)
  await bob.start()
  await world.run(20_000)

  const courier = new Courier(mallory.seed)
  const now = world.clock.now()
  const attacker = world.air.find(mallory.nodeId)
  const inject = (bytes: Uint8Array) => {
    for (const node of [alice, bob]) attacker?.pubsub.inject(node.nodeId, world.topic, bytes)
  }
  const rng = world.rng('attack')
  for (const address of await nextAddresses(alice, bob.name, world.network)) {
    forbidden.bytes('address', address)
    inject(courier.publish(world.network, garbageBox(world.network, address, now, rng), now))
  }
  for (const [name, { maxRequestBytes }] of world.air.find(alice.nodeId)?.requests.protocols ??
    []) {
    const payload = rng.bytes(Math.min(200, maxRequestBytes))
    const limits = { maxResponseBytes: 10_000, timeoutMs: 1_000 }
    const asked = attacker?.requests.request(alice.nodeId, name, payload, limits)
    if (asked !== undefined) await world.drive(Promise.allSettled([asked]))
  }
  for (const { session, store } of [alice, bob, mallory]) {
    for (const { id, safetyNumber } of session.conversations.contacts()) {
      forbidden.bytes('contact id', id)
      if (safetyNumber !== undefined) forbidden.text('safety number', safetyNumber)
      const keys = await store.get(BUCKETS.sendGroups, id)
      for (const [name, value] of Object.entries(keys ? decodeKeys(keys) : {})) {
        if (value instanceof Uint8Array) forbidden.bytes(`secret: ${name}`, value)
      }
    }
  }
  for (const node of world.nodes) {
    forbidden.text('alias', node.name)
    forbidden.bytes('secret: node seed', node.seed)
  }
  for (const alias of ['late claimer', 'never used']) forbidden.text('alias', alias)

  // A writer who equivocates, before the couriers of the attack are excluded.
  const payloads = [noise(rng), noise(rng)]
  for (const box of await equivocate(mallory, alice.name, world.network, { now, payloads })) {
    inject(courier.publish(world.network, box, world.clock.now()))
  }
  await world.run(10_000)

  // What does get written down: sessions with a peer that answers nonsense, a courier that cheats.
  const { signal } = new AbortController()
  if (attacker !== undefined) attacker.requests.answer = async () => rng.bytes(100)
  await world.drive(alice.session.mailbox.reconcileHot(mallory.nodeId, signal, 'now'))
  world.air.setOnline(mallory.nodeId, false)
  world.air.setOnline(mallory.nodeId, true)
  await world.run(5_000)
  const { id: networkId } = world.network
  const expiryDay = Math.floor(now / 86_400_000) + world.network.parameters.ttlDays
  for (let i = 0; i < 2; i++) {
    const box = coverBox({ networkId, expiryDay, rng })
    inject(courier.publish(world.network, box, world.clock.now(), { counter: 7 }))
  }
  await world.run(5_000)

  // A contact that is removed.
  const batch = bob.store.batch()
  bob.session.conversations.remove(batch, alice.name)
  await world.drive(batch.commit())
  await world.run(5_000)
  return { world, alice, bob, mallory }
}

describe('the logs of a node, at every level', () => {
  it('name no contact, message, address, invitation or secret', async () => {
    const log = new LogBook()
    const forbidden = new Forbidden()
    const { world, alice, bob } = await eventfulLife(log, forbidden)
    expect(alice.phase('alias-of-mallory')).toBe('failed')
    expect((await bob.received()).length + (await alice.received()).length).toBeGreaterThan(0)
    await world.stop()
    const lines = log.text()
    expect(new Set(log.lines.map(({ message }) => message)).size).toBeGreaterThanOrEqual(3)
    expect(forbidden.foundIn(lines)).toEqual([])
    // The check finds what is there: a line of each kind, as it might have been written.
    const [contact] = alice.session.conversations.contacts()
    const slips = [
      `contact ${toHex(contact?.id ?? new Uint8Array())}`,
      'sending The treaty will be signed at dawn to alias-of-bob',
    ]
    expect(forbidden.foundIn(slips).toSorted()).toEqual(['alias', 'contact id', 'text'])
    // Nor anything that the network supplied: who is in it, where, and what a packet asks for.
    const network = new Forbidden()
    for (const node of world.nodes) {
      network.bytes('node id', node.nodeId)
      network.text('peer id', node.session.net.peerId)
    }
    network.text('address of a node', '/ip4/')
    network.text('address of a node', '127.0.')
    expect(network.foundIn(lines)).toEqual([])
    const kinds = new Forbidden()
    for (const kind of ['publish', 'fetch', 'echo', 'cover', 'real']) kinds.text(kind, kind)
    const ofMix = log.lines.filter(({ node }) => node.includes('/mix'))
    expect(kinds.foundIn(ofMix.map(({ fields }) => JSON.stringify(fields)))).toEqual([])
    expect(kinds.foundIn(ofMix.map(({ message }) => message))).toEqual([])
    const slip = [`no link to ${world.nodes[0]?.session.net.peerId} at /ip4/127.0.0.1/tcp/4001`]
    expect(network.foundIn(slip).toSorted()).toEqual(['address of a node', 'peer id'])
  })
})
