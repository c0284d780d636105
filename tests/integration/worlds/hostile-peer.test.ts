import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import { asAddress, concat, equalBytes, type Rng, uniformInt } from '../../../src/base/index.ts'
import { SEALED_ANSWER_BYTES } from '../../../src/mix/constants.ts'
import { MIX_PROTOCOL } from '../../../src/mix/mix-links.ts'
import { MAX_FRAME_BYTES } from '../../../src/net/constants.ts'
import type { Sent } from '../../support/memory-net.ts'
import { LogBook, World, type WorldNode } from '../../support/world.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const ANSWER_LIMITS = { maxResponseBytes: MAX_FRAME_BYTES, timeoutMs: 20_000 }

/** What a mix counts when it takes nothing from a frame. */
const REFUSALS = [
  'bad-delay',
  'bad-frame',
  'malformed',
  'misrouted',
  'quota',
  'replay',
  'tagged',
  'unknown-answer',
  'unknown-reply',
] as const
const ASK_KIND = 2

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Alice and bob talk; mallory is admitted and linked, and has seen what honest nodes send each other. */
async function besieged(seed: string) {
  const log = new LogBook()
  const samples = new Map<string, Uint8Array[]>()
  const world = new World({ seed, log: (node) => log.logger(node), overrides: { boxRate: 5 } })
  running.push(world)
  world.air.tap(({ kind, name, bytes }: Sent) => {
    const key = `${kind} ${name}`
    const kept = samples.get(key) ?? []
    if (kept.length < 40) samples.set(key, [...kept, bytes.slice()])
  })
  for (const name of ['alice', 'bob', 'mallory']) await world.add(name)
  const [alice, bob, mallory] = world.nodes as [WorldNode, WorldNode, WorldNode]
  await world.run(2_000)
  await world.befriend(alice, bob)
  const { signal } = new AbortController()
  await world.drive(alice.session.mailbox.reconcileHot(bob.nodeId, signal, 'now'))
  await world.run(70_000)
  const attacker = world.air.find(mallory.nodeId)
  if (attacker === undefined) throw new Error('not in the air')
  const rng = world.rng('hostile')
  const sample = (kind: Sent['kind'], name: string) => samples.get(`${kind} ${name}`) ?? []
  return { world, log, alice, bob, mallory, attacker, rng, sample }
}

type Siege = Awaited<ReturnType<typeof besieged>>

/** Something that may once have been a message: bits, lengths and counts changed, cut or repeated. */
function mangled(rng: Rng, samples: readonly Uint8Array[], maxBytes: number): Uint8Array {
  const base = samples[uniformInt(rng, Math.max(1, samples.length))]?.slice() ?? new Uint8Array()
  const at = uniformInt(rng, Math.max(1, base.length))
  switch (uniformInt(rng, 8)) {
    case 0:
      return rng.bytes(uniformInt(rng, 80))
    case 1:
      return rng.bytes(uniformInt(rng, Math.min(maxBytes, 70_000)))
    case 2:
      return base.slice(0, at)
    case 3:
      return concat(base, rng.bytes(uniformInt(rng, 40)))
    case 4:
      return concat(base.slice(0, at), base)
    case 5:
      base.fill(0xff, at, at + 1 + uniformInt(rng, 8))
      return base
    case 6:
      base.fill(0, at, at + 1 + uniformInt(rng, 8))
      return base
    default:
      base[at] = (base[at] ?? 0) ^ (1 << uniformInt(rng, 8))
      return base
  }
}

async function expectUnharmed({ world, alice, bob, log }: Siege, text: string): Promise<void> {
  const id = await alice.send('bob', text)
  await world.until(`"${text}" is delivered`, async () => (await alice.state(id)) === 'delivered')
  expect((await bob.received()).at(-1)).toBe(text)
  expect([alice.phase('bob'), bob.phase('alice')]).toEqual(['ready', 'ready'])
  // Somebody else's nonsense is no error of this node, and no bug.
  expect(log.text('error')).toEqual([])
  expect(log.text().filter((line) => line.includes('"bug"'))).toEqual([])
}

