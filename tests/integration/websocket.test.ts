import { afterEach, describe, expect, it } from 'vitest'
import type { Net } from '../../src/net/index.ts'
import { eventually, testNet } from '../support/test-nets.ts'

describe('a node that listens on WebSockets', () => {
  const nets: Net[] = []

  afterEach(async () => {
    await Promise.all(nets.splice(0).map((net) => net.stop()))
  })

  it('is reached by another over ws, with network key, requests and gossip', async () => {
    const server = testNet(41, { listen: ['/ip4/127.0.0.41/tcp/0/ws'] })
    nets.push(server)
    await server.start()
    const [address] = server.addresses()
    expect(address).toMatch(/\/ws\/p2p\//)
    server.requests.handle(
      'echo',
      { maxRequestBytes: 64, maxConcurrentPerPeer: 2 },
      async (_peer, payload) => payload,
    )
    const heard: Uint8Array[] = []
    server.pubsub.subscribe('test', {
      messageId: (bytes) => bytes,
      validate: () => 'accept',
      handle: (bytes) => heard.push(bytes),
    })

    const client = testNet(42, { bootstraps: [address ?? ''] })
    nets.push(client)
    client.pubsub.subscribe('test', {
      messageId: (bytes) => bytes,
      validate: () => 'accept',
      handle: () => undefined,
    })
    await client.start()
    await eventually(() => client.peers.connected().length === 1)
    const question = Uint8Array.of(1, 2, 3)
    const answer = await client.requests.request(server.nodeId, 'echo', question, {
      maxResponseBytes: 64,
      timeoutMs: 5_000,
    })
    expect(answer).toEqual(question)
    await eventually(() => client.pubsub.meshPeers('test') === 1)
    await client.pubsub.publish('test', Uint8Array.of(9))
    await eventually(() => heard.length === 1)
  })
})
