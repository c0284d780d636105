import { afterEach, describe, expect, it } from 'vitest'
import { shuffled, utf8 } from '../../src/base/index.ts'
import { publicationScoring } from '../../src/gossip/scoring.ts'
import {
  GRAYLIST_THRESHOLD,
  type Net,
  type NetOptions,
  type TopicPlan,
} from '../../src/net/index.ts'
import { seededRng } from '../support/seeded-rng.ts'
import { eventually, sha256, testNet } from '../support/test-nets.ts'

const RATE = 20
const HEARTBEAT_MS = 100
/** The scoring of production for this rate, with a memory of three seconds. */
const scoring: TopicPlan['scoring'] = {
  ...publicationScoring({ publicationsPerSecond: RATE }),
  memorySeconds: 3,
  meshShareCap: RATE * 3,
}
const topics: TopicPlan[] = [{ topic: 'test', maxMessageBytes: 4_096, scoring }]

const running: Net[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((net) => net.stop()))
})

const heard = new Map<Net, number>()

async function started(
  host: number,
  bootstraps: string[],
  role: 'quiet' | 'leech' = 'quiet',
  options: Partial<NetOptions> = { targetConnections: 30, heartbeatMs: HEARTBEAT_MS },
): Promise<Net> {
  const net = testNet(host, { bootstraps, topics, ...options })
  running.push(net)
  net.pubsub.subscribe('test', {
    validate: (message) => {
      // Ignoring everything is how a node hears all and forwards nothing.
      if (role === 'leech') return 'ignore'
      return Buffer.from(message).toString().startsWith('bad') ? 'reject' : 'accept'
    },
    messageId: sha256,
    handle: () => heard.set(net, (heard.get(net) ?? 0) + 1),
  })
  await net.start()
  return net
}

describe('gossip scoring between 12 nodes on one host', () => {
  it('takes the mesh place of a peer that never forwards, and of no honest quiet one', async () => {
    const first = await started(1, [])
    const honest = [first]
    for (let i = 2; i <= 11; i++) honest.push(await started(i, addressesOf(honest)))
    const leech = await started(12, addressesOf(honest), 'leech')
    await eventually(() => running.every((net) => net.peers.connected().length === 11))
    await eventually(() => leech.pubsub.meshPeers('test') > 0)

    // Two nodes publish, the other nine are quiet.
    const publishers = honest.slice(0, 2)
    let sent = 0
    const deadline = performance.now() + 25_000
    const punishedBy = () => honest.filter((net) => net.score(leech.nodeId) < 0).length
    while (performance.now() < deadline && punishedBy() < 3) {
      await publishers[sent % 2]?.pubsub.publish('test', utf8(`message ${sent++} `.repeat(100)))
      await new Promise((resolve) => setTimeout(resolve, 1_000 / RATE))
    }
    expect(punishedBy()).toBeGreaterThanOrEqual(3)
    for (const net of honest) {
      for (const other of honest) {
        expect(net.score(other.nodeId)).toBeGreaterThanOrEqual(0)
      }
    }
    await eventually(() => honest.every((net) => net.pubsub.meshPeers('test') >= 4))
  })

  it('graylists a peer after five rejected messages and then does not read it', async () => {
    const one = await started(21, [])
    const two = await started(22, one.addresses())
    await eventually(() => two.pubsub.meshPeers('test') === 1)
    expect(one.score(two.nodeId)).toBeGreaterThanOrEqual(0)
    for (let i = 0; i < 5; i++) await two.pubsub.publish('test', utf8(`bad ${i}`))
    await eventually(() => one.score(two.nodeId) < GRAYLIST_THRESHOLD)
    await eventually(() => one.pubsub.meshPeers('test') === 0)
  })
})

describe('30 nodes on one host', () => {
  it('all hear each message, and none is punished for its address', async () => {
    const nets = [await started(1, [])]
    const rng = seededRng('thirty')
    for (let i = 2; i <= 30; i++) {
      const known = shuffled(rng, nets).slice(0, 6)
      nets.push(await started(i, addressesOf(known), 'quiet', { targetConnections: 6 }))
    }
    await eventually(() => nets.every((net) => net.pubsub.meshPeers('test') >= 3), 20_000)
    for (let i = 0; i < 10; i++) await nets[i]?.pubsub.publish('test', utf8(`from ${i}`))
    await eventually(() => nets.every((net) => (heard.get(net) ?? 0) >= 9), 20_000)
    const scores = nets.flatMap((net) => net.peers.connected().map((peer) => net.score(peer)))
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0)
  })
})

function addressesOf(nets: Net[]): string[] {
  return nets.flatMap((net) => net.addresses())
}
