import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BoxBytes, systemClock, systemRng, toHex } from '../../src/base/index.ts'
import { directoryTopicPlan } from '../../src/directory/index.ts'
import { gossipTopics } from '../../src/gossip/index.ts'
import { GOSSIP_THRESHOLD, GRAYLIST_THRESHOLD } from '../../src/net/constants.ts'
import { coverBox, parseBox } from '../../src/stream/index.ts'
import { Courier, garbageBox, nextAddresses } from '../support/hostile.ts'
import { type RealNode, RealNodes, until } from '../support/real-nodes.ts'
import { eventually } from '../support/test-nets.ts'

const COUNT = 10

const here = new RealNodes(81, { keyEpochMs: 20_000, layerEpochMs: 20_000 })
let alice: RealNode
let bob: RealNode
let carol: RealNode
/** Admitted nodes that attack, each in one way. */
let poisoner: RealNode
let babbler: RealNode
let flooder: RealNode

beforeAll(async () => {
  alice = await here.add('alice')
  bob = await here.add('bob')
  carol = await here.add('carol')
  poisoner = await here.add('poisoner')
  babbler = await here.add('babbler')
  flooder = await here.add('flooder')
  await here.linked()
  await here.befriend(alice, bob)
})

afterAll(() => here.stop())

function cover(): BoxBytes {
  const expiryDay = Math.floor(Date.now() / 86_400_000) + here.network.parameters.ttlDays
  return coverBox({ networkId: here.network.id, expiryDay, rng: systemRng })
}

async function expectDelivery(text: string): Promise<void> {
  const id = await alice.send('bob', text)
  await until('delivered', async () => (await alice.state(id)) === 'delivered')
  expect((await bob.received()).filter((each) => each === text)).toEqual([text])
}

/** The worst and the usual delay of the event loop while `run` lasts, milliseconds. */
async function lagDuring(run: () => Promise<void>): Promise<{ p50: number; p99: number }> {
  const monitor = monitorEventLoopDelay({ resolution: 5 })
  monitor.enable()
  await run()
  monitor.disable()
  return { p50: monitor.percentile(50) / 1e6, p99: monitor.percentile(99) / 1e6 }
}

describe('over libp2p', () => {
  it('garbage under the next ten addresses keeps none of ten boxes from anybody', async () => {
    const targets = (await nextAddresses(bob, 'alice', here.network)).slice(0, COUNT)
    expect(targets.length).toBe(COUNT)
    const courier = new Courier(poisoner.seed)
    const now = Date.now()
    const before = carol.session.gossip.metrics.of('bad-box-signature')
    const sent = targets.map((address) => {
      const box = garbageBox(here.network, address, now, systemRng)
      return poisoner.session.net.pubsub.publish(
        here.topic,
        courier.publish(here.network, box, now),
      )
    })
    expect((await Promise.all(sent)).every((peers) => peers > 0)).toBe(true)
    await eventually(() => carol.session.gossip.metrics.of('bad-box-signature') > before)
    const wanted = new Set(targets.map(toHex))
    const heard = [alice, bob, carol].map(({ session }) => {
      const mine = new Set<string>()
      session.gossip.onPublication(({ box }) => {
        const address = toHex(parseBox(box).address)
        if (wanted.has(address)) mine.add(address)
      })
      return mine
    })
    const texts = Array.from({ length: COUNT }, (_, i) => `text ${i} ${'.'.repeat(1_850)}`)
    for (const text of texts) await alice.send('bob', text)
    await eventually(() => heard.every((mine) => mine.size === COUNT), 20_000)
    await until('all received', async () => (await bob.received()).length >= COUNT)
    expect(await bob.received()).toEqual(texts)
  })

  it('nonsense on every protocol and topic makes nobody stumble or slow', async () => {
    const proofs = gossipTopics(here.network.id).proofs
    const quiet = await lagDuring(() => systemClock.sleep(1_500))
    const { requests, pubsub } = babbler.session.net
    let answered = 0
    const attacked = await lagDuring(async () => {
      for (let i = 0; i < 150; i++) {
        const names = ['directory/sync', 'mailbox/fetch', 'mailbox/reconcile', 'mailbox/handoff']
        const asked = names.map((name) => {
          const payload = systemRng.bytes(1 + ((i * 37) % 2_000))
          return requests.request(alice.nodeId, name, payload, {
            maxResponseBytes: 1_000_000,
            timeoutMs: 5_000,
          })
        })
        for (const { status } of await Promise.allSettled(asked)) {
          if (status === 'fulfilled') answered++
        }
        for (const topic of [here.topic, proofs, directoryTopicPlan().topic]) {
          await pubsub.publish(topic, systemRng.bytes(1 + ((i * 53) % 2_189))).catch(() => 0)
        }
      }
    })
    expect(answered).toBeLessThan(10)
    // The attacker works in this process too.
    expect(attacked.p50).toBeLessThan(quiet.p50 + 25)
    expect(attacked.p99).toBeLessThan(quiet.p99 + 120)
    await eventually(() => alice.session.net.score(babbler.nodeId) < GRAYLIST_THRESHOLD)
    await expectDelivery('after the nonsense')
  })

  it('a courier beyond its quota is cut off, and others get through', async () => {
    const courier = new Courier(flooder.seed)
    const { pubsub } = flooder.session.net
    const honest = [alice, bob, carol]
    const accepted = () => alice.session.gossip.metrics.of('accepted')
    // In an epoch in which it is elected by its quota, in another whatever it brings.
    const refused = () =>
      alice.session.gossip.metrics.of('quota') + alice.session.gossip.metrics.of('not-courier')
    const before = { refused: refused(), accepted: accepted() }
    const flood = async (count: number) => {
      const batch = Array.from({ length: count }, () =>
        pubsub.publish(here.topic, courier.publish(here.network, cover(), Date.now())),
      )
      await Promise.all(batch)
    }
    // Far below zero: no place in the mesh, no message lists.
    const isCutOff = () =>
      honest.every(({ session }) => session.net.score(flooder.nodeId) < GOSSIP_THRESHOLD)
    let sent = 0
    const end = Date.now() + 30_000
    for (; !isCutOff() && Date.now() < end; sent += 40) {
      await flood(40)
      await systemClock.sleep(20)
    }
    expect(isCutOff()).toBe(true)
    expect(refused() - before.refused).toBeGreaterThan(100)
    expect(accepted() - before.accepted).toBeLessThan(sent / 2)
    // The mesh is mended once a heartbeat.
    await systemClock.sleep(2_000)
    const atCutOff = refused()
    await flood(400)
    await systemClock.sleep(500)
    expect(refused() - atCutOff).toBeLessThan(20)
    await expectDelivery('through the flood')
  })
})