describe('an admitted node that talks nonsense', () => {
  it('on every request protocol harms nobody and leaves nothing behind', async () => {
    const here = await besieged('requests')
    const { world, alice, attacker, rng, sample } = here
    const victim = world.air.find(alice.nodeId)
    const protocols = [...(victim?.requests.protocols ?? [])]
    expect(protocols.map(([name]) => name)).toEqual(
      expect.arrayContaining(['directory/sync', 'mailbox/reconcile', 'mailbox/handoff']),
    )
    const boxes = alice.session.mailbox.status().boxes
    const outcomes = { fulfilled: 0, rejected: 0 }
    const round = async (count: number) => {
      for (const [name, { maxRequestBytes }] of protocols) {
        for (let i = 0; i < count; i += 10) {
          const asked = Array.from({ length: 10 }, () => {
            const payload = mangled(rng, sample('request', name), maxRequestBytes + 10)
            return attacker.requests.request(alice.nodeId, name, payload, ANSWER_LIMITS)
          })
          for (const { status } of await world.drive(Promise.allSettled(asked))) outcomes[status]++
        }
      }
      await world.run(30_000)
      collectGarbage()
      return { timers: world.clock.pendingTimers, heap: process.memoryUsage().heapUsed }
    }
    const before = await round(50)
    const after = await round(400)
    // Some of it was close enough to be answered.
    expect(outcomes.fulfilled).toBeGreaterThan(20)
    expect(outcomes.rejected).toBeGreaterThan(200)
    expect(after.timers - before.timers).toBeLessThan(20)
    expect((after.heap - before.heap) / 1_048_576).toBeLessThan(8)
    // Honest nodes went on for a minute; mallory added nothing.
    expect(alice.session.mailbox.status().boxes - boxes).toBeLessThan(1_000)
    await expectUnharmed(here, 'after the requests')
  })

  it('on its link harms nobody, and none of it is handed on', async () => {
    const here = await besieged('link')
    const { world, alice, attacker, rng, sample } = here
    const genuine = sample('frame', MIX_PROTOCOL)
    const size = genuine[0]?.length ?? 0
    const { mix } = alice.session
    const refused = () =>
      REFUSALS.reduce((sum, reason) => sum + (mix.status().counts[reason] ?? 0), 0)
    const before = refused()
    let sent = 0
    const round = async (count: number) => {
      for (let i = 0; i < count; i++) {
        // Most of one size: others end the link, and a patient attacker opens it again.
        const raw = mangled(rng, genuine, size)
        const bytes = new Uint8Array(uniformInt(rng, 20) === 0 ? raw.length : size)
        bytes.set(raw.subarray(0, bytes.length))
        if (uniformInt(rng, 4) === 0) bytes[0] = uniformInt(rng, 6)
        if (genuine.some((each) => equalBytes(each, bytes))) continue
        // A question gets its answer, whatever is in it; of another size it is not even read.
        if (bytes.length === size && bytes[0] !== ASK_KIND) sent++
        await world.drive(attacker.links.open(alice.nodeId, MIX_PROTOCOL))
        attacker.links.send(alice.nodeId, MIX_PROTOCOL, bytes)
        await world.run(60)
      }
      await world.run(30_000)
      collectGarbage()
      return { timers: world.clock.pendingTimers, heap: process.memoryUsage().heapUsed }
    }
    const first = await round(50)
    const second = await round(400)
    // As fast as it can: what is not due to it is not even looked at.
    for (let i = 0; i < 2_000; i++) {
      attacker.links.send(alice.nodeId, MIX_PROTOCOL, rng.bytes(size))
      if (i % 10 === 0) await world.run(1)
    }
    await world.run(1_000)
    expect(mix.status().counts.quota ?? 0).toBeGreaterThan(500)
    expect(refused() - before).toBeGreaterThanOrEqual(sent)
    const { counts } = mix.status()
    const reasons = ['bad-frame', 'malformed', 'unknown-reply', 'unknown-answer'] as const
    expect(reasons.filter((reason) => (counts[reason] ?? 0) === 0)).toEqual([])
    expect(second.timers - first.timers).toBeLessThan(20)
    expect((second.heap - first.heap) / 1_048_576).toBeLessThan(8)
    await expectUnharmed(here, 'after the frames')
  })

  it('on every topic harms nobody, and none of it is passed on', async () => {
    const here = await besieged('topics')
    const { world, alice, bob, attacker, rng, sample } = here
    const victim = world.air.find(alice.nodeId)
    const topics = victim?.pubsub.topics ?? []
    expect(topics.length).toBeGreaterThanOrEqual(3)
    const sent = new Set<string>()
    let passedOn = 0
    world.air.tap(({ kind, from, bytes }) => {
      const key = Buffer.from(bytes).toString('latin1')
      if (kind === 'gossip' && from !== attacker.nodeId && sent.has(key)) passedOn++
    })
    for (const topic of topics) {
      const genuine = sample('gossip', topic).map((bytes) => Buffer.from(bytes).toString('latin1'))
      for (let i = 0; i < 400; i++) {
        const message = mangled(rng, sample('gossip', topic), 70_000)
        const key = Buffer.from(message).toString('latin1')
        if (genuine.includes(key)) continue
        sent.add(key)
        attacker.pubsub.inject(alice.nodeId, topic, message)
        attacker.pubsub.inject(bob.nodeId, topic, message)
        if (i % 20 === 0) await world.run(20)
      }
    }
    await world.run(1_000)
    expect(passedOn).toBe(0)
    expect(alice.session.net.score(attacker.nodeId)).toBeLessThan(-80)
    await expectUnharmed(here, 'after the topics')
  })

  it('in every answer harms nobody who asks it', async () => {
    const here = await besieged('answers')
    const { world, alice, bob, mallory, attacker, rng, sample } = here
    let asked = 0
    attacker.requests.answer = (_from, name) => {
      asked++
      if (uniformInt(rng, 20) === 0) return new Promise<never>(() => undefined)
      return Promise.resolve(mangled(rng, sample('response', name), 300_000))
    }
    // As a keeper, too: what a courier hands on is of the right size, and nothing else is right about it.
    let answered = 0
    mallory.session.mailbox.answerSealed = async () => {
      answered++
      return rng.bytes(SEALED_ANSWER_BYTES)
    }
    const { signal } = new AbortController()
    const day = Math.floor(world.clock.now() / 86_400_000)
    for (let i = 0; i < 25; i++) {
      for (const { session } of [alice, bob]) {
        await world.drive(session.mailbox.reconcileHot(mallory.nodeId, signal, 'now'))
        await world.drive(session.mailbox.reconcileShared(mallory.nodeId, day + 2, signal))
      }
    }
    const found = [alice, bob].map(({ session }) =>
      session.mailbox.fetch(asAddress(rng.bytes(32)), day, signal),
    )
    for (const { status } of await world.drive(Promise.all(found))) {
      expect(status).not.toBe('found')
    }
    expect(answered).toBeGreaterThan(10)
    // Directory reconciliation: a link that comes back is asked at once.
    for (let i = 0; i < 10; i++) {
      world.air.setOnline(mallory.nodeId, false)
      await world.run(500)
      world.air.setOnline(mallory.nodeId, true)
      await world.run(5_000)
    }
    expect(asked).toBeGreaterThan(100)
    for (const { session } of [alice, bob]) {
      expect(session.net.score(mallory.nodeId)).toBeLessThan(0)
    }
    await expectUnharmed(here, 'after the answers')
  })
})
